//! A real PgBouncer, which gives every transaction another connection to the server.
#![allow(dead_code, reason = "not every test uses it")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use super::cluster::{Cluster, command};

const HOW_TO_INSTALL: &str = "the test needs the pooler: apt-get install pgbouncer";

/// A pooler in front of a cluster, with fewer connections than stores want.
pub(crate) struct Pooler {
    process: Child,
    file: PathBuf,
    port: u16,
}

impl Pooler {
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let settings = format!(
            "[databases]\n* = host={socket} port={server} user=saldo\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = 4\nmax_client_conn = 500\n",
            socket = cluster.directory().display(),
            server = cluster.port(),
        );
        let file = cluster.directory().join(format!("pgbouncer-{port}.ini"));
        std::fs::write(&file, settings).unwrap();
        let process = run(&file);
        let mut pooler = Self { process, file, port };
        pooler.listens().await;
        pooler
    }

    /// `kill -9`: every connection through it is gone.
    pub(crate) fn kill_nine(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again after it was killed.
    pub(crate) async fn start_again(&mut self) {
        self.process = run(&self.file);
        self.listens().await;
    }

    async fn listens(&mut self) {
        while tokio::net::TcpStream::connect(self.address()).await.is_err() {
            assert_eq!(self.process.try_wait().unwrap(), None, "the pooler ended");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The address of a database through it.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgresql://saldo@127.0.0.1:{}/{database}", self.port)
    }
}

fn run(file: &Path) -> Child {
    let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]
        .into_iter()
        .map(Path::new)
        .find(|path| path.is_file());
    command(program.unwrap_or_else(|| panic!("{HOW_TO_INSTALL}")))
        .arg(file)
        .current_dir(file.parent().unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}; {HOW_TO_INSTALL}"))
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
