//! Three instances on one database, each behind a network of its own, under load.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::balancer::Balancer;
use crate::cluster::Cluster;
use crate::load::{Known, Load, Order, SKUS, STOCK};
use crate::nginx::{self, Nginx};
use crate::pooler::Pooler;
use crate::proxy::{Proxy, Target};
use crate::support::{SALDO, Server, Simulated, saldo};

pub(crate) const INSTANCES: usize = 3;
const ACCOUNTS: u32 = 3;
/// A call takes at most this long, and a delivery's lease follows from it.
const CALL_MILLISECONDS: &str = "1000";

/// How long an instance that stops gives the balancer to notice.
const STOP_DELAY_MILLISECONDS: &str = "3000";

/// How long a healthy instance may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// What an instance is given besides what it needs.
type Settings = &'static [(&'static str, &'static str)];

/// One instance, with what lies between it and the others.
pub(crate) struct Instance {
    folder: TempDir,
    settings: Settings,
    /// What it runs from its next start on.
    program: PathBuf,
    /// Where it listens, also after a restart; none: each time somewhere else.
    port: Option<u16>,
    server: Option<Server>,
    /// To the database.
    pub(crate) database: Proxy,
    /// To the orders service.
    pub(crate) service: Proxy,
}

/// All of them.
pub(crate) struct Fleet {
    /// Between the instances and the database, where there is one. Before the cluster, so that it ends first.
    pub(crate) pooler: Option<Pooler>,
    pub(crate) cluster: Cluster,
    pub(crate) database_name: String,
    pub(crate) simulated: Simulated,
    pub(crate) instances: Vec<Instance>,
    pub(crate) load: Arc<Load>,
}

impl Fleet {
    /// Three instances, each with a third of the load.
    pub(crate) async fn under_load() -> Self {
        Self::under_load_with(&[]).await
    }

    /// The same, each with these settings.
    pub(crate) async fn under_load_with(settings: Settings) -> Self {
        let fleet = Self::start(&[settings; INSTANCES]).await;
        fleet.load.begin(fleet.apis()).await;
        fleet
    }

    /// The same with a pooler before the database, which gives every transaction another connection.
    pub(crate) async fn under_load_behind_a_pooler() -> Self {
        let mut fleet = Self::empty().await;
        fleet.pooler = Some(Pooler::start(&fleet.cluster).await);
        let none: Settings = &[];
        fleet.fill(&[none; INSTANCES]).await;
        fleet.load.begin(fleet.apis()).await;
        fleet
    }

    /// Three instances behind a real proxy with the settings of this repository, which has all of the load.
    /// They are of an earlier version where one is named, until they are restarted.
    pub(crate) async fn behind_nginx() -> (Self, Nginx) {
        let earlier = std::env::var_os("SALDO_EARLIER");
        let program = earlier.map_or_else(|| PathBuf::from(SALDO), PathBuf::from);
        let [port, first, second, third] = nginx::ports();
        let mut fleet = Self::empty().await;
        for port in [first, second, third] {
            fleet.add_at(&program, &[], Some(port)).await;
        }
        fleet.stock().await;
        let nginx = Nginx::start(port, &[first, second, third]).await;
        fleet.load.begin(vec![nginx.api()]).await;
        (fleet, nginx)
    }

    /// Three instances behind a balancer, which has all of the load.
    pub(crate) async fn behind_a_balancer() -> (Self, Balancer) {
        let settings: Settings = &[("SALDO_STOP_DELAY_MS", STOP_DELAY_MILLISECONDS)];
        let fleet = Self::start(&[settings; INSTANCES]).await;
        let balancer = Balancer::start(fleet.apis()).await;
        for number in 0..INSTANCES {
            crate::until("an instance is ready", || async { balancer.is_ready(number) }).await;
        }
        let load = format!("http://{}", balancer.address);
        fleet.load.begin(vec![load]).await;
        (fleet, balancer)
    }

    /// Instances with these settings, and nobody who asks them. The database syncs what it acknowledges.
    pub(crate) async fn start(settings: &[Settings]) -> Self {
        let mut fleet = Self::empty().await;
        fleet.fill(settings).await;
        fleet
    }

    /// A database and a service, and no instance yet.
    async fn empty() -> Self {
        let cluster = Cluster::start_in_memory(&[]);
        let database_name = cluster.database().await;
        let simulated = Simulated::start_with_accounts(ACCOUNTS).await;
        Self {
            load: Load::of(simulated.handle.control().token_ids()),
            pooler: None,
            cluster,
            database_name,
            simulated,
            instances: Vec::new(),
        }
    }

    async fn fill(&mut self, settings: &[Settings]) {
        for settings in settings {
            self.add(settings).await;
        }
        self.stock().await;
    }

    async fn stock(&self) {
        for sku in SKUS {
            self.instances[0].server().receive(sku, STOCK).await;
        }
    }

    /// A further instance.
    pub(crate) async fn add(&mut self, settings: Settings) {
        self.add_at(Path::new(SALDO), settings, None).await;
    }

    /// The same, which always listens on this port.
    async fn add_at(&mut self, program: &Path, settings: Settings, port: Option<u16>) {
        let service = self.simulated.handle.base_url();
        let service = service.trim_start_matches("http://").trim_end_matches('/');
        let service = Target::Address(service.parse().unwrap());
        let database = match &self.pooler {
            Some(pooler) => Target::Address(pooler.address()),
            None => Target::Socket(self.cluster.socket()),
        };
        let mut instance = Instance {
            folder: tempfile::tempdir().unwrap(),
            settings,
            program: program.to_owned(),
            port,
            server: None,
            database: Proxy::start(database).await,
            service: Proxy::start(service).await,
        };
        instance.start(&self.simulated, &self.database_name).await;
        self.instances.push(instance);
    }

    fn apis(&self) -> Vec<String> {
        let servers = self.instances.iter().map(Instance::server);
        servers.map(Server::api).collect()
    }

    /// `SIGTERM`, and a new start of this version at the same place once it has ended.
    pub(crate) async fn restart_in_place(&mut self, number: usize) {
        let instance = &mut self.instances[number];
        instance.server.take().unwrap().stop().await;
        self.load.goes_on_for(10).await;
        let instance = &mut self.instances[number];
        instance.program = PathBuf::from(SALDO);
        instance.start(&self.simulated, &self.database_name).await;
    }

    /// `SIGTERM`, and a new start once it has ended.
    pub(crate) async fn restart(&mut self, number: usize, balancer: &Balancer) {
        let instance = &mut self.instances[number];
        instance.server.take().unwrap().stop().await;
        self.load.goes_on_for(10).await;
        let instance = &mut self.instances[number];
        instance.start(&self.simulated, &self.database_name).await;
        balancer.moved(number, instance.server().api());
        crate::until("it is ready again", || async { balancer.is_ready(number) }).await;
    }

    /// `kill -9`, and a new start.
    pub(crate) async fn kill_and_restart(&mut self, number: usize) {
        let instance = &mut self.instances[number];
        instance.server.take().unwrap().kill_nine();
        self.load.goes_on_for(10).await;
        let instance = &mut self.instances[number];
        instance.start(&self.simulated, &self.database_name).await;
        self.load.moved(number, instance.server().api());
    }

    /// Stops a process where it stands, as a machine does that is paused.
    pub(crate) fn pause(&self, number: usize) {
        self.signal(number, "-STOP");
    }

    /// Lets it go on as if nothing had been.
    pub(crate) fn wake(&self, number: usize) {
        self.signal(number, "-CONT");
    }

    fn signal(&self, number: usize, signal: &str) {
        let process = self.instances[number].server().process_id();
        let sent = Command::new("kill").arg(signal).arg(process.to_string()).status();
        assert!(sent.unwrap().success());
    }

    /// Which instance leads, and its term, as one of them tells.
    pub(crate) async fn leader_by(&self, number: usize) -> Option<(usize, u64)> {
        let (_, status) = self.instances[number]
            .server()
            .get("/api/v1/stock-sync/status")
            .await;
        let instances = status["instances"].as_array()?;
        let leads = instances.iter().find(|instance| instance["leader"] == true)?;
        // Its name ends with its port, as its address does.
        let port = leads["name"].as_str()?.rsplit(':').next()?;
        let place = self.apis().iter().position(|api| api.ends_with(port))?;
        Some((place, status["leader"]["term"].as_u64()?))
    }

    /// A connection to the database past all instances.
    pub(crate) async fn database(&self) -> Client {
        self.cluster.connect(&self.database_name).await
    }

    /// Ends every session of the database that does something now; says how many there were.
    pub(crate) async fn end_sessions(&self) -> usize {
        let busy = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'";
        self.database().await.query(busy, &[]).await.unwrap().len()
    }

    /// How often a line with these words stands in the logs of all instances.
    pub(crate) fn told(&self, words: &str) -> usize {
        self.instances
            .iter()
            .map(|instance| std::fs::read_to_string(instance.log()).unwrap())
            .map(|log| log.lines().filter(|line| line.contains(words)).count())
            .sum()
    }

    /// Ends the load, waits until everything healed, and checks every promise.
    pub(crate) async fn heals(self) {
        let known = self.load.end().await;
        for instance in &self.instances {
            crate::until("every instance answers", || instance.answers()).await;
        }
        self.instances[1].server().drain().await;
        let orders = self.orders(&known).await;
        let flags = || async { self.disagreeing(&orders).is_empty() };
        crate::until("both sides agree", flags).await;
        self.instances[2].server().drain().await;
        self.check_orders(&known, &orders);
        self.check_stock(&known, &orders).await;
        self.check_calls(&orders);
        for instance in self.instances {
            instance.server.unwrap().stop().await;
        }
        assert_doctor_finds_nothing(&self.cluster.url(&self.database_name), &self.simulated);
        println!("{} orders", known.len());
    }

    /// What Saldo says of each order, asked of one instance after the other.
    async fn orders(&self, known: &BTreeMap<Order, Known>) -> BTreeMap<Order, Value> {
        let mut orders = BTreeMap::new();
        for (number, order) in known.keys().enumerate() {
            let server = self.instances[number % INSTANCES].server();
            if let Some(answer) = server.order(order.account, order.id).await {
                orders.insert(*order, answer);
            }
        }
        orders
    }

    /// Orders whose flag is not what Saldo has.
    fn disagreeing(&self, orders: &BTreeMap<Order, Value>) -> Vec<Order> {
        let control = self.simulated.handle.control();
        let disagrees = |(order, answer): &(&Order, &Value)| {
            let remote = control.is_stock_updated(order.account, &order.id.to_string());
            remote.unwrap_or(false) != (taken(answer) > 0)
        };
        orders.iter().filter(disagrees).map(|(order, _)| *order).collect()
    }

    /// Nothing that was acknowledged is lost, nothing is taken twice, and nothing is taken in part.
    fn check_orders(&self, known: &BTreeMap<Order, Known>, orders: &BTreeMap<Order, Value>) {
        for (order, known) in known {
            let taken = orders.get(order).map(taken);
            match known.taken {
                Some(expected) => assert_eq!(taken, Some(expected), "{order:?} {:?}", orders.get(order)),
                None => assert!(
                    taken.is_none_or(|taken| taken == known.quantity),
                    "{order:?} took {taken:?} of {}",
                    known.quantity
                ),
            }
            let operations = orders.get(order).map(|order| &order["operations"]);
            for operation in operations.and_then(Value::as_array).into_iter().flatten() {
                let status = operation["status"].as_str().unwrap();
                let is_allowed = matches!(status, "completed" | "rolled_back");
                assert!(is_allowed, "{order:?} is not at rest: {operation}");
            }
        }
    }

    /// What is on hand is what there was, less what the orders took.
    async fn check_stock(&self, known: &BTreeMap<Order, Known>, orders: &BTreeMap<Order, Value>) {
        for (number, sku) in SKUS.into_iter().enumerate() {
            let of_sku = known.iter().filter(|(_, known)| known.sku == sku);
            let took: i64 = of_sku.filter_map(|(order, _)| orders.get(order)).map(taken).sum();
            let server = self.instances[number % INSTANCES].server();
            assert_eq!(server.balance(sku).await, STOCK - took, "{sku}");
        }
    }

    /// No two calls of one order overlapped, and none was made of an order that Saldo does not know.
    fn check_calls(&self, orders: &BTreeMap<Order, Value>) {
        let flags = self.simulated.handle.control().flags();
        let overlapping = self.simulated.overlapping_flag_calls();
        assert!(
            overlapping <= 1,
            "{overlapping} calls of one order overlapped: {:?}",
            with_overlaps(&self.simulated.handle.control().state(None, false))
        );
        for flag in flags.as_array().unwrap() {
            if flag["patches"] == json!(0) {
                continue;
            }
            let id = |name: &str| flag[name].as_str().unwrap().parse::<Uuid>().unwrap();
            let order = Order {
                account: id("token_id"),
                id: id("order_id"),
            };
            assert!(
                orders.contains_key(&order),
                "a flag was sent for {order:?}, which nobody knows"
            );
        }
    }
}

impl Instance {
    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Whether it answers a question to its database in time.
    async fn answers(&self) -> bool {
        let asked = self.server().get("/api/v1/stock-sync/status");
        let answer = tokio::time::timeout(ANSWERS_WITHIN, asked).await;
        answer.is_ok_and(|(status, _)| status == 200)
    }

    async fn start(&mut self, simulated: &Simulated, database: &str) {
        let database = format!("postgresql://saldo@{}/{database}", self.database.address);
        let service = format!("http://{}", self.service.address);
        let settings = [
            ("SALDO_DATABASE", database.as_str()),
            ("SALDO_ORDERS_SERVICE__BASE_URL", service.as_str()),
            ("SALDO_ORDERS_SERVICE__TIMEOUT_MS", CALL_MILLISECONDS),
            ("SALDO_RETRY__MAX_RETRIES", "30"),
            ("SALDO_INTAKE__IMMEDIATE_TIMEOUT_MS", "1000"),
        ];
        let listen = self.port.map(|port| format!("127.0.0.1:{port}"));
        let listen = listen.as_deref().map(|listen| ("SALDO_LISTEN", listen));
        let settings = [&settings, listen.as_slice(), self.settings].concat();
        let folder = self.folder.path();
        let server = Server::start_program(&self.program, folder, simulated.settings(), &settings).await;
        self.server = Some(server);
    }
}

/// How much of an order is taken.
fn taken(order: &Value) -> i64 {
    let lines = order["lines"].as_array().unwrap();
    lines.iter().map(|line| line["taken"].as_i64().unwrap()).sum()
}

/// `saldo doctor` on the database itself: every invariant holds on what was left behind.
fn assert_doctor_finds_nothing(database: &str, simulated: &Simulated) {
    let folder = tempfile::tempdir().unwrap();
    let output = saldo(folder.path())
        .args(["doctor", "--json"])
        .envs(simulated.settings())
        .env("SALDO_DATABASE", database)
        .output()
        .unwrap();
    let told = [&output.stdout[..], &output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
}

/// The orders of which two calls were under way at once, each with its calls.
fn with_overlaps(state: &Value) -> Vec<&Value> {
    let accounts = state["accounts"].as_array().into_iter().flatten();
    let flags = accounts.flat_map(|account| account["flags"].as_array().into_iter().flatten());
    let overlap = |flag: &&Value| {
        let calls = flag["patches"].as_array().map_or(&[][..], Vec::as_slice);
        let at = |call: &Value, name: &str| call[name].as_i64().unwrap_or(i64::MAX);
        calls.iter().enumerate().any(|(place, call)| {
            let others = calls.iter().skip(place + 1);
            others
                .filter(|other| at(other, "received_at_us") < at(call, "ended_at_us"))
                .any(|other| at(call, "received_at_us") < at(other, "ended_at_us"))
        })
    };
    flags.filter(overlap).collect()
}
