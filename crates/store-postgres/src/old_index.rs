//! The index along which the version before claims. Every claim of this version changes it, so it goes when no instance of
//! that version has run for a while: one that was only cut off from the database comes back.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;
use crate::sql::get;
use crate::store::PostgresStore;

/// Whether it is there, and whether anybody is known who needs it.
const LOOK: &str = "SELECT to_regclass('saldo.delivery_due') IS NOT NULL, \
     EXISTS (SELECT FROM saldo.instance WHERE schema_version < 6)";
/// It gives up soon: whoever comes to the table meanwhile waits behind it.
const LET_GO: &str = "DO $$ BEGIN \
     IF NOT EXISTS (SELECT FROM saldo.instance WHERE schema_version < 6) THEN \
         SET LOCAL lock_timeout = '200ms'; DROP INDEX IF EXISTS saldo.delivery_due; \
     END IF; END $$";
/// How often it is looked at while it is kept.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What a store knows of it.
#[derive(Debug)]
pub(crate) struct OldIndex {
    state: Mutex<State>,
    kept_for: Duration,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Gone,
    Unknown {
        look_at: Option<Instant>,
        /// Since when nobody was seen who needs it.
        unneeded_since: Option<Instant>,
    },
}

impl OldIndex {
    /// It is kept so long after the last instance that needs it was there.
    pub(crate) const fn new(kept_for: Duration) -> Self {
        Self {
            state: Mutex::new(State::Unknown {
                look_at: None,
                unneeded_since: None,
            }),
            kept_for,
        }
    }

    fn look_is_due(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Unknown { look_at, .. } if look_at.is_none_or(|moment| moment <= now) => {
                *look_at = Some(now + LOOK_EVERY.min(self.kept_for));
                true
            }
            _ => false,
        }
    }

    /// Takes in a look; says whether it may go now.
    fn looked(&self, is_there: bool, is_needed: bool, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_there {
            *state = State::Gone;
            return false;
        }
        let State::Unknown { unneeded_since, .. } = &mut *state else {
            return false;
        };
        if is_needed {
            *unneeded_since = None;
            return false;
        }
        now >= *unneeded_since.get_or_insert(now) + self.kept_for
    }
}

impl PostgresStore {
    /// Looks after it, at most once a minute. Where it cannot go now, it goes later.
    pub(crate) async fn look_after_old_index(&self) {
        if !self.old_index.look_is_due(Instant::now()) {
            return;
        }
        let look = self
            .read(|session| {
                Box::pin(session.one(LOOK, &[], |row| {
                    Ok::<_, Failure>((get::<bool>(row, 0)?, get::<bool>(row, 1)?))
                }))
            })
            .await;
        let (is_there, is_needed) = match look {
            Ok(look) => look.unwrap_or((true, true)),
            Err(error) => {
                tracing::debug!(%error, "it is not known whether the index of the version before is there");
                return;
            }
        };
        if !self.old_index.looked(is_there, is_needed, Instant::now()) {
            return;
        }
        let gone = self.write_all(|session| Box::pin(session.batch(LET_GO))).await;
        if let Err(error) = gone {
            tracing::info!(%error, "the index of the version before stays for now");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT_FOR: Duration = Duration::from_secs(600);

    #[tokio::test(start_paused = true)]
    async fn it_is_looked_at_once_a_minute_until_it_is_gone() {
        let index = OldIndex::new(KEPT_FOR);
        assert!(index.look_is_due(Instant::now()));
        assert!(!index.look_is_due(Instant::now()));
        tokio::time::advance(LOOK_EVERY).await;
        assert!(index.look_is_due(Instant::now()));
        index.looked(false, false, Instant::now());
        tokio::time::advance(LOOK_EVERY).await;
        assert!(!index.look_is_due(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_ten_minutes_after_the_last_that_needed_it_was_there() {
        let index = OldIndex::new(KEPT_FOR);
        assert!(!index.looked(true, false, Instant::now()));
        tokio::time::advance(KEPT_FOR / 2).await;
        // One that was cut off is back.
        assert!(!index.looked(true, true, Instant::now()));
        assert!(!index.looked(true, false, Instant::now()));
        tokio::time::advance(KEPT_FOR / 2).await;
        assert!(!index.looked(true, false, Instant::now()));
        tokio::time::advance(KEPT_FOR / 2).await;
        assert!(index.looked(true, false, Instant::now()));
    }
}
