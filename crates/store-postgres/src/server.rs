//! Whether the server may be trusted with a ledger, and what people are told about it.

use saldo_store::StoreError;

use crate::address::Address;
use crate::failure::Failure;
use crate::options::PostgresOptions;
use crate::schema;
use crate::session::Session;
use crate::sql::get;

/// Older ones lack what the schema uses, and are no longer mended.
const SERVER_VERSION_MIN: i32 = 140_000;

/// Settings of the server that decide whether what it acknowledged survives a crash.
const DURABILITY: [&str; 6] = [
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "synchronous_standby_names",
    "wal_level",
    "data_checksums",
];

async fn setting(session: &Session, name: &str) -> Result<String, Failure> {
    let sql = format!("SELECT current_setting('{name}')");
    let value = session.one(&sql, &[], |row| get::<String>(row, 0)).await?;
    Ok(value.unwrap_or_default())
}

/// Refuses a server that is too old, that only reads, or that may lose what it acknowledged.
pub(crate) async fn check(session: &Session, options: &PostgresOptions) -> Result<(), Failure> {
    let refused = |detail: String| Err(Failure::Answer(StoreError::Unavailable(detail)));
    let version = setting(session, "server_version_num").await?;
    if version
        .parse::<i32>()
        .is_ok_and(|version| version < SERVER_VERSION_MIN)
    {
        let version = setting(session, "server_version").await?;
        return refused(format!(
            "the server is PostgreSQL {version}; saldo needs 14 or newer"
        ));
    }
    if setting(session, "server_encoding").await? != "UTF8" {
        return refused("the database is not in UTF8; make it anew with createdb --encoding=UTF8".to_owned());
    }
    let reads_only = session
        .one("SELECT pg_is_in_recovery()", &[], |row| get::<bool>(row, 0))
        .await?;
    if reads_only == Some(true) {
        return refused(
            "the server is a standby and only reads; point the address at the primary".to_owned(),
        );
    }
    for name in ["fsync", "full_page_writes", "synchronous_commit"] {
        if !options.allow_unsafe_durability && setting(session, name).await? == "off" {
            return refused(format!(
                "the server runs with {name} = off and may lose, or damage, what it acknowledged when it crashes; \
                 set {name} = on"
            ));
        }
    }
    Ok(())
}

/// Facts for people.
pub(crate) async fn describe(session: &Session, address: &Address) -> Result<Vec<(String, String)>, Failure> {
    let mut facts = vec![
        ("kind".to_owned(), "postgresql".to_owned()),
        ("version".to_owned(), setting(session, "server_version").await?),
        ("address".to_owned(), address.shown()),
        (
            "schema_version".to_owned(),
            format!("{} of {}", schema::version(session).await?, schema::NEWEST),
        ),
    ];
    let asked = [
        ("user", "current_user::text"),
        ("database_bytes", "pg_database_size(current_database())::text"),
        (
            "tls",
            "coalesce((SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl), 'none')",
        ),
    ];
    for (name, expression) in asked {
        let sql = format!("SELECT {expression}");
        let value = session.one(&sql, &[], |row| get::<String>(row, 0)).await?;
        facts.push((name.to_owned(), value.unwrap_or_default()));
    }
    for name in DURABILITY {
        facts.push((name.to_owned(), setting(session, name).await?));
    }
    Ok(facts)
}
