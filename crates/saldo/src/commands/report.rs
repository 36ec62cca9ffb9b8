//! `saldo report`

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use saldo_domain::report::Report;
use saldo_report::{Format, Language, render, summary};
use serde_json::json;

use crate::commands::{Context, account_id};
use crate::door::{Door, Question};
use crate::exit::{End, Usage};
use crate::output::{Output, line, note};

/// Make a report of what happened in a week, or in any period, beside the period before it.
///
/// It is kept, and listed by the API. Without a format the first figures are told as text.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  saldo report\n  saldo report --format html --output week.html\n  saldo report \
                  --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z --format xlsx --output november.xlsx"
)]
pub(crate) struct Arguments {
    /// Of the last whole week, from Monday to Monday, UTC; so it is without a period, too.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    week: bool,
    /// From this moment on.
    #[arg(long, value_name = "MOMENT", requires = "to")]
    from: Option<Timestamp>,
    /// Until just before this moment.
    #[arg(long, value_name = "MOMENT", requires = "from")]
    to: Option<Timestamp>,
    /// Only this account.
    #[arg(long, value_name = "TOKEN_ID", value_parser = account_id)]
    account: Option<uuid::Uuid>,
    /// How it is written: json, html, csv or xlsx.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// en, pl or ru, instead of the configured language.
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<Language>,
    /// The file to write it to.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Makes it, and writes it.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let is_terminal = std::io::stdout().is_terminal();
    if arguments.format == Some(Format::Xlsx) && arguments.output.is_none() && is_terminal {
        return Err(Usage("a workbook is no text: name a file with --output".to_owned()).into());
    }
    let language = match arguments.language {
        Some(language) => language,
        // A server that was named needs no configuration here.
        None => context
            .load()
            .map_or(Language::default(), |loaded| loaded.config.report_language()),
    };
    let body = json!({ "from": arguments.from, "to": arguments.to, "token_id": arguments.account });
    let door = Door::open(context).await?;
    let answer = door
        .ask(Question::post("/api/v1/stock-sync/reports", &body).taking_its_time())
        .await?;
    door.close().await?;
    let report: Report =
        serde_json::from_value(answer).context("the answer is no report; is that server another version?")?;
    let is_json = matches!(context.output, Output::Json);
    let format = arguments.format.or_else(|| is_json.then_some(Format::Json));
    let bytes = match format {
        Some(format) => render(&report, format, language)?,
        None => summary(&report, language).into_bytes(),
    };
    match &arguments.output {
        Some(file) => {
            std::fs::write(file, bytes).with_context(|| format!("{} cannot be written", file.display()))?;
            note(&format!("Written to {}.", file.display()));
        }
        None if format == Some(Format::Xlsx) => std::io::stdout().write_all(&bytes)?,
        None => line(&String::from_utf8(bytes).context("the report is not text")?)?,
    }
    Ok(End::Well)
}
