//! Settings from the environment.

use toml::{Table, Value};

use super::merge::{known_keys, nearest};

/// What every variable of ours begins with.
const PREFIX: &str = "SALDO_";
/// Variables of ours that are flags of the command line and no settings.
const FLAGS: [&str; 3] = ["SALDO_CONFIG", "SALDO_SERVER", "SALDO_KEY"];
/// Settings that are never shown.
pub(super) const SECRETS: [&str; 5] = [
    "orders_service.jwt_secret",
    "orders_service.token",
    "channels.telegram.bot_token",
    "channels.email.smtp_url",
    "channels.webhook.secret",
];

/// Whether a setting may also be read from a file named by `…_FILE`: it is secret, or a password may stand in it.
fn may_be_in_file(key: &str) -> bool {
    key == "database" || SECRETS.contains(&key)
}

/// The variable of a setting.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// Lays the variables over the settings, and returns the names of those used.
pub(super) fn lay_over(
    settings: &mut Table,
    variables: impl Iterator<Item = (String, String)>,
    problems: &mut Vec<String>,
) -> Vec<String> {
    let keys = known_keys(settings);
    let mut used = Vec::new();
    let mut ours: Vec<_> = variables.filter(|(name, _)| is_ours(name)).collect();
    ours.sort();
    for (name, text) in ours {
        let (key, text) = match found(&name, text, &keys) {
            Ok(Some(found)) => found,
            Ok(None) => {
                problems.push(unknown(&name, &keys));
                continue;
            }
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        if used.contains(&variable(key)) || used.contains(&format!("{}_FILE", variable(key))) {
            problems.push(format!(
                "{name}: {key} is set twice; set either the value or its file"
            ));
            continue;
        }
        match set(settings, key, &text) {
            Ok(()) => used.push(name),
            Err(wanted) => problems.push(format!("{name} must be {wanted}")),
        }
    }
    used
}

/// Kubernetes tells every container about a service called `saldo` under such names.
fn is_ours(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return false;
    };
    let of_kubernetes = rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_");
    !of_kubernetes && !FLAGS.contains(&name)
}

/// The setting that a variable names, and its value; read from a file where it names one.
fn found<'k>(name: &str, text: String, keys: &'k [String]) -> Result<Option<(&'k str, String)>, String> {
    if let Some(key) = keys.iter().find(|key| variable(key) == name) {
        return Ok(Some((key, text)));
    }
    let is_file_of = |key: &&String| may_be_in_file(key) && format!("{}_FILE", variable(key)) == name;
    let Some(key) = keys.iter().find(is_file_of) else {
        return Ok(None);
    };
    match std::fs::read_to_string(&text) {
        Ok(secret) => Ok(Some((key, secret.trim_end_matches(['\r', '\n']).to_owned()))),
        Err(error) => Err(format!("{name}: {text} cannot be read: {error}")),
    }
}

fn unknown(name: &str, keys: &[String]) -> String {
    let mut variables: Vec<_> = keys.iter().map(|key| variable(key)).collect();
    let in_files = keys.iter().filter(|key| may_be_in_file(key));
    variables.extend(in_files.map(|key| format!("{}_FILE", variable(key))));
    match nearest(name, variables.iter().map(String::as_str)) {
        Some(nearest) => format!("there is no setting for the variable {name}; did you mean {nearest}?"),
        None => format!("there is no setting for the variable {name}"),
    }
}

/// Sets one setting from text, which is read as what its default is.
pub(super) fn set(settings: &mut Table, key: &str, text: &str) -> Result<(), String> {
    let mut path = key.split('.').rev();
    let name = path.next().unwrap_or(key);
    let mut section = settings;
    for part in path.rev() {
        match section.get_mut(part) {
            Some(Value::Table(inner)) => section = inner,
            _ => return Err(format!("in a section that there is: {key} has none")),
        }
    }
    let Some(setting) = section.get_mut(name) else {
        return Err(format!("a setting that there is: {key} is none"));
    };
    *setting = match setting {
        Value::Integer(_) => match text.trim().parse::<i64>() {
            Ok(number) if number >= 0 => Value::Integer(number),
            _ => return Err(format!("a whole number of at least 0, not {text:?}")),
        },
        Value::Float(_) => Value::Float(
            text.trim()
                .parse()
                .map_err(|_| format!("a number, not {text:?}"))?,
        ),
        Value::Boolean(_) => Value::Boolean(
            text.trim()
                .parse()
                .map_err(|_| format!("true or false, not {text:?}"))?,
        ),
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => Value::String(text.to_owned()),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_over(variables: &[(&str, &str)]) -> (Table, Vec<String>, Vec<String>) {
        let mut settings: Table = toml::from_str(crate::config::DEFAULT_TOML).unwrap();
        let mut problems = Vec::new();
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let used = lay_over(&mut settings, variables, &mut problems);
        (settings, used, problems)
    }

    #[test]
    fn every_setting_has_a_variable_of_its_own() {
        let settings: Table = toml::from_str(crate::config::DEFAULT_TOML).unwrap();
        let keys = known_keys(&settings);
        let variables: std::collections::BTreeSet<_> = keys.iter().map(|key| variable(key)).collect();
        assert_eq!(variables.len(), keys.len());
        assert!(variables.iter().all(|name| is_ours(name)), "{variables:?}");
        assert!(SECRETS.iter().all(|secret| keys.iter().any(|key| key == secret)));
    }

    #[test]
    fn each_kind_of_value_is_read_from_text() {
        let (settings, used, problems) = laid_over(&[
            ("SALDO_LISTEN", "127.0.0.1:1"),
            ("SALDO_RETRY__MAX_RETRIES", "3"),
            ("SALDO_RETRY__EXPONENTIAL_BASE", "1.5"),
            ("SALDO_INTAKE__ALLOW_NEGATIVE", "true"),
            ("SALDO_CHANNELS__EMAIL__TO", "a@b.example, c@d.example"),
            ("SALDO_ALERTS__STALE_OPERATIONS__THRESHOLD_HOURS", "9"),
        ]);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(used.len(), 6);
        assert_eq!(settings["retry"]["max_retries"].as_integer(), Some(3));
        assert_eq!(settings["retry"]["exponential_base"].as_float(), Some(1.5));
        assert_eq!(settings["channels"]["email"]["to"].as_array().unwrap().len(), 2);
        assert_eq!(
            settings["alerts"]["stale_operations"]["threshold_hours"].as_integer(),
            Some(9)
        );
    }

    #[test]
    fn misspelt_and_misfilled_variables_are_all_told_and_strangers_are_left_alone() {
        let (_, _, problems) = laid_over(&[
            ("SALDO_RETRY__MAX_RETRIS", "3"),
            ("SALDO_RETRY__MAX_DELAY", "soon"),
            ("SALDO_SERVICE_HOST", "10.0.0.1"),
            ("SALDO_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("SALDO_KEY", "k"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(
            problems[0].contains("SALDO_RETRY__MAX_DELAY must be a whole number"),
            "{problems:?}"
        );
        assert!(
            problems[1].contains("did you mean SALDO_RETRY__MAX_RETRIES?"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_secret_comes_from_a_file_and_not_from_both() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "hush\n").unwrap();
        let path = path.to_str().unwrap();
        let (settings, used, problems) = laid_over(&[("SALDO_ORDERS_SERVICE__JWT_SECRET_FILE", path)]);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(used.len(), 1);
        assert_eq!(settings["orders_service"]["jwt_secret"].as_str(), Some("hush"));
        let (_, _, problems) = laid_over(&[
            ("SALDO_ORDERS_SERVICE__JWT_SECRET_FILE", path),
            ("SALDO_ORDERS_SERVICE__JWT_SECRET", "other"),
        ]);
        assert!(problems[0].contains("set twice"), "{problems:?}");
        let (settings, _, problems) = laid_over(&[("SALDO_DATABASE_FILE", path)]);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(settings["database"].as_str(), Some("hush"));
        let (_, _, problems) = laid_over(&[("SALDO_CHANNELS__WEBHOOK__SECRET_FILE", "/nowhere/at/all")]);
        assert!(problems[0].contains("cannot be read"), "{problems:?}");
    }
}
