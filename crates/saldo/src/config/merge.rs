//! Laying what was given over the defaults, key by key.

use toml::{Table, Value};

/// The dotted names of all settings, as they stand in the defaults.
pub(super) fn known_keys(defaults: &Table) -> Vec<String> {
    let mut keys = Vec::new();
    collect(defaults, "", &mut keys);
    keys
}

fn collect(table: &Table, prefix: &str, keys: &mut Vec<String>) {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value {
            Value::Table(inner) => collect(inner, &format!("{key}."), keys),
            _ => keys.push(key),
        }
    }
}

/// Lays a table over the settings. What does not fit is left out and told, all of it.
pub(super) fn lay_over(settings: &mut Table, given: Table, problems: &mut Vec<String>) {
    let known = known_keys(settings);
    lay_over_section(settings, given, "", &known, problems);
}

fn lay_over_section(
    settings: &mut Table,
    given: Table,
    prefix: &str,
    known: &[String],
    problems: &mut Vec<String>,
) {
    for (name, value) in given {
        let key = format!("{prefix}{name}");
        match (settings.get_mut(&name), value) {
            (None, _) => problems.push(unknown(&key, known)),
            (Some(Value::Table(section)), Value::Table(inner)) => {
                lay_over_section(section, inner, &format!("{key}."), known, problems);
            }
            (Some(Value::Table(_)), _) => {
                problems.push(format!("{key} is a section; write [{key}] before its keys"))
            }
            (Some(setting), value) => match fitting(setting, value) {
                Ok(value) => *setting = value,
                Err(wanted) => problems.push(format!("{key} must be {wanted}")),
            },
        }
    }
}

/// A value of the kind that the default has, or what kind that is.
fn fitting(default: &Value, given: Value) -> Result<Value, String> {
    match (default, given) {
        (Value::Integer(_), Value::Integer(number)) if number < 0 => Err(format!("at least 0, not {number}")),
        (Value::Float(_), Value::Integer(number)) => Ok(Value::Float(number as f64)),
        (Value::Array(_), Value::Array(items)) if items.iter().any(|item| !item.is_str()) => {
            Err("a list of texts, such as [\"a\", \"b\"]".to_owned())
        }
        // `start_from` reads naturally as a TOML date, too.
        (Value::String(_), Value::Datetime(moment)) => Ok(Value::String(moment.to_string())),
        (default, given) if default.same_type(&given) => Ok(given),
        (default, given) => Err(format!("{}, not {}", kind(default), kind(&given))),
    }
}

/// A kind of value, for people.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text in quotes",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

/// Says that a key is unknown, and which one was probably meant.
pub(super) fn unknown(key: &str, known: &[String]) -> String {
    match nearest(key, known.iter().map(String::as_str)) {
        Some(nearest) => format!("there is no setting {key}; did you mean {nearest}?"),
        None => format!("there is no setting {key}"),
    }
}

/// The name most like another one.
pub(super) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_over(given: &str) -> Vec<String> {
        let mut settings: Table = toml::from_str(crate::config::DEFAULT_TOML).unwrap();
        let mut problems = Vec::new();
        lay_over(&mut settings, toml::from_str(given).unwrap(), &mut problems);
        problems
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one_wherever_it_stands() {
        let problems = laid_over(
            "listn = \"x\"\n[retry]\nmax_retrys = 3\n[alerts.stale_operations]\nthreshold_hour = 1",
        );
        assert_eq!(problems.len(), 3);
        for meant in [
            "listen",
            "retry.max_retries",
            "alerts.stale_operations.threshold_hours",
        ] {
            let told = format!("did you mean {meant}?");
            assert!(
                problems.iter().any(|problem| problem.ends_with(&told)),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn values_of_the_wrong_kind_are_all_told() {
        let problems =
            laid_over("listen = 8080\nretry = 3\n[retention]\nlog_days = -1\n[channels.email]\nto = [1]");
        assert_eq!(problems.len(), 4, "{problems:?}");
        let told = "listen must be a text in quotes, not a whole number";
        assert!(problems.iter().any(|problem| problem == told), "{problems:?}");
    }

    #[test]
    fn a_whole_number_is_a_number_and_a_date_is_a_text() {
        let mut settings: Table = toml::from_str(crate::config::DEFAULT_TOML).unwrap();
        let given = "[retry]\nexponential_base = 3\n[intake]\nstart_from = 2026-01-31T00:00:00Z";
        let mut problems = Vec::new();
        lay_over(&mut settings, toml::from_str(given).unwrap(), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(settings["retry"]["exponential_base"].as_float(), Some(3.0));
        assert_eq!(
            settings["intake"]["start_from"].as_str(),
            Some("2026-01-31T00:00:00Z")
        );
    }
}
