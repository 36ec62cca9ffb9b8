//! Migrations that are part of the binary, each recorded in the database with a checksum. How one is applied and
//! recorded is the backend's affair; what must have been recorded is the same for all.

use sha2::{Digest, Sha256};

use crate::StoreError;

/// One migration.
#[derive(Debug)]
pub struct Migration {
    /// The name of its file.
    pub name: &'static str,
    /// What it does.
    pub sql: &'static str,
    /// Checksums of texts that it had before, where what they made is as good.
    pub former: &'static [&'static str],
}

impl Migration {
    /// The checksum that is recorded of it.
    #[must_use]
    pub fn checksum(&self) -> String {
        // Line ends may differ between checkouts; what the file says does not.
        let text = self.sql.replace("\r\n", "\n");
        Sha256::digest(text.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn is_recorded_as(&self, checksum: &str) -> bool {
        checksum == self.checksum() || self.former.contains(&checksum)
    }
}

/// Refuses a database that a newer program migrated.
///
/// # Errors
/// When the version is above that of the last migration.
pub fn check_not_newer(migrations: &[Migration], version: usize) -> Result<(), StoreError> {
    let newest = migrations.len();
    if version <= newest {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!(
        "the database has schema version {version}, and this program knows versions up to {newest}; \
         start a newer saldo, or restore a backup that was made by this one"
    )))
}

/// Checks that what a database of a version has recorded, versions and checksums in order, are the first of these
/// migrations.
///
/// # Errors
/// When they are not.
pub fn verify(
    migrations: &[Migration],
    version: usize,
    recorded: &[(i64, String)],
) -> Result<(), StoreError> {
    let expected = (1..).zip(migrations).take(version);
    let agrees = recorded.len() == version
        && recorded
            .iter()
            .zip(expected)
            .all(|((number, checksum), (expected, migration))| {
                *number == expected && migration.is_recorded_as(checksum)
            });
    if agrees {
        return Ok(());
    }
    Err(StoreError::Corrupt(
        "the migrations recorded in the database are not those of this program; it was changed by another one, \
         or is damaged: restore a backup, or start the saldo that made it"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIGRATIONS: &[Migration] = &[
        Migration {
            name: "first",
            sql: "CREATE TABLE first (id)",
            former: &[],
        },
        Migration {
            name: "second",
            sql: "CREATE TABLE second (id)",
            former: &[],
        },
    ];

    fn recorded(version: usize) -> Vec<(i64, String)> {
        (1..)
            .zip(MIGRATIONS)
            .take(version)
            .map(|(number, migration)| (number, migration.checksum()))
            .collect()
    }

    #[test]
    fn each_version_of_this_program_is_its_own() {
        for version in 0..=MIGRATIONS.len() {
            assert!(check_not_newer(MIGRATIONS, version).is_ok());
            assert!(verify(MIGRATIONS, version, &recorded(version)).is_ok());
        }
    }

    #[test]
    fn a_newer_version_is_refused() {
        assert!(matches!(
            check_not_newer(MIGRATIONS, 3),
            Err(StoreError::Unavailable(_))
        ));
    }

    #[test]
    fn a_missing_an_added_or_a_changed_record_is_damage() {
        let mut changed = recorded(2);
        changed[1].1 = MIGRATIONS[0].checksum();
        let mut renumbered = recorded(2);
        renumbered[1].0 = 3;
        for (version, recorded) in [(2, recorded(1)), (1, recorded(2)), (2, changed), (2, renumbered)] {
            assert!(matches!(
                verify(MIGRATIONS, version, &recorded),
                Err(StoreError::Corrupt(_))
            ));
        }
    }

    #[test]
    fn what_a_former_text_made_is_accepted() {
        let recorded = [(1, "of the former text".to_owned())];
        let migrations = |former| {
            [Migration {
                name: "first",
                sql: "CREATE TABLE first (id)",
                former,
            }]
        };
        assert!(verify(&migrations(&["of the former text"]), 1, &recorded).is_ok());
        assert!(verify(&migrations(&["of another one"]), 1, &recorded).is_err());
    }

    #[test]
    fn line_ends_do_not_change_a_checksum() {
        let (unix, windows) = ("SELECT 1;\nSELECT 2;\n", "SELECT 1;\r\nSELECT 2;\r\n");
        let migration = |sql| Migration {
            name: "any",
            sql,
            former: &[],
        };
        let of = |sql| migration(sql).checksum();
        assert_eq!(of(unix), of(windows));
    }
}
