//! Switching Saldo on step by step, and off again, while it runs (section 8).

use std::collections::BTreeSet;

use jiff::Timestamp;
use saldo_domain::decide::{Command, Outcome, Request, SetMode};
use saldo_domain::ids::OrderKey;
use saldo_domain::rollout::{Acting, Rollout};
use saldo_store::StoreError;

use crate::api::{Caller, Event};
use crate::engine::Core;
use crate::service::StockSynchronizationService;

impl StockSynchronizationService {
    /// The mode in force, with what it is limited to.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn mode(&self) -> Result<Rollout, StoreError> {
        in_force(self.core()).await
    }

    /// Puts another mode in force, from the next decision on. What is owed already is finished in every mode.
    ///
    /// # Errors
    /// When it was refused or could not be stored: then nothing changed.
    pub async fn set_mode(&self, wanted: SetMode, caller: &Caller) -> Result<Rollout, StoreError> {
        let request = Request {
            command: Command::SetMode(wanted),
            now: self.now(),
            by: caller.by.clone(),
            answer_key: caller.answer_key.clone(),
        };
        let rollout = match self.core().store.execute(request).await? {
            Outcome::Rollout(rollout) => rollout,
            other => return Err(StoreError::Defect(format!("a mode was answered by {other:?}"))),
        };
        tracing::info!(
            mode = %rollout.mode,
            accounts = rollout.accounts.len(),
            percent = rollout.percent,
            by = caller.by,
            "the mode is set"
        );
        self.core().tell(Event::Status);
        // What was not pulled so far may have its turn now.
        self.core().poll.notify_one();
        Ok(rollout)
    }
}

/// The mode that was set last, or what the configuration begins with.
pub(crate) async fn in_force(core: &Core) -> Result<Rollout, StoreError> {
    Ok(core.store.rollout().await?.unwrap_or_else(|| Rollout {
        mode: core.settings.initial_mode,
        accounts: BTreeSet::new(),
        percent: 0,
        start_from: None,
        changed_at: Timestamp::UNIX_EPOCH,
        changed_by: "configuration".to_owned(),
        earlier: Vec::new(),
    }))
}

/// Whether a pulled order that nothing is known of would be taken in.
pub(crate) fn is_ours(core: &Core, rollout: &Rollout, key: &OrderKey, bought_at: Option<Timestamp>) -> bool {
    !is_before(core, rollout, key, bought_at) && rollout.acting(key) == Acting::On
}

/// Whether a moment lies before the one from which on a pulled order is Saldo's.
pub(crate) fn is_before(core: &Core, rollout: &Rollout, key: &OrderKey, moment: Option<Timestamp>) -> bool {
    let begins_at = rollout.begins_at(key, core.settings.start_from);
    moment
        .zip(begins_at)
        .is_some_and(|(moment, begin)| moment < begin)
}
