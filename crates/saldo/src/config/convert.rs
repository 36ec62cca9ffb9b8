//! The configuration in the words of the rules.

use jiff::Timestamp;
use saldo_domain::circuit::CircuitPolicy;
use saldo_domain::policy::Policy;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::rollout::Mode;
use saldo_domain::text::{TextError, Warehouse};
use saldo_engine::settings::lease_seconds;
use saldo_orders_service::{Credentials, HttpOptions};
use saldo_store::instances::ServerRole;

use super::Config;

/// How long after a doubtful attempt the flag is read back once more, in seconds: section 5 of the design.
const VERIFY_AFTER_SECONDS: i64 = 60;

impl Config {
    /// The schedule of retries.
    pub(crate) fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy {
            max_retries: narrow(self.retry.max_retries),
            initial_delay_seconds: self.retry.initial_delay,
            max_delay_seconds: self.retry.max_delay,
            exponential_base: self.retry.exponential_base,
            jitter: self.retry.jitter,
        }
    }

    /// What this instance does.
    pub(crate) fn server_role(&self) -> ServerRole {
        // Validation has read it before.
        ServerRole::parse(&self.role).unwrap_or_default()
    }

    /// What this instance is called.
    pub(crate) fn instance_name(&self) -> String {
        if !self.name.is_empty() {
            return self.name.clone();
        }
        let machine = rustix::system::uname();
        let machine = machine.nodename().to_string_lossy();
        let port = self.listen.rsplit(':').next().unwrap_or_default();
        format!("{machine}:{port}")
    }

    /// The language of reports.
    pub(crate) fn report_language(&self) -> saldo_report::Language {
        // Validation has read it before.
        self.language.parse().unwrap_or_default()
    }

    /// The circuit breaker.
    pub(crate) fn circuit_policy(&self, probe_deadline_seconds: u32) -> CircuitPolicy {
        CircuitPolicy {
            enabled: self.circuit.enabled,
            failures: narrow(self.circuit.failures),
            give_up_hours: narrow(self.circuit.give_up_hours),
            probe_deadline_seconds,
            ..CircuitPolicy::default()
        }
    }

    /// What decisions depend on.
    ///
    /// # Errors
    /// When the default warehouse has no usable name.
    pub(crate) fn policy(&self) -> Result<Policy, TextError> {
        Ok(Policy {
            default_warehouse: Warehouse::parse(&self.default_warehouse)?,
            deduct_when_bought: self.intake.deduct_on == "bought",
            allow_negative: self.intake.allow_negative,
            retry: self.retry_policy(),
            circuit_enabled: self.circuit.enabled,
            lease_seconds: lease_seconds(self.orders_service.timeout_ms),
            verify_after_seconds: VERIFY_AFTER_SECONDS,
            give_up_hours: i64::try_from(self.circuit.give_up_hours).unwrap_or(i64::MAX),
            initial_mode: self.initial_mode(),
            start_from: self.start_from(),
        })
    }

    /// The mode until one is set at run time.
    pub(crate) fn initial_mode(&self) -> Mode {
        // Validation has read it before. Where that was left out, doing nothing is the safe way.
        self.mode.parse().unwrap_or(Mode::Off)
    }

    /// Pulled orders bought before this moment belong to the old way.
    pub(crate) fn start_from(&self) -> Option<Timestamp> {
        // Validation has read it before.
        self.intake.start_from.parse().ok()
    }

    /// How the orders service is reached; none without credentials.
    pub(crate) fn orders_service_options(&self) -> Option<HttpOptions> {
        let service = &self.orders_service;
        let credentials = if !service.token.is_empty() {
            Credentials::Token(service.token.for_signing())
        } else if !service.jwt_secret.is_empty() {
            Credentials::SharedSecret {
                secret: service.jwt_secret.for_signing(),
                user_id: service.user_id.clone(),
            }
        } else {
            return None;
        };
        let mut options = HttpOptions::new(&service.base_url, credentials);
        options.timeout_ms = service.timeout_ms;
        options.list_timeout_ms = service.list_timeout_ms;
        Some(options)
    }
}

/// Validation keeps these numbers far below the bound.
pub(crate) fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
