//! `saldo tasks`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::commands::Context;
use crate::door::{Door, Question, segment};
use crate::exit::End;
use crate::output::{cell, list_at, listing, rows};

/// List the scheduled tasks, or run one now.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saldo tasks\n  saldo tasks run cleanup")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them: how each ran last, and when it runs next.
    #[command(after_help = "Example:\n  saldo tasks list --json")]
    List,
    /// Run one now, and wait for its end.
    #[command(after_help = "Example:\n  saldo tasks run reconcile")]
    Run {
        /// Its name, such as reconcile.
        name: String,
    },
}

/// Lists them, or runs one; exit code 1 when it failed.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    match arguments.action.unwrap_or(Action::List) {
        Action::List => {
            let door = Door::open(context).await?;
            let status = door.ask(Question::get("/api/v1/stock-sync/status")).await?;
            door.close().await?;
            let list = json!({ "items": list_at(&status, "/tasks") });
            context
                .output
                .show(&list, |list| human(list_at(list, "/items")))?;
            Ok(End::Well)
        }
        Action::Run { name } => {
            let door = Door::open_to_deliver(context).await?;
            let path = format!("/api/v1/stock-sync/tasks/{}/run", segment(&name));
            let task = door
                .ask(Question::post(path, &json!({})).taking_its_time())
                .await?;
            door.close().await?;
            context
                .output
                .show(&task, |task| human(std::slice::from_ref(task)))?;
            Ok(End::well_if(cell(&task, "/last_outcome") == "succeeded"))
        }
    }
}

/// Tasks under headings.
fn human(tasks: &[Value]) -> String {
    let headings = [
        "TASK",
        "SCHEDULE",
        "LAST BEGAN (UTC)",
        "TOOK, MS",
        "ENDED",
        "NEXT (UTC)",
    ];
    let paths = [
        "/name",
        "/schedule",
        "/last_started_at",
        "/last_duration_ms",
        "/last_outcome",
        "/next_run_at",
    ];
    let notes: Vec<Vec<String>> = tasks
        .iter()
        .map(|task| {
            let running = (task["running"] == true).then(|| "running now".to_owned());
            let detail = Some(cell(task, "/last_detail")).filter(|detail| detail != "-");
            running.into_iter().chain(detail).collect()
        })
        .collect();
    listing(&headings, &rows(tasks, &paths), &notes, "No tasks.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_tells_how_it_ran_last_and_when_it_runs_next() {
        let task = json!({
            "name": "cleanup", "schedule": "0 3 * * *", "running": false,
            "last_started_at": "2026-07-14T03:00:00Z", "last_outcome": "succeeded",
            "last_duration_ms": 1_234, "last_detail": "7 operations removed", "next_run_at": "2026-07-15T03:00:00Z",
        });
        let text = human(&[task]);
        assert!(
            text.contains("2026-07-14 03:00:00") && text.contains("2026-07-15 03:00:00"),
            "{text}"
        );
        assert!(text.contains("7 operations removed"), "{text}");
    }
}
