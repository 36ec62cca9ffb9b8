//! The way of scheduled reports to the people that mail goes to.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use saldo_domain::report::Report;
use saldo_engine::{ReportPost, StockSynchronizationService};
use saldo_notify::{Attachment, Letter, Notifier};
use saldo_report::{Language, mail};

use crate::config::Config;

/// Sends reports by mail.
struct ByMail {
    notifier: Notifier,
    language: Language,
    receivers: String,
}

#[async_trait]
impl ReportPost for ByMail {
    async fn send(&self, report: &Report) -> Result<Option<String>, String> {
        let letter = letter(report, self.language)?;
        self.notifier
            .send_letter(&letter)
            .await
            .map_err(|error| error.reason)?;
        Ok(Some(self.receivers.clone()))
    }
}

/// A report as a letter. The same report makes the same one, so that a repeat can be recognised.
fn letter(report: &Report, language: Language) -> Result<Letter, String> {
    let mail = mail(report, language).map_err(|error| error.to_string())?;
    let attachments = mail.attachments.into_iter().map(|attachment| Attachment {
        name: attachment.file_name,
        content_type: attachment.content_type.to_owned(),
        bytes: attachment.content,
    });
    Ok(Letter {
        id: report.head.id.to_string(),
        written_at: report.head.made_at,
        subject: mail.subject,
        text: mail.text,
        html: mail.html,
        attachments: attachments.collect(),
    })
}

/// Lets a service send its reports, where mail is set up.
///
/// # Errors
/// When the settings cannot be used.
pub(crate) fn start(
    config: &Config,
    service: &StockSynchronizationService,
    address: SocketAddr,
) -> anyhow::Result<()> {
    let receivers = &config.channels.email.to;
    if config.channels.email.smtp_url.is_empty() || receivers.is_empty() {
        return Ok(());
    }
    let notifier = config
        .notifier(&format!("http://{address}"))
        .map_err(|problems| anyhow::Error::msg(problems.join("; ")))?;
    service.send_reports_by(Arc::new(ByMail {
        notifier,
        language: config.report_language(),
        receivers: receivers.join(", "),
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use saldo_domain::ids::ReportId;
    use saldo_domain::report::{Gathering, Period, ReportCause, ReportHead};

    use super::*;

    #[test]
    fn a_report_is_a_letter_with_a_page_and_a_workbook() {
        let made_at: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let period = Period::last_week(made_at).unwrap();
        let report = Report {
            head: ReportHead {
                id: ReportId::new(uuid::Uuid::nil()),
                cause: ReportCause::Scheduled,
                made_at,
                made_by: "saldo".to_owned(),
                period,
                account: None,
                account_name: None,
            },
            figures: Gathering::new(period).finish(),
        };
        let letter = letter(&report, Language::Polish).unwrap();
        assert_eq!(letter.id, report.head.id.to_string());
        assert!(letter.subject.contains("raport"), "{}", letter.subject);
        let names: Vec<&str> = letter.attachments.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "saldo-raport-synchronizacji-2026-11-16.html",
                "saldo-raport-synchronizacji-2026-11-16.xlsx"
            ]
        );
    }
}
