//! The program itself: how soon `saldo serve` is ready, and what it takes of memory.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};
use std::time::Duration;

use anyhow::Context;
use saldo_domain::decide::Command;
use saldo_store::Store;

use crate::clock::instant;
use crate::ledger::{self, Ledger};
use crate::report::{self, Goal, Row};
use crate::spread::Spread;
use crate::{Run, copies, orders};

/// How long a start may take before it counts as failed.
const START_MAX: Duration = Duration::from_secs(30);
/// How long a process runs before its memory is read.
const SETTLE: Duration = Duration::from_secs(5);
/// Bytes of a MiB, in KiB.
const KIB_PER_MIB: f64 = 1_024.0;

/// Measures.
pub(crate) async fn run(run: &Run) -> anyhow::Result<()> {
    let empty = Ledger::new().await?.close().await?;
    let (_, idle) = starts(run, &empty.path().join("saldo.db")).await?;
    report::print(&memory(
        "memory of `saldo serve`, idle".to_owned(),
        &idle,
        Goal::Below(40.0),
    ));

    let large = waiting(run.many).await?.close().await?;
    let path = large.path().join("saldo.db");
    let mebibytes = std::fs::metadata(&path)?.len() / (1_024 * 1_024);
    let (ready, filled) = starts(run, &path).await?;
    let what = format!("memory of `saldo serve`, {} orders waiting", run.many);
    report::print(&memory(what, &filled, Goal::Below(120.0)));
    report::print(&Row {
        what: format!("start to ready, database of {mebibytes} MiB"),
        unit: "ms",
        ours: Spread::of(&ready),
        beside: None,
        goal: Goal::Below(200.0),
    });
    Ok(())
}

fn memory(what: String, mebibytes: &[f64], goal: Goal) -> Row {
    Row {
        what,
        unit: "MiB at most",
        ours: Spread::of(mebibytes),
        beside: None,
        goal,
    }
}

/// A ledger with so many orders that wait for delivery.
async fn waiting(count: usize) -> anyhow::Result<Ledger> {
    let ledger = Ledger::new().await?;
    let first = orders::make(1, u64::MAX)?
        .into_iter()
        .next()
        .context("no order was made")?;
    ledger
        .store
        .execute(ledger::request(Command::TakeIn(first.take_in)))
        .await?;
    ledger
        .changed_offline(move |path| copies::multiply(path, count))
        .await
}

/// Starts the program several times: milliseconds until it is ready, and the most memory that it held, in MiB.
async fn starts(run: &Run, database: &Path) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let (mut ready, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..run.rounds {
        let began = instant();
        let running = Running::start(database)?;
        running.until_ready().await?;
        ready.push(began.elapsed().as_secs_f64() * 1_000.0);
        tokio::time::sleep(SETTLE).await;
        memory.push(running.memory_kib_max()? / KIB_PER_MIB);
        running.stop().await?;
    }
    Ok((ready, memory))
}

/// The program, running.
pub(crate) struct Running {
    child: Child,
    port: u16,
    /// What it says, for when it does not start.
    log: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only after an error is it still there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(database: &Path) -> anyhow::Result<Self> {
        Self::against(database, "http://127.0.0.1:9", "bench")
    }

    /// Starts it with an orders service. Nothing runs by itself but deliveries, and the service's pace is no bound.
    pub(crate) fn against(database: &Path, orders_service: &str, token: &str) -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let directory = database.parent().context("the database lies in no directory")?;
        // An empty one here is found before that of the machine.
        std::fs::write(directory.join("saldo.toml"), "")?;
        let log = directory.join("log");
        let child = Program::new(program()?)
            .arg("serve")
            .current_dir(directory)
            .env_clear()
            .env("SALDO_DATABASE", format!("sqlite://{}", database.display()))
            .env("SALDO_LISTEN", format!("127.0.0.1:{port}"))
            .env("SALDO_DEFAULT_WAREHOUSE", "MAIN")
            .env("SALDO_ORDERS_SERVICE__BASE_URL", orders_service)
            .env("SALDO_ORDERS_SERVICE__TOKEN", token)
            .env("SALDO_ORDERS_SERVICE__REQUESTS_PER_SECOND", "100000")
            .env("SALDO_INTAKE__POLL_SECONDS", "0")
            .env("SALDO_SCHEDULE__RECONCILE", "0 0 1 1 *")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("saldo could not be started")?;
        Ok(Self { child, port, log })
    }

    pub(crate) async fn until_ready(&self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
        let url = format!("http://127.0.0.1:{}/readyz", self.port);
        let began = instant();
        loop {
            let answer = client.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if began.elapsed() > START_MAX {
                let told = std::fs::read_to_string(&self.log).unwrap_or_default();
                anyhow::bail!("saldo is not ready; it says: {told}");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Asks it for something that may take long, and reads its JSON.
    pub(crate) async fn post(&self, path: &str) -> anyhow::Result<serde_json::Value> {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let answer = client.post(url).json(&serde_json::json!({})).send().await?;
        let status = answer.status();
        let body = answer.json().await?;
        anyhow::ensure!(status.is_success(), "{path} was answered {status}: {body}");
        Ok(body)
    }

    /// The most memory that it held, shared libraries and file pages included.
    pub(crate) fn memory_kib_max(&self) -> anyhow::Result<f64> {
        self.memory_kib("VmHWM:")
    }

    /// The memory that it holds now.
    pub(crate) fn memory_kib_now(&self) -> anyhow::Result<f64> {
        self.memory_kib("VmRSS:")
    }

    fn memory_kib(&self, name: &str) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line
            .and_then(|line| line.split_whitespace().next())
            .with_context(|| format!("{name} is not told"))?;
        Ok(kib.parse()?)
    }

    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        tokio::task::spawn_blocking(move || self.child.wait()).await??;
        Ok(())
    }
}

/// The program beside this one.
fn program() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("saldo");
    anyhow::ensure!(
        program.exists(),
        "{} is not there: cargo build --release -p saldo",
        program.display()
    );
    Ok(program)
}
