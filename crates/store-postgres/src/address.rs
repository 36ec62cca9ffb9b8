//! The address of a database: a `postgresql://` URL, with `sslmode` and `sslrootcert` as libpq means them.

use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use saldo_store::StoreError;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// What is asked of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Nothing: the connection is encrypted, to whomever.
    Anyone,
    /// It must be signed by an authority that is trusted.
    Authority,
    /// The same, and it must name the host.
    AuthorityAndName,
}

/// An address, taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) config: Config,
    pub(crate) trust: Trust,
    /// A file with the authorities to trust; those of the system without one.
    pub(crate) authorities: Option<PathBuf>,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it cannot be read. The message never tells the password.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(wrong("it must begin with postgresql://"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut mode = "prefer".to_owned();
        let mut authorities = None;
        let mut others = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| wrong(&format!("{name} is not text")))?;
            match name {
                "sslmode" => mode = value.into_owned(),
                "sslrootcert" if value != "system" => authorities = Some(PathBuf::from(value.as_ref())),
                "sslrootcert" => {}
                _ => others.push(pair),
            }
        }
        let mut config = Config::from_str(&format!("{base}?{}", others.join("&")))
            .map_err(|error| wrong(&error.to_string()))?;
        let (ssl_mode, trust) = match (mode.as_str(), &authorities) {
            ("disable", _) => (SslMode::Disable, Trust::Anyone),
            ("allow" | "prefer", _) => (SslMode::Prefer, Trust::Anyone),
            ("require", None) => (SslMode::Require, Trust::Anyone),
            // As libpq: a file of authorities is there to be used.
            ("require", Some(_)) | ("verify-ca", _) => (SslMode::Require, Trust::Authority),
            ("verify-full", _) => (SslMode::Require, Trust::AuthorityAndName),
            _ => {
                let known = "disable, prefer, require, verify-ca and verify-full";
                return Err(wrong(&format!("sslmode {mode:?} is unknown; there are {known}")));
            }
        };
        config.ssl_mode(ssl_mode);
        if config.get_application_name().is_none() {
            config.application_name("saldo");
        }
        Ok(Self {
            config,
            trust,
            authorities,
        })
    }

    /// Host and database for people, without the password.
    pub(crate) fn shown(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            _ => "(no host)".to_owned(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let database = self.config.get_dbname().unwrap_or("(the user's)");
        format!("{host}:{port}/{database}")
    }
}

fn wrong(detail: &str) -> StoreError {
    StoreError::Unavailable(format!(
        "the address of the database cannot be used: {detail}; \
         it reads like postgresql://user:password@host:5432/database?sslmode=verify-full"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(query: &str) -> (SslMode, Trust) {
        let address = Address::parse(&format!("postgresql://saldo:secret@db.example/ledger{query}")).unwrap();
        (address.config.get_ssl_mode(), address.trust)
    }

    #[test]
    fn sslmode_means_what_it_means_to_libpq() {
        assert_eq!(mode(""), (SslMode::Prefer, Trust::Anyone));
        assert_eq!(mode("?sslmode=disable"), (SslMode::Disable, Trust::Anyone));
        assert_eq!(mode("?sslmode=require"), (SslMode::Require, Trust::Anyone));
        assert_eq!(
            mode("?sslmode=require&sslrootcert=%2Fetc%2Fca.pem"),
            (SslMode::Require, Trust::Authority)
        );
        assert_eq!(
            mode("?connect_timeout=3&sslmode=verify-full"),
            (SslMode::Require, Trust::AuthorityAndName)
        );
    }

    #[test]
    fn a_wrong_address_is_told_without_its_password() {
        for url in [
            "sqlite:saldo.db",
            "postgresql://saldo:secret@db.example:port/ledger",
            "postgresql://saldo:secret@db.example/ledger?sslmode=yes",
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
            assert!(error.contains("postgresql://user:password@host"), "{error}");
        }
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let address = Address::parse("postgresql://saldo:secret@db.example:6543/ledger").unwrap();
        assert_eq!(address.shown(), "db.example:6543/ledger");
    }
}
