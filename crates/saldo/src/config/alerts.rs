//! Alerts and channels: the configuration in the words of the rules.

use jiff::tz::TimeZone;
use saldo_domain::alert::{AlertKind, AlertPolicy, Channel, QuietHours, Routes, Severity};
use saldo_notify::{
    Composer, EmailOptions, Language, Notifier, NotifierOptions, OptionsError, TelegramOptions,
    WebhookOptions,
};

use super::Config;
use super::convert::narrow;

/// How late a scheduled task may be before there is an alert, in minutes.
const TASK_LATE_MINUTES: i64 = 15;

impl Config {
    /// Thresholds, routes and quiet hours.
    ///
    /// # Errors
    /// What is wrong with the time zone or the quiet hours.
    pub(crate) fn alert_policy(&self) -> Result<AlertPolicy, String> {
        let alerts = &self.alerts;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a checked share from 0 to 1"
        )]
        let failure_permille = (alerts.sync_failure_rate.threshold * 1_000.0).round() as u32;
        Ok(AlertPolicy {
            high_pending_operations: alerts.high_pending_operations.threshold,
            max_pending_operations: self.monitoring.max_pending_operations,
            failure_permille,
            failure_window_minutes: narrow(alerts.sync_failure_rate.window_minutes),
            stale_operation_hours: alerts.stale_operations.threshold_hours,
            on_failed_retries: self.monitoring.alert_on_failed_retries,
            free_disk_mib: alerts.low_disk_space.free_mib,
            task_late_minutes: TASK_LATE_MINUTES,
            routes: self.routes(),
            quiet_hours: self.quiet_hours()?,
            ..AlertPolicy::default()
        })
    }

    fn routes(&self) -> Routes {
        let read = |channels: &[String]| -> Vec<Channel> {
            channels.iter().filter_map(|word| word.parse().ok()).collect()
        };
        let routes = &self.alerts.routes;
        Routes {
            by_severity: [
                (Severity::Critical, read(&routes.critical)),
                (Severity::Warning, read(&routes.warning)),
                (Severity::Notice, read(&routes.notice)),
            ]
            .into(),
            by_kind: [(
                AlertKind::HighPendingOperations,
                read(&self.alerts.high_pending_operations.channels),
            )]
            .into(),
            set_up: self.channels_set_up(),
        }
    }

    /// The channels that have what they need.
    fn channels_set_up(&self) -> Vec<Channel> {
        let set_up = [
            (Channel::Telegram, !self.channels.telegram.bot_token.is_empty()),
            (Channel::Email, !self.channels.email.smtp_url.is_empty()),
            (Channel::Webhook, !self.channels.webhook.url.is_empty()),
        ];
        set_up
            .into_iter()
            .filter(|(_, is_set_up)| *is_set_up)
            .map(|(channel, _)| channel)
            .collect()
    }

    fn quiet_hours(&self) -> Result<Option<QuietHours>, String> {
        let span = self.alerts.quiet_hours.trim();
        if span.is_empty() {
            return Ok(None);
        }
        let severity = self.alerts.quiet_severity.parse().unwrap_or(Severity::Critical);
        QuietHours::parse(span, self.zone()?, severity)
            .map(Some)
            .map_err(|wanted| format!("alerts.quiet_hours must be {wanted}"))
    }

    fn zone(&self) -> Result<TimeZone, String> {
        TimeZone::get(&self.time_zone).map_err(|_| {
            format!(
                "time_zone must be a name such as \"Europe/Warsaw\" or \"UTC\", not \"{}\"",
                self.time_zone
            )
        })
    }

    /// Who sends messages. Links in them begin with `public_url`, or with the address given here.
    ///
    /// # Errors
    /// Everything that is wrong with the channels.
    pub(crate) fn notifier(&self, address: &str) -> Result<Notifier, Vec<String>> {
        let zone = self.zone().map_err(|problem| vec![problem])?;
        let language = self.language.parse().unwrap_or(Language::English);
        let public_url = if self.public_url.is_empty() {
            address
        } else {
            &self.public_url
        };
        let composer = Composer::new(language, zone, public_url);
        let words = |problems: Vec<OptionsError>| problems.into_iter().map(|problem| problem.0).collect();
        Notifier::new(composer, &self.notifier_options()).map_err(words)
    }

    fn notifier_options(&self) -> NotifierOptions {
        let set_up = self.channels_set_up();
        let channels = &self.channels;
        NotifierOptions {
            telegram: set_up.contains(&Channel::Telegram).then(|| TelegramOptions {
                bot_token: channels.telegram.bot_token.for_channel(),
                chat_id: channels.telegram.chat_id.clone(),
                api_url: channels.telegram.api_url.clone(),
            }),
            email: set_up.contains(&Channel::Email).then(|| EmailOptions {
                smtp_url: channels.email.smtp_url.for_channel(),
                from: channels.email.from.clone(),
                to: channels.email.to.clone(),
                root_certificate_pem: Vec::new(),
            }),
            webhook: set_up.contains(&Channel::Webhook).then(|| WebhookOptions {
                url: channels.webhook.url.clone(),
                secret: channels.webhook.secret.for_channel(),
            }),
        }
    }

    /// What is wrong with alerts and channels as a whole.
    pub(super) fn check_notifications(&self, problems: &mut Vec<String>) {
        if let Err(problem) = self.zone() {
            problems.push(problem);
        } else {
            problems.extend(self.quiet_hours().err());
            problems.extend(self.notifier("").err().into_iter().flatten());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn the_defaults_are_those_of_the_rules_and_nothing_is_set_up() {
        let policy = Config::default().alert_policy().unwrap();
        let expected = AlertPolicy {
            routes: policy.routes.clone(),
            ..AlertPolicy::default()
        };
        assert_eq!(policy, expected);
        assert_eq!(policy.routes.channels(AlertKind::StorageTrouble).count(), 0);
    }

    #[test]
    fn channels_that_are_set_up_get_what_is_routed_to_them() {
        let mut config = Config::default();
        config.channels.telegram.bot_token = Secret::new("123:ABC");
        config.channels.telegram.chat_id = "-100".to_owned();
        config.channels.webhook.url = "http://127.0.0.1:9".to_owned();
        config.alerts.routes.warning = vec!["telegram".to_owned()];
        let routes = config.alert_policy().unwrap().routes;
        let of = |kind| routes.channels(kind).collect::<Vec<_>>();
        assert_eq!(
            of(AlertKind::StorageTrouble),
            [Channel::Telegram, Channel::Webhook]
        );
        assert_eq!(of(AlertKind::StockShortage), [Channel::Telegram]);
        assert_eq!(of(AlertKind::HighPendingOperations), [Channel::Telegram]);
        assert_eq!(config.notifier("http://x").unwrap().channels(), routes.set_up);
    }

    #[test]
    fn what_is_wrong_with_channels_and_hours_is_told_without_secrets() {
        let mut config = Config::default();
        config.channels.telegram.bot_token = Secret::new("hush/hush");
        config.channels.email.smtp_url = Secret::new("mail:hush");
        config.alerts.quiet_hours = "at night".to_owned();
        let mut problems = Vec::new();
        config.check_notifications(&mut problems);
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(!problems.concat().contains("hush"));
        config.time_zone = "Mars/Olympus".to_owned();
        problems.clear();
        config.check_notifications(&mut problems);
        assert!(problems[0].starts_with("time_zone"), "{problems:?}");
    }
}
