//! `saldo status`

use clap::Args;
use serde_json::Value;

use crate::commands::Context;
use crate::door::{Door, Question};
use crate::exit::End;
use crate::output::{cell, counted, facts, list_at};

/// Show the overall state.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  saldo status\n  saldo status --json --server http://127.0.0.1:8080 --key KEY"
)]
pub(crate) struct Arguments {}

/// Shows the state; exit code 1 when the service is down.
pub(crate) async fn run(_: Arguments, context: &Context) -> anyhow::Result<End> {
    let door = Door::open(context).await?;
    let status = door.ask(Question::get("/api/v1/stock-sync/status")).await?;
    context.output.show(&status, human)?;
    door.close().await?;
    Ok(End::well_if(cell(&status, "/status") != "down"))
}

fn human(status: &Value) -> String {
    let of = |path: &str| cell(status, path);
    facts(&[
        (
            "status",
            format!(
                "{} (mode {}, version {})",
                of("/status"),
                of("/mode"),
                of("/version")
            ),
        ),
        ("waiting for delivery", of("/operations/pending")),
        ("under delivery", of("/operations/processing")),
        ("completed today", of("/operations/completed_today")),
        ("failed", of("/operations/failed")),
        ("stale", of("/operations/stale")),
        ("waiting for stock", of("/operations/waiting_for_stock")),
        ("waiting for payment", of("/operations/waiting_for_payment")),
        ("before a person", of("/operations/in_review")),
        ("open reviews", of("/reviews_open")),
        ("open differences", of("/discrepancies_open")),
        ("last reconciliation", reconciled(status)),
        ("oldest waiting, seconds", of("/oldest_pending_seconds")),
        ("delivery attempts", success(status)),
        ("average retry, seconds", of("/average_retry_seconds")),
        (
            "orders service",
            format!("circuit {}", of("/orders_service/circuit")),
        ),
        ("its last error", of("/orders_service/last_error")),
        ("tasks", tasks(status)),
        ("alerts", alerts(status)),
        ("instances", instances(status)),
        ("notifications", notifications(status)),
    ])
}

/// How the last reconciliation went.
fn reconciled(status: &Value) -> String {
    let of = |name: &str| cell(status, &format!("/last_reconciliation/{name}"));
    match of("outcome").as_str() {
        "-" => "none yet".to_owned(),
        "running" => format!(
            "since {}: {} of {} orders",
            of("started_at"),
            of("total_checked"),
            of("total_expected")
        ),
        outcome => {
            let mut told = format!(
                "{outcome} {}: {}, {}, {} put right, {} for a person",
                of("ended_at"),
                counted(of("total_checked"), "order", "orders"),
                counted(of("discrepancies_found"), "difference", "differences"),
                of("auto_fixed"),
                of("requires_manual_review")
            );
            if of("error") != "-" {
                told += &format!("; {}", of("error"));
            }
            told
        }
    }
}

/// The scheduled tasks, one after another: when each ran, for how long and how it ended, and when it runs next.
fn tasks(status: &Value) -> String {
    let told: Vec<String> = list_at(status, "/tasks")
        .iter()
        .map(|task| {
            let of = |name: &str| cell(task, &format!("/{name}"));
            let last = match of("last_outcome").as_str() {
                "-" => String::new(),
                outcome => format!(
                    " ({outcome} {}, {} ms)",
                    of("last_started_at"),
                    of("last_duration_ms")
                ),
            };
            let next = if task["running"] == true {
                "runs now".to_owned()
            } else if task["next_run_at"].is_null() {
                "by hand".to_owned()
            } else {
                format!("next {}", of("next_run_at"))
            };
            format!("{}{last}: {next}", of("name"))
        })
        .collect();
    if told.is_empty() {
        "-".to_owned()
    } else {
        told.join("; ")
    }
}

/// The open alerts, one after another.
fn alerts(status: &Value) -> String {
    let told: Vec<String> = list_at(status, "/alerts")
        .iter()
        .map(|alert| {
            let of = |name: &str| cell(alert, &format!("/{name}"));
            format!("{} since {} ({})", of("kind"), of("begun_at"), of("status"))
        })
        .collect();
    if told.is_empty() {
        "none".to_owned()
    } else {
        told.join("; ")
    }
}

/// The running servers, one after another: what each is doing, and which leads.
fn instances(status: &Value) -> String {
    let told: Vec<String> = list_at(status, "/instances")
        .iter()
        .map(|instance| {
            let of = |path: &str| cell(instance, path);
            let mut told = format!("{} ({}, version {})", of("/name"), of("/role"), of("/version"));
            if instance["leader"] == true {
                told += &format!(", leads in term {}", cell(status, "/leader/term"));
            }
            if instance["silent"] == true {
                told += &format!(", silent since {}", of("/heartbeat_at"));
            } else {
                told += &format!(", {} deliveries under way", of("/holds/deliveries"));
            }
            if !instance["aside_since"].is_null() {
                told += &format!(
                    ", stands aside since {}: the orders service answers others and not this one",
                    of("/aside_since")
                );
            }
            told
        })
        .collect();
    if told.is_empty() {
        "none runs".to_owned()
    } else {
        told.join("; ")
    }
}

/// Whether instances hear of each other at once.
fn notifications(status: &Value) -> String {
    match status["notifications_arrive"].as_bool() {
        Some(true) => "arrive".to_owned(),
        Some(false) => "do not arrive; others are heard of within a second".to_owned(),
        None => "none".to_owned(),
    }
}

/// How many of the latest attempts went well.
fn success(status: &Value) -> String {
    let of = |name: &str| cell(status, &format!("/success_rate/{name}"));
    match status.pointer("/success_rate/rate").and_then(Value::as_f64) {
        Some(rate) => format!(
            "{:.0} % of {} went well in the last {} minutes",
            rate * 100.0,
            of("attempts"),
            of("window_minutes")
        ),
        None => format!("none in the last {} minutes", of("window_minutes")),
    }
}
