//! Reading a body by hand: what derived readers cannot do is to tell every problem at once.

use std::cell::RefCell;

use jiff::Timestamp;
use saldo_domain::form::{self, parse_quantity};
use saldo_domain::limits::NOTE_CHARACTERS_MAX;
use saldo_domain::text::TextError;
use serde_json::{Map, Value};

use crate::problem::{InputError, Problem};

/// Everything that is wrong with one request.
#[derive(Default)]
pub(crate) struct Problems(RefCell<Vec<InputError>>);

impl Problems {
    /// Notes one.
    pub(crate) fn add(&self, pointer: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().push(InputError {
            pointer: pointer.into(),
            message: message.into(),
        });
    }

    /// Notes those of a checkout form, which stands at `/order`.
    pub(crate) fn add_form(&self, problems: Vec<form::Problem>) {
        for problem in problems {
            self.add(format!("/order{}", problem.pointer), problem.message);
        }
    }

    /// Whether nothing was wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// What was read, if all of it could be read.
    pub(crate) fn finish<T>(self, read: Option<T>) -> Result<T, Problem> {
        match read {
            Some(read) if self.is_empty() => Ok(read),
            _ => Err(Problem::invalid_input(self.0.into_inner())),
        }
    }

    /// The whole body as an object that may have these members and no others.
    pub(crate) fn body<'v>(&'v self, body: &'v Value, known: &[&str]) -> Fields<'v> {
        self.object(body, String::new(), known)
    }

    /// An object that stands at a pointer.
    pub(crate) fn object<'v>(&'v self, value: &'v Value, pointer: String, known: &[&str]) -> Fields<'v> {
        let members = value.as_object();
        match members {
            None => self.add(pointer.clone(), format!("must be an object, not {}", kind(value))),
            Some(members) => {
                for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
                    let known = known.join(", ");
                    let message = format!("there is no such field; the fields are: {known}");
                    self.add(format!("{pointer}/{}", escaped(name)), message);
                }
            }
        }
        Fields {
            members,
            pointer,
            problems: self,
        }
    }
}

/// The members of one object, and where it stands. One of the wrong type has no members.
pub(crate) struct Fields<'v> {
    members: Option<&'v Map<String, Value>>,
    pointer: String,
    problems: &'v Problems,
}

impl<'v> Fields<'v> {
    /// A member; `null` is as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'v Value> {
        self.members?.get(name).filter(|value| !value.is_null())
    }

    /// Where a member stands.
    pub(crate) fn pointer_to(&self, name: &str) -> String {
        format!("{}/{name}", self.pointer)
    }

    /// Notes what is wrong with a member.
    pub(crate) fn problem(&self, name: &str, message: impl Into<String>) {
        self.problems.add(self.pointer_to(name), message);
    }

    /// A member that may be absent. One that could not be read is noted, and as absent.
    pub(crate) fn optional<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'v Value) -> Result<T, String>,
    ) -> Option<T> {
        let read = read(self.get(name)?);
        read.map_err(|message| self.problem(name, message)).ok()
    }

    /// A member that must be there.
    pub(crate) fn required<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'v Value) -> Result<T, String>,
    ) -> Option<T> {
        // Of what is no object the members are not missed: one problem is enough.
        if self.members.is_some() && self.get(name).is_none() {
            self.problem(name, "is required");
        }
        self.optional(name, read)
    }

    /// A list that must be there, of at most `count_max` things that `read` reads. What could not be read is left
    /// out and noted.
    pub(crate) fn list<T>(
        &self,
        name: &str,
        count_max: usize,
        known: &[&str],
        mut read: impl FnMut(&Fields<'v>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let values = self.required(name, array)?;
        if values.is_empty() || values.len() > count_max {
            self.problem(
                name,
                format!("must have 1 to {count_max} entries, not {}", values.len()),
            );
            return None;
        }
        let pointer = self.pointer_to(name);
        let objects = values.iter().enumerate().filter_map(|(index, value)| {
            let fields = self.problems.object(value, format!("{pointer}/{index}"), known);
            fields.members.is_some().then(|| read(&fields))?
        });
        Some(objects.collect())
    }

    /// A list of plain values that may be absent; then it is empty.
    pub(crate) fn values<T>(
        &self,
        name: &str,
        count_max: usize,
        read: impl Fn(&'v Value) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(values) = self.optional(name, array) else {
            return Vec::new();
        };
        if values.is_empty() || values.len() > count_max {
            self.problem(
                name,
                format!("must have 1 to {count_max} entries, not {}", values.len()),
            );
            return Vec::new();
        }
        let read_one = |(index, value)| {
            let read = read(value);
            read.map_err(|message| self.problem(&format!("{name}/{index}"), message))
                .ok()
        };
        values.iter().enumerate().filter_map(read_one).collect()
    }
}

/// A JSON pointer's way to write `~` and `/`, of a name cut to what a message should hold.
fn escaped(name: &str) -> String {
    let name: String = name.chars().take(100).collect();
    name.replace('~', "~0").replace('/', "~1")
}

/// A word for the type of a value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn array(value: &Value) -> Result<&Vec<Value>, String> {
    value
        .as_array()
        .ok_or_else(|| format!("must be a list, not {}", kind(value)))
}

/// Text.
pub(crate) fn text(value: &Value) -> Result<&str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("must be text, not {}", kind(value)))
}

/// True or false.
pub(crate) fn boolean(value: &Value) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| format!("must be true or false, not {}", kind(value)))
}

/// A whole number within bounds.
pub(crate) fn whole(bounds: std::ops::RangeInclusive<u64>) -> impl Fn(&Value) -> Result<u64, String> {
    move |value| {
        let number = value.as_u64().or_else(|| {
            let float = value.as_f64().filter(|float| float.fract() == 0.0)?;
            // Whole and below 2^53, a float is exact.
            (0.0..9_007_199_254_740_992.0)
                .contains(&float)
                .then_some(float as u64)
        });
        number.filter(|number| bounds.contains(number)).ok_or_else(|| {
            format!(
                "must be a whole number from {} to {}",
                bounds.start(),
                bounds.end()
            )
        })
    }
}

/// A moment, as RFC 3339 writes it.
pub(crate) fn moment(value: &Value) -> Result<Timestamp, String> {
    text(value)?
        .parse()
        .map_err(|_| "must be a moment such as 2026-01-31T00:00:00Z".to_owned())
}

/// A text that a rule of names or ids checks.
pub(crate) fn checked<T>(
    parse: impl Fn(&str) -> Result<T, TextError>,
) -> impl Fn(&Value) -> Result<T, String> {
    move |value| parse(text(value)?).map_err(|error| error.0)
}

/// An id that is a UUID.
pub(crate) fn uuid<T: std::str::FromStr>(value: &Value) -> Result<T, String> {
    text(value)?.parse().map_err(|_| "must be a UUID".to_owned())
}

/// One of some words.
pub(crate) fn word<T: std::str::FromStr>(words: impl Fn() -> String) -> impl Fn(&Value) -> Result<T, String> {
    move |value| {
        text(value)?
            .parse()
            .map_err(|_| format!("must be one of {}", words()))
    }
}

/// A quantity: a whole number from 1 to a million.
pub(crate) fn quantity(value: &Value) -> Result<i64, String> {
    parse_quantity(value)
}

/// A counted quantity: zero, or a quantity.
pub(crate) fn counted(value: &Value) -> Result<i64, String> {
    if value.as_f64() == Some(0.0) {
        return Ok(0);
    }
    parse_quantity(value).map_err(|message| message.replace("from 1 to", "from 0 to"))
}

/// What a person writes: a reason, a note, a reference. Lines and tabs are welcome, other control characters are not.
pub(crate) fn note(value: &Value) -> Result<String, String> {
    let text = text(value)?.trim();
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.chars().count() > NOTE_CHARACTERS_MAX {
        return Err(format!("must have at most {NOTE_CHARACTERS_MAX} characters"));
    }
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err("must not contain control characters".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use saldo_domain::text::Sku;
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let body =
            json!({"sku": 7, "a/b~": 1, "lines": [{"quantity": 0}, 3, {"quantity": 2.0}], "ids": ["x"]});
        let problems = Problems::default();
        let fields = problems.body(&body, &["sku", "reason", "lines", "ids"]);
        assert!(fields.required("sku", checked(Sku::parse)).is_none());
        assert!(fields.required("reason", note).is_none());
        let lines = fields
            .list("lines", 3, &["quantity"], |line| {
                line.required("quantity", quantity)
            })
            .unwrap();
        assert_eq!(lines, [2]);
        assert!(fields.values::<uuid::Uuid>("ids", 1, uuid).is_empty());
        let pointers: Vec<String> = problems
            .0
            .borrow()
            .iter()
            .map(|error| error.pointer.clone())
            .collect();
        assert_eq!(
            pointers,
            [
                "/a~1b~0",
                "/sku",
                "/reason",
                "/lines/0/quantity",
                "/lines/1",
                "/ids/0"
            ]
        );
    }

    #[test]
    fn a_count_may_find_nothing() {
        for (value, expected) in [
            (json!(0), Some(0)),
            (json!(0.0), Some(0)),
            (json!(5), Some(5)),
            (json!(-1), None),
        ] {
            assert_eq!(counted(&value).ok(), expected);
        }
    }

    #[test]
    fn a_note_has_lines_but_no_other_control_characters() {
        assert_eq!(note(&json!(" a\nb ")), Ok("a\nb".to_owned()));
        for bad in [
            json!(""),
            json!("\u{0}"),
            json!(3),
            json!("x".repeat(NOTE_CHARACTERS_MAX + 1)),
        ] {
            assert!(note(&bad).is_err());
        }
    }
}
