//! A `WHERE` in the making, as both databases take it.

use uuid::Uuid;

/// A value of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A UUID.
    Uuid(Uuid),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Self::Uuid(id)
    }
}

/// A `WHERE` in the making. Its values are named `$1`, `$2` and so on, in the order in which they stand in the text:
/// PostgreSQL takes them by number, and SQLite, to which they are names, in the order in which they first stand.
#[derive(Debug, Default)]
pub struct Conditions {
    /// ` WHERE` and all conditions; empty when there are none.
    pub sql: String,
    /// The values that they name.
    pub values: Vec<Value>,
}

impl Conditions {
    /// Adds a condition on one value; `{}` stands for it.
    pub fn and(&mut self, condition: &str, value: impl Into<Value>) {
        self.and_all(condition, [value.into()]);
    }

    /// Adds a condition on several values; each `{}` stands for the next of them.
    pub fn and_all<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        let mut condition = condition.to_owned();
        for value in values {
            let name = self.value(value);
            condition = condition.replacen("{}", &name, 1);
        }
        self.and_plain(&condition);
    }

    /// Adds a condition without a value.
    pub fn and_plain(&mut self, condition: &str) {
        self.sql
            .push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(condition);
    }

    /// Adds a value that is named after the conditions, and says how.
    pub fn value(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// That a column is empty, or is not.
    pub fn and_empty(&mut self, column: &str, is_empty: Option<bool>) {
        match is_empty {
            Some(true) => self.and_plain(&format!("{column} IS NULL")),
            Some(false) => self.and_plain(&format!("{column} IS NOT NULL")),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_conditions_there_is_no_where() {
        assert_eq!(Conditions::default().sql, "");
    }

    #[test]
    fn values_are_named_in_the_order_in_which_they_stand() {
        let mut conditions = Conditions::default();
        conditions.and("kind = {}", "missing");
        conditions.and_empty("closed_at", Some(true));
        conditions.and_all("(seen_at, id) < ({}, {})", [7.into(), Uuid::nil().into()]);
        let limit = conditions.value(50);
        assert_eq!(
            conditions.sql,
            " WHERE kind = $1 AND closed_at IS NULL AND (seen_at, id) < ($2, $3)"
        );
        assert_eq!(limit, "$4");
        assert_eq!(
            conditions.values,
            [
                Value::Text("missing".to_owned()),
                Value::Integer(7),
                Value::Uuid(Uuid::nil()),
                Value::Integer(50)
            ]
        );
    }
}
