//! Finding and reading the configuration: file, environment, flags.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use toml::Table;

use super::{Config, DEFAULT_TOML, Loaded, Problems, environment, merge};

/// What flags say; they win over file and environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    /// `--config`
    pub(crate) file: Option<PathBuf>,
    /// `--database`
    pub(crate) database: Option<String>,
    /// `--listen`
    pub(crate) listen: Option<String>,
    /// `--role`
    pub(crate) role: Option<String>,
    /// `--log-format`
    pub(crate) log_format: Option<String>,
}

/// Reads the configuration of this process.
///
/// # Errors
/// When the file cannot be read, and every problem of its content at once.
pub(crate) fn load(overrides: &Overrides) -> anyhow::Result<Loaded> {
    let file = match &overrides.file {
        Some(file) => Some(file.clone()),
        None => search_places().into_iter().find(|place| place.is_file()),
    };
    let text = match &file {
        Some(file) => Some(
            std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?,
        ),
        None => None,
    };
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    assemble(file, text.as_deref(), variables, overrides)
}

/// Where a configuration is looked for when no flag names one, in this order.
fn search_places() -> Vec<PathBuf> {
    let home = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    let mut places = vec![PathBuf::from("saldo.toml")];
    places.extend(home.map(|home| home.join("saldo/saldo.toml")));
    places.push(PathBuf::from("/etc/saldo/saldo.toml"));
    places
}

fn assemble(
    file: Option<PathBuf>,
    text: Option<&str>,
    variables: impl Iterator<Item = (String, String)>,
    overrides: &Overrides,
) -> anyhow::Result<Loaded> {
    let mut settings: Table = toml::from_str(DEFAULT_TOML).context("the embedded defaults cannot be read")?;
    let mut problems = Vec::new();
    if let Some(text) = text {
        let name = file.as_deref().unwrap_or(Path::new("")).display();
        let given: Table = toml::from_str(text).with_context(|| format!("{name} is not TOML"))?;
        merge::lay_over(&mut settings, given, &mut problems);
    }
    let variables = environment::lay_over(&mut settings, variables, &mut problems);
    let flags = [
        ("database", "--database", &overrides.database),
        ("listen", "--listen", &overrides.listen),
        ("role", "--role", &overrides.role),
        ("log.format", "--log-format", &overrides.log_format),
    ];
    for (key, flag, value) in flags {
        let set = value
            .as_deref()
            .map_or(Ok(()), |value| environment::set(&mut settings, key, value));
        problems.extend(set.err().map(|wanted| format!("{flag} must be {wanted}")));
    }
    let config: Config = settings
        .clone()
        .try_into()
        .context("the configuration cannot be read")?;
    problems.extend(config.problems());
    if problems.is_empty() {
        Ok(Loaded {
            config,
            settings,
            file,
            variables,
        })
    } else {
        Err(Problems(problems).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assembled(text: &str, variables: &[(&str, &str)], overrides: &Overrides) -> anyhow::Result<Config> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        assemble(Some("saldo.toml".into()), Some(text), variables, overrides).map(|loaded| loaded.config)
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let text = "listen = \"127.0.0.1:1\"\ndatabase = \"sqlite://file.db\"\n[retry]\nmax_retries = 1";
        let variables = [
            ("SALDO_LISTEN", "127.0.0.1:2"),
            ("SALDO_DATABASE", "sqlite://environment.db"),
        ];
        let overrides = Overrides {
            listen: Some("127.0.0.1:3".to_owned()),
            ..Overrides::default()
        };
        let config = assembled(text, &variables, &overrides).unwrap();
        assert_eq!(config.listen, "127.0.0.1:3");
        assert_eq!(config.database.to_string(), "sqlite://environment.db");
        assert_eq!(config.retry.max_retries, 1);
        assert_eq!(config.retry.max_delay, 3600);
    }

    #[test]
    fn problems_of_file_and_environment_and_values_come_together() {
        let text = "lisen = \"x\"\nmode = \"maybe\"\n[retry]\nmax_delay = 0";
        let error = assembled(text, &[("SALDO_RETRYS", "1")], &Overrides::default()).unwrap_err();
        let problems = &error.downcast_ref::<Problems>().unwrap().0;
        assert!(problems.len() >= 4, "{problems:?}");
    }
}
