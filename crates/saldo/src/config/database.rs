//! Where the ledger is kept.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

/// The address of a database. Shown, it never tells a password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Database(String);

/// The kinds of databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// A file, which one process has open at a time.
    Sqlite(PathBuf),
    /// A server, which any number of processes may use, by its address. A password may stand in it.
    Postgres(&'a str),
}

/// Parameters of an address that tell no secret.
const HARMLESS: [&str; 10] = [
    "application_name",
    "connect_timeout",
    "dbname",
    "host",
    "keepalives",
    "port",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "user",
];

impl From<String> for Database {
    fn from(address: String) -> Self {
        Self(address)
    }
}

impl Database {
    /// The database at an address, for tests.
    #[cfg(test)]
    pub(crate) fn new(address: &str) -> Self {
        Self(address.to_owned())
    }

    /// Where it is.
    ///
    /// # Errors
    /// When the address is of no kind that is known. It is not repeated: a password may stand in it.
    pub(crate) fn place(&self) -> Result<Place<'_>, String> {
        if let Some(path) = self.0.strip_prefix("sqlite://").filter(|path| !path.is_empty()) {
            return Ok(Place::Sqlite(PathBuf::from(path)));
        }
        if self.is_postgres() {
            return Ok(Place::Postgres(&self.0));
        }
        Err(
            "database must begin with sqlite:// and a path, such as \"sqlite://saldo.db\", or be the address of a \
             PostgreSQL database, such as \"postgresql://saldo@db.example/saldo?sslmode=verify-full\""
                .to_owned(),
        )
    }

    fn is_postgres(&self) -> bool {
        self.0.starts_with("postgres://") || self.0.starts_with("postgresql://")
    }
}

impl fmt::Display for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.starts_with("sqlite://") {
            return formatter.write_str(&self.0);
        }
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return formatter.write_str("[hidden]");
        };
        // The last one: a password that was not escaped may hold others, and whatever else stands in addresses.
        let (masked, rest) = rest
            .rsplit_once('@')
            .map_or(("", rest), |(_, rest)| ("[hidden]@", rest));
        let mut parts = rest.split(['?', '&']);
        write!(
            formatter,
            "{scheme}://{masked}{}",
            parts.next().unwrap_or_default()
        )?;
        for (number, pair) in parts.enumerate() {
            let name = pair.split('=').next().unwrap_or_default();
            let shown = if HARMLESS.contains(&name) {
                pair
            } else {
                "[hidden]"
            };
            write!(formatter, "{}{shown}", if number == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(address: &str) -> String {
        Database::new(address).to_string()
    }

    #[test]
    fn the_scheme_says_what_kind_of_database_it_is() {
        let place = |address: &str| format!("{:?}", Database::new(address).place());
        assert_eq!(place("sqlite://a/b.db"), "Ok(Sqlite(\"a/b.db\"))");
        for address in ["postgres://h/saldo", "postgresql://h/saldo"] {
            assert_eq!(place(address), format!("Ok(Postgres({address:?}))"));
        }
        for address in ["", "sqlite://", "saldo.db", "mysql://me:hush@h/saldo"] {
            let refused = Database::new(address).place().unwrap_err();
            assert!(
                refused.contains("postgresql://") && !refused.contains("hush"),
                "{refused}"
            );
        }
    }

    #[test]
    fn what_is_harmless_is_shown() {
        assert_eq!(shown("sqlite:///srv/a@b.db"), "sqlite:///srv/a@b.db");
        let address = "postgresql://db.example:6543/ledger?sslmode=verify-full&sslrootcert=%2Fca.pem";
        assert_eq!(shown(address), address);
        assert_eq!(shown("postgres://me:pw@h/saldo"), "postgres://[hidden]@h/saldo");
    }

    #[test]
    fn a_password_is_never_shown_wherever_it_stands() {
        for address in [
            "postgres://me:hush@h/saldo",
            "postgres://me:a@hush@h/saldo",
            "postgres://me:a/hush@h/saldo",
            "postgres://me:a?hush@h/saldo",
            "postgres://me:a?port=hush@h/saldo",
            "postgresql://h/saldo?user=me&password=hush",
            "postgresql://h/saldo?sslmode=require&p%61ssword=hush",
            "mysql://me:hush@h/saldo",
            "me:hush@h/saldo",
        ] {
            assert!(!shown(address).contains("hush"), "{}", shown(address));
            assert!(!format!("{:?}", Database::new(address)).contains("hush"));
        }
    }
}
