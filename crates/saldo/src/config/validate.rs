//! What values may not be, each problem with what to do about it.

use std::net::SocketAddr;

use jiff::Timestamp;
use saldo_domain::circuit::CircuitPolicy;
use saldo_domain::text::Warehouse;
use saldo_orders_service::ORDERS_PER_PAGE;

use super::{Config, Place, Schedule};

/// A year and a day, in hours: nothing waits longer.
const HOURS_MAX: u64 = 366 * 24;

impl Config {
    /// Every problem of the values, in the order of the file.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.check_general(&mut problems);
        self.check_orders_service(&mut problems);
        self.check_intake(&mut problems);
        self.check_rules(&mut problems);
        self.check_reconciliation(&mut problems);
        self.check_alerts(&mut problems);
        self.check_schedules(&mut problems);
        self.check_channels(&mut problems);
        self.check_notifications(&mut problems);
        one_of(
            "log.format",
            &self.log.format,
            &["auto", "human", "json"],
            &mut problems,
        );
        let endpoint = &self.telemetry.otlp_endpoint;
        if !endpoint.is_empty() && !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            problems.push(format!(
                "telemetry.otlp_endpoint must be an address such as \"http://127.0.0.1:4318\", not \"{endpoint}\""
            ));
        }
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log.filter) {
            problems.push(format!(
                "log.filter must be a level or directives such as \"info\": {error}"
            ));
        }
        problems
    }

    fn check_general(&self, problems: &mut Vec<String>) {
        problems.extend(self.database.place().err());
        if self.listen.parse::<SocketAddr>().is_err() {
            problems.push(format!(
                "listen must be an address and a port, such as \"127.0.0.1:8080\", not \"{}\"",
                self.listen
            ));
        }
        one_of("role", &self.role, &["all", "api", "worker"], problems);
        if self.role != "all" && matches!(self.database.place(), Ok(Place::Sqlite(_))) {
            problems.push(format!(
                "role \"{}\" needs other instances beside it, and an SQLite database has one: use role \"all\", or a \
                 PostgreSQL server as the database",
                self.role
            ));
        }
        within("stop_delay_ms", self.stop_delay_ms, 0, 600_000, problems);
        one_of("mode", &self.mode, &["on", "partial", "shadow", "off"], problems);
        one_of("language", &self.language, &["en", "pl", "ru"], problems);
        if let Err(error) = Warehouse::parse(&self.default_warehouse) {
            problems.push(format!(
                "default_warehouse must be the name of a warehouse: {error}"
            ));
        }
    }

    fn check_orders_service(&self, problems: &mut Vec<String>) {
        let service = &self.orders_service;
        http_url("orders_service.base_url", &service.base_url, problems);
        if !service.jwt_secret.is_empty() && !service.token.is_empty() {
            problems.push(
                "orders_service.jwt_secret and orders_service.token are both set; keep the one to be used"
                    .to_owned(),
            );
        }
        if service.user_id.is_empty() && !service.jwt_secret.is_empty() {
            problems.push("orders_service.user_id must be the user that owns the accounts".to_owned());
        }
        within(
            "orders_service.timeout_ms",
            service.timeout_ms,
            1,
            3_600_000,
            problems,
        );
        within(
            "orders_service.list_timeout_ms",
            service.list_timeout_ms,
            1,
            3_600_000,
            problems,
        );
        within(
            "orders_service.max_in_flight",
            service.max_in_flight,
            1,
            1_000,
            problems,
        );
        within(
            "orders_service.requests_per_second",
            service.requests_per_second,
            1,
            100_000,
            problems,
        );
    }

    fn check_intake(&self, problems: &mut Vec<String>) {
        let intake = &self.intake;
        within(
            "intake.immediate_timeout_ms",
            intake.immediate_timeout_ms,
            0,
            600_000,
            problems,
        );
        one_of(
            "intake.deduct_on",
            &intake.deduct_on,
            &["ready_for_processing", "bought"],
            problems,
        );
        within("intake.poll_seconds", intake.poll_seconds, 0, 86_400, problems);
        within("intake.unpaid_days", intake.unpaid_days, 1, 366, problems);
        within(
            "intake.unpaid_hours_frozen",
            intake.unpaid_hours_frozen,
            1,
            HOURS_MAX,
            problems,
        );
        within("intake.overlap_days", intake.overlap_days, 0, 366, problems);
        if !intake.start_from.is_empty() && intake.start_from.parse::<Timestamp>().is_err() {
            problems.push(format!(
                "intake.start_from must be empty or a moment such as \"2026-01-31T00:00:00Z\", not \"{}\"",
                intake.start_from
            ));
        }
    }

    fn check_rules(&self, problems: &mut Vec<String>) {
        within("retry.max_retries", self.retry.max_retries, 0, 1_000, problems);
        if let Err(found) = self.retry_policy().validate() {
            problems.extend(found);
        }
        if let Err(found) = self
            .circuit_policy(CircuitPolicy::default().probe_deadline_seconds)
            .validate()
        {
            problems.extend(found);
        }
        within("circuit.failures", self.circuit.failures, 0, 1_000_000, problems);
        within(
            "circuit.give_up_hours",
            self.circuit.give_up_hours,
            1,
            HOURS_MAX,
            problems,
        );
        within(
            "monitoring.stale_operation_hours",
            self.monitoring.stale_operation_hours,
            1,
            HOURS_MAX,
            problems,
        );
        within(
            "monitoring.max_pending_operations",
            self.monitoring.max_pending_operations,
            1,
            1_000_000_000,
            problems,
        );
    }

    fn check_reconciliation(&self, problems: &mut Vec<String>) {
        let reconciliation = &self.reconciliation;
        within(
            "reconciliation.interval_minutes",
            reconciliation.interval_minutes,
            1,
            60 * HOURS_MAX,
            problems,
        );
        within(
            "reconciliation.batch_size",
            reconciliation.batch_size,
            1,
            ORDERS_PER_PAGE,
            problems,
        );
        let hours = [
            (
                "reconciliation.auto_fix_threshold_hours",
                reconciliation.auto_fix_threshold_hours,
            ),
            (
                "reconciliation.missing_after_hours",
                reconciliation.missing_after_hours,
            ),
        ];
        for (key, value) in hours {
            within(key, value, 0, HOURS_MAX, problems);
        }
        let days = [
            ("retention.completed_days", self.retention.completed_days),
            ("retention.failed_days", self.retention.failed_days),
            ("retention.log_days", self.retention.log_days),
        ];
        for (key, value) in days {
            within(key, value, 1, 36_600, problems);
        }
    }

    fn check_alerts(&self, problems: &mut Vec<String>) {
        let alerts = &self.alerts;
        within(
            "alerts.high_pending_operations.threshold",
            alerts.high_pending_operations.threshold,
            1,
            1_000_000_000,
            problems,
        );
        let severities = ["notice", "warning", "critical"];
        one_of(
            "alerts.quiet_severity",
            &alerts.quiet_severity,
            &severities,
            problems,
        );
        let routes = [
            ("alerts.routes.critical", &alerts.routes.critical),
            ("alerts.routes.warning", &alerts.routes.warning),
            ("alerts.routes.notice", &alerts.routes.notice),
            (
                "alerts.high_pending_operations.channels",
                &alerts.high_pending_operations.channels,
            ),
        ];
        for (key, channels) in routes {
            for channel in channels {
                one_of(key, channel, &["telegram", "email", "webhook"], problems);
            }
        }
        if !(0.0..=1.0).contains(&alerts.sync_failure_rate.threshold) {
            problems.push(format!(
                "alerts.sync_failure_rate.threshold must be a share from 0 to 1, not {}",
                alerts.sync_failure_rate.threshold
            ));
        }
        within(
            "alerts.sync_failure_rate.window_minutes",
            alerts.sync_failure_rate.window_minutes,
            1,
            24 * 60,
            problems,
        );
        let stale = &alerts.stale_operations;
        within(
            "alerts.stale_operations.threshold_hours",
            stale.threshold_hours,
            1,
            HOURS_MAX,
            problems,
        );
        within(
            "alerts.stale_operations.check_interval_minutes",
            stale.check_interval_minutes,
            1,
            24 * 60,
            problems,
        );
    }

    fn check_schedules(&self, problems: &mut Vec<String>) {
        let schedules = [
            ("schedule.process_pending", &self.schedule.process_pending),
            ("schedule.reconcile", &self.schedule.reconcile),
            ("schedule.cleanup", &self.schedule.cleanup),
            ("schedule.report", &self.schedule.report),
        ];
        for (key, text) in schedules {
            problems.extend(
                Schedule::parse(text)
                    .err()
                    .map(|wanted| format!("{key} must be {wanted}")),
            );
        }
    }

    fn check_channels(&self, problems: &mut Vec<String>) {
        for (key, url) in [
            ("channels.telegram.api_url", &self.channels.telegram.api_url),
            ("channels.webhook.url", &self.channels.webhook.url),
        ] {
            if !url.is_empty() {
                http_url(key, url, problems);
            }
        }
        let email = &self.channels.email;
        for address in email
            .to
            .iter()
            .chain(std::iter::once(&email.from).filter(|from| !from.is_empty()))
        {
            if !address.contains('@') {
                problems.push(format!("channels.email: \"{address}\" is no mail address"));
            }
        }
    }
}

fn one_of(key: &str, value: &str, allowed: &[&str], problems: &mut Vec<String>) {
    if !allowed.contains(&value) {
        problems.push(format!(
            "{key} must be one of {}, not \"{value}\"",
            allowed.join(", ")
        ));
    }
}

fn within(key: &str, value: u64, least: u64, most: u64, problems: &mut Vec<String>) {
    if value < least || value > most {
        problems.push(format!("{key} must be from {least} to {most}, not {value}"));
    }
}

/// The address is not repeated: a password may stand in it.
fn http_url(key: &str, url: &str, problems: &mut Vec<String>) {
    let parsed = reqwest::Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    if parsed.is_none() {
        problems.push(format!(
            "{key} must be an address that begins with http:// or https://"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Database;
    use super::*;

    #[test]
    fn the_defaults_have_no_problem() {
        assert_eq!(Config::default().problems(), Vec::<String>::new());
    }

    #[test]
    fn an_instance_with_a_part_of_the_work_wants_a_database_for_several() {
        let mut config = Config {
            role: "worker".to_owned(),
            ..Config::default()
        };
        let problems = config.problems();
        assert!(
            matches!(&problems[..], [problem] if problem.contains("an SQLite database has one")),
            "{problems:?}"
        );
        config.database = Database::new("postgresql://saldo@localhost/saldo");
        assert_eq!(config.problems(), Vec::<String>::new());
        config.role = "leader".to_owned();
        assert_eq!(config.problems().len(), 1);
    }

    #[test]
    fn every_problem_is_found_at_once_and_names_its_key() {
        let mut config = Config {
            database: Database::new("mysql://user:hush@x"),
            listen: "8080".to_owned(),
            mode: "maybe".to_owned(),
            language: "de".to_owned(),
            default_warehouse: " ".to_owned(),
            ..Config::default()
        };
        config.orders_service.base_url = "ftp://user:hush@x".to_owned();
        config.orders_service.timeout_ms = 0;
        config.intake.deduct_on = "sent".to_owned();
        config.intake.start_from = "yesterday".to_owned();
        config.retry.exponential_base = 0.5;
        config.circuit.failures = 0;
        config.reconciliation.batch_size = 101;
        config.alerts.sync_failure_rate.threshold = 1.5;
        config.alerts.high_pending_operations.channels = vec!["pigeon".to_owned()];
        config.schedule.cleanup = "at night".to_owned();
        config.retention.log_days = 0;
        config.channels.email.to = vec!["nobody".to_owned()];
        config.log.format = "xml".to_owned();
        let problems = config.problems();
        assert_eq!(problems.len(), 18, "{problems:#?}");
        assert!(!problems.concat().contains("hush"));
        assert!(problems[0].starts_with("database") && problems[17].starts_with("log.format"));
    }
}
