//! `saldo doctor`

mod channels;
mod clock;
mod database;
mod near_duplicates;
mod remote;

use clap::Args;
use serde_json::{Value, json};

use crate::commands::Context;
use crate::config::{self, Loaded};
use crate::exit::End;
use crate::output::{cell, is_watched, note, table};

/// Check configuration, database, clock and orders service, and say how to mend what is wrong.
///
/// An SQLite database itself is checked while no server has it open, one on PostgreSQL at any time.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saldo doctor\n  saldo doctor --json\n  saldo doctor --send-test")]
pub(crate) struct Arguments {
    /// Send a test message on each channel that is set up.
    #[arg(long)]
    send_test: bool,
}

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gravity {
    /// Nothing to do.
    Fine,
    /// Worth knowing.
    Note,
    /// Something is wrong: exit code 1.
    Wrong,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    area: &'static str,
    gravity: Gravity,
    what: String,
    mend: Option<String>,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn fine(&mut self, area: &'static str, what: impl Into<String>) {
        self.0.push(Finding {
            area,
            gravity: Gravity::Fine,
            what: what.into(),
            mend: None,
        });
    }

    fn note(&mut self, area: &'static str, what: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Finding {
            area,
            gravity: Gravity::Note,
            what: what.into(),
            mend: Some(mend.into()),
        });
    }

    fn wrong(&mut self, area: &'static str, what: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Finding {
            area,
            gravity: Gravity::Wrong,
            what: what.into(),
            mend: Some(mend.into()),
        });
    }
}

/// Checks everything; exit code 1 when something is wrong.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let mut findings = Findings::default();
    let loaded = match context.load() {
        Ok(loaded) => Some(loaded),
        Err(error) => {
            findings.wrong(
                "configuration",
                format!("{error:#}"),
                "edit what is named; docs/operations.md has all keys",
            );
            None
        }
    };
    if let Some(loaded) = &loaded {
        configuration(loaded, &mut findings);
        progress("the orders service");
        let remote_time = remote::check(&loaded.config, &mut findings).await;
        clock::check(remote_time, &mut findings);
        progress("the channels");
        channels::check(&loaded.config, arguments.send_test, &mut findings).await;
        progress("the database");
        database::check(&loaded.config, context, &mut findings).await;
    }
    let settings = loaded
        .as_ref()
        .map_or_else(Vec::new, |loaded| config::effective(&loaded.settings));
    let report = report(&findings, loaded.as_ref(), &settings);
    context.output.show(&report, |report| human(report, &settings))?;
    Ok(End::well_if(
        findings.0.iter().all(|finding| finding.gravity != Gravity::Wrong),
    ))
}

/// Says what takes time, while a person watches.
fn progress(what: &str) {
    if is_watched() {
        note(&format!("checking {what} …"));
    }
}

fn configuration(loaded: &Loaded, findings: &mut Findings) {
    const AREA: &str = "configuration";
    match &loaded.file {
        Some(file) => findings.fine(AREA, format!("read from {}", file.display())),
        None => findings.note(
            AREA,
            "there is no file; the defaults are in force",
            "run `saldo init`",
        ),
    }
    if loaded.config.orders_service.list_timeout_ms <= 30_000 {
        findings.note(
            AREA,
            "orders_service.list_timeout_ms is 30000 or less, and the service may take 30 seconds to answer a list",
            "set it to 40000",
        );
    }
}

fn report(findings: &Findings, loaded: Option<&Loaded>, settings: &[(String, String)]) -> Value {
    let found: Vec<Value> = findings
        .0
        .iter()
        .map(|finding| {
            let result = match finding.gravity {
                Gravity::Fine => "fine",
                Gravity::Note => "note",
                Gravity::Wrong => "wrong",
            };
            json!({ "area": finding.area, "result": result, "what": finding.what, "mend": finding.mend })
        })
        .collect();
    let settings: serde_json::Map<String, Value> = settings
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    json!({
        "healthy": findings.0.iter().all(|finding| finding.gravity != Gravity::Wrong),
        "configuration_file": loaded.and_then(|loaded| loaded.file.as_ref()).map(|file| file.display().to_string()),
        "environment": loaded.map(|loaded| loaded.variables.clone()).unwrap_or_default(),
        "settings": settings,
        "findings": found,
    })
}

fn human(report: &Value, settings: &[(String, String)]) -> String {
    let rows: Vec<Vec<String>> = settings
        .iter()
        .map(|(key, value)| vec![key.clone(), value.clone()])
        .collect();
    let mut text = table(&["SETTING", "VALUE"], &rows, "");
    text.push('\n');
    for finding in report["findings"].as_array().into_iter().flatten() {
        text.push_str(&format!(
            "{:<6}{}: {}\n",
            cell(finding, "/result"),
            cell(finding, "/area"),
            cell(finding, "/what")
        ));
        if let Some(mend) = finding.get("mend").and_then(Value::as_str) {
            text.push_str(&format!("      -> {mend}\n"));
        }
    }
    text.push_str(if report["healthy"] == true {
        "\nNothing is wrong.\n"
    } else {
        "\nSomething is wrong.\n"
    });
    text
}
