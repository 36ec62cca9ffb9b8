//! The house of the demonstration: a simulated orders service and Saldo itself, each behind its own port.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use saldo_domain::circuit::CircuitPolicy;
use saldo_engine::settings::{ReconciliationSettings, Settings};
use saldo_engine::{Engine, EngineOptions};
use saldo_orders_service::{Credentials, HttpOptions, HttpOrdersService, SecretText};
use saldo_simulator::{Simulator, SimulatorHandle, SimulatorOptions};
use saldo_store::{Rules, Store};
use saldo_store_sqlite::{SqliteOptions, SqliteStore};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::edge;
use crate::output::{Output, line, note, wrapped};

/// The one account of the demonstration, as the simulator seeds it.
pub(super) struct House {
    /// Where Saldo's API listens.
    pub(super) api: String,
    /// Where the simulated orders service listens.
    pub(super) orders_service: String,
    /// The account's `token_id`.
    pub(super) account: String,
    /// The database, for the last check of its invariants.
    pub(super) store: Arc<SqliteStore>,
    output: Output,
    client: reqwest::Client,
    simulator: SimulatorHandle,
    engine: Engine,
    stop: CancellationToken,
    web: tokio::task::JoinHandle<()>,
}

/// Retries and probes are a second apart here, and not a minute, so that nobody has to wait for them.
const QUICK_SECONDS: u32 = 1;

impl House {
    /// Builds everything in a folder.
    pub(super) async fn build(folder: &Path, output: Output) -> anyhow::Result<Self> {
        let options = SimulatorOptions {
            accounts: 1,
            orders_per_account: 0,
            ..SimulatorOptions::default()
        };
        let (secret, user_id) = (options.jwt_secret.clone(), options.user_id.clone());
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("no port for the simulator")?;
        let simulator = Simulator::start(options, listener).context("the simulator did not start")?;
        let account = simulator
            .control()
            .token_ids()
            .first()
            .context("the simulator has no account")?
            .to_string();

        let mut config = Config::default();
        config.retry.initial_delay = u64::from(QUICK_SECONDS);
        config.retry.max_delay = 5;
        let policy = config.policy()?;
        let rules = Rules {
            policy: policy.clone(),
            ids: Box::new(edge::RandomIds::default()),
        };
        let store = Arc::new(SqliteStore::open(
            folder.join("saldo.db"),
            rules,
            SqliteOptions::default(),
        )?);
        let credentials = Credentials::SharedSecret {
            secret: SecretText::new(secret),
            user_id,
        };
        let http = HttpOptions {
            timeout_ms: 2_000,
            ..HttpOptions::new(simulator.base_url(), credentials)
        };
        let orders_service = HttpOrdersService::new(http, Arc::new(edge::now))?;
        let engine = Engine::start(EngineOptions {
            store: Arc::clone(&store) as saldo_store::SharedStore,
            orders_service: Arc::new(orders_service),
            clock: Arc::new(edge::SystemClock),
            seed: edge::seed(),
            default_warehouse: policy.default_warehouse,
            settings: settings(),
        });
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("no port for the API")?;
        let api = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let router = saldo_web::router(
            engine.service(),
            saldo_web::WebOptions {
                open: true,
                ..Default::default()
            },
        );
        let stopped = stop.clone();
        let web = tokio::spawn(saldo_web::serve(listener, router, stopped.cancelled_owned()));
        Ok(Self {
            output,
            api,
            orders_service: simulator.base_url(),
            account,
            store,
            client: reqwest::Client::new(),
            simulator,
            engine,
            stop,
            web,
        })
    }

    /// One line of the story.
    pub(super) fn say(&self, who: &str, what: &str) {
        let told = format!("{who:>10}  {}", wrapped(what, 12));
        match self.output {
            // A reader that went away must not end the proof.
            Output::Human => drop(line(&told)),
            Output::Json => note(&told),
        }
    }

    /// Asks Saldo's API.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.read(self.client.get(format!("{}{path}", self.api))).await
    }

    /// Sends something to Saldo's API.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.read(self.client.post(format!("{}{path}", self.api)).json(body))
            .await
    }

    /// Asks the simulated orders service about itself.
    pub(super) async fn ask_simulator(&self, path: &str) -> anyhow::Result<Value> {
        self.read(
            self.client
                .get(format!("{}/_simulator/{path}", self.orders_service)),
        )
        .await
    }

    /// Tells the simulated orders service something.
    pub(super) async fn tell_simulator(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        let request = self
            .client
            .post(format!("{}/_simulator/{path}", self.orders_service))
            .json(body);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// The simulated orders service stores an order, or another copy of one.
    pub(super) async fn store(&self, form: &Value) -> anyhow::Result<()> {
        self.tell_simulator("orders", &json!({ "token_id": self.account, "order": form }))
            .await
    }

    /// The simulated orders service has an order no longer.
    pub(super) async fn take_from_simulator(&self, order: &str) -> anyhow::Result<()> {
        let url = format!(
            "{}/_simulator/orders/{}/{order}",
            self.orders_service, self.account
        );
        self.client.delete(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// The orders service misbehaves so from now on, or no longer.
    pub(super) async fn set_faults(&self, faults: Option<&Value>) -> anyhow::Result<()> {
        let url = format!("{}/_simulator/faults", self.orders_service);
        let request = match faults {
            Some(faults) => self.client.put(url).json(faults),
            None => self.client.delete(url),
        };
        request.send().await?.error_for_status()?;
        Ok(())
    }

    async fn read(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let response = request.send().await?;
        let (status, url) = (response.status(), response.url().path().to_owned());
        let body: Value = response
            .json()
            .await
            .with_context(|| format!("{url} did not answer JSON"))?;
        if !status.is_success() {
            bail!("{url} answered {status}: {body}");
        }
        Ok(body)
    }

    /// Broken invariants in the database; none when all is well.
    pub(super) async fn violations(&self) -> anyhow::Result<usize> {
        Ok(self.store.check(edge::now()).await?.len())
    }

    /// Stops everything, in the order that loses nothing.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.web.await?;
        self.engine.stop().await;
        self.store.close().await?;
        self.simulator.stop_gracefully().await;
        Ok(())
    }
}

fn settings() -> Settings {
    Settings {
        call_timeout_ms: 2_000,
        requests_per_second: 1_000,
        account_requests_per_second: 1_000,
        circuit: CircuitPolicy {
            probe_initial_seconds: QUICK_SECONDS,
            probe_max_seconds: QUICK_SECONDS,
            ..CircuitPolicy::default()
        },
        reconciliation: ReconciliationSettings {
            // Two comparisons are enough to ask about an order that vanished: nobody waits for hours here.
            missing_after_hours: 0,
            ..ReconciliationSettings::default()
        },
        ..Settings::default()
    }
}
