//! Reading the configuration again while the service runs.

use saldo_store::SharedStore;

use crate::config::{self, Loaded, Overrides, differences};
use crate::logging::LogFilter;

/// What can change without a restart; a name that ends with a dot stands for its section.
const CHANGEABLE: [&str; 4] = [
    "retry.",
    "intake.deduct_on",
    "intake.allow_negative",
    "log.filter",
];

/// The configuration in force.
pub(super) struct Running {
    loaded: Loaded,
    overrides: Overrides,
    log_filter: LogFilter,
    store: SharedStore,
}

impl Running {
    /// What the service was started with.
    pub(super) fn new(
        loaded: Loaded,
        overrides: Overrides,
        log_filter: LogFilter,
        store: SharedStore,
    ) -> Self {
        Self {
            loaded,
            overrides,
            log_filter,
            store,
        }
    }

    /// Reads the configuration again and applies what can be; a mistake in it changes nothing.
    pub(super) async fn reload(&mut self) {
        match self.try_reload().await {
            Ok(()) => {}
            Err(error) => tracing::error!("the configuration stays as it was: {error:#}"),
        }
    }

    async fn try_reload(&mut self) -> anyhow::Result<()> {
        let fresh = config::load(&self.overrides)?;
        let changed = differences(&self.loaded.settings, &fresh.settings);
        let (now, later): (Vec<String>, Vec<String>) =
            changed.into_iter().partition(|key| is_changeable(key));
        let mut config = self.loaded.config.clone();
        config.retry = fresh.config.retry;
        config.intake.deduct_on = fresh.config.intake.deduct_on;
        config.intake.allow_negative = fresh.config.intake.allow_negative;
        config.log.filter = fresh.config.log.filter;
        self.store.set_policy(config.policy()?).await?;
        self.log_filter.set(&config.log)?;
        config::copy(&mut self.loaded.settings, &fresh.settings, &now);
        self.loaded.config = config;
        tracing::info!(changed = now.join(" "), "the configuration was read again");
        if !later.is_empty() {
            tracing::warn!(keys = later.join(" "), "these changes need a restart");
        }
        Ok(())
    }
}

fn is_changeable(key: &str) -> bool {
    CHANGEABLE
        .iter()
        .any(|name| key == *name || (name.ends_with('.') && key.starts_with(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_and_logging_change_and_addresses_do_not() {
        assert!(is_changeable("retry.max_retries") && is_changeable("log.filter"));
        assert!(!is_changeable("listen") && !is_changeable("intake.start_from"));
    }
}
