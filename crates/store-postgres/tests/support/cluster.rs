//! A private PostgreSQL cluster for tests, in a temporary directory, reached over a socket in it, and removed at the end.
//! A server that runs on the machine is never touched.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, NoTls};

const HOW_TO_INSTALL: &str = "the tests need the programs of a PostgreSQL server, 14 or newer, and start one of their \
     own: apt-get install postgresql, or name their directory in SALDO_POSTGRES_BIN";

/// A cluster that is there as long as this value.
pub(crate) struct Cluster {
    directory: PathBuf,
    binaries: PathBuf,
    port: u16,
    databases: AtomicU32,
}

/// Where `initdb` and `pg_ctl` are.
fn binaries() -> PathBuf {
    let mut places: Vec<PathBuf> = std::env::var_os("SALDO_POSTGRES_BIN")
        .into_iter()
        .map(PathBuf::from)
        .collect();
    let mut installed: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    // The newest first.
    installed.sort();
    places.extend(installed.into_iter().rev());
    places.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    places
        .into_iter()
        .find(|place| place.join("initdb").is_file() && place.join("pg_ctl").is_file())
        .unwrap_or_else(|| panic!("{HOW_TO_INSTALL}"))
}

/// A directory in memory, where there is room. No test takes the machine's power away, and a disk that others use makes
/// the tests slow.
fn in_memory() -> PathBuf {
    const KILOBYTES_MIN: u64 = 2_000_000;
    let memory = Path::new("/dev/shm");
    let output = Command::new("df").args(["-Pk"]).arg(memory).output();
    let free = output.ok().and_then(|output| {
        let text = String::from_utf8(output.stdout).ok()?;
        text.lines()
            .nth(1)?
            .split_whitespace()
            .nth(3)?
            .parse::<u64>()
            .ok()
    });
    if free.is_some_and(|free| free >= KILOBYTES_MIN) {
        return memory.to_owned();
    }
    std::env::temp_dir()
}

fn is_root() -> bool {
    std::process::Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// A server refuses to run as root: there, its programs run as a user without rights.
pub(crate) fn command(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let user = if user_exists("postgres") {
        "postgres"
    } else {
        "nobody"
    };
    command
        .args(["--reuid", user, "--regid"])
        .arg(if user == "postgres" { "postgres" } else { "nogroup" })
        .args(["--clear-groups", "--"])
        .arg(program);
    command
}

fn user_exists(name: &str) -> bool {
    Command::new("id")
        .args(["-u", name])
        .output()
        .is_ok_and(|output| output.status.success())
}

fn succeed(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; {HOW_TO_INSTALL}"));
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

impl Cluster {
    /// Makes and starts a cluster with settings on the disk.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_in(&std::env::temp_dir(), settings)
    }

    /// The same in memory: what is synced is safe from the end of every process, which is what tests bring about.
    pub(crate) fn start_in_memory(settings: &[&str]) -> Self {
        Self::start_in(&in_memory(), settings)
    }

    /// The same, listening on a free port of this machine, with files beside its data that only the server may read.
    pub(crate) fn start_listening(files: &[(&str, &str)], settings: &[&str]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let address = format!("listen_addresses = '127.0.0.1'\nport = {port}");
        let settings = [&[address.as_str()], settings].concat();
        Self::start_with(&in_memory(), port, files, &settings)
    }

    fn start_in(parent: &Path, settings: &[&str]) -> Self {
        Self::start_with(parent, 5432, &[], settings)
    }

    fn start_with(parent: &Path, port: u16, files: &[(&str, &str)], settings: &[&str]) -> Self {
        let binaries = binaries();
        let directory = tempfile::Builder::new()
            .prefix("saldo-pg-")
            .tempdir_in(parent)
            .unwrap()
            .keep();
        if is_root() {
            let user = if user_exists("postgres") {
                "postgres"
            } else {
                "nobody"
            };
            succeed(Command::new("chown").arg(user).arg(&directory));
        }
        for (name, content) in files {
            let file = directory.join(name);
            std::fs::write(&file, content).unwrap();
            succeed(Command::new("chmod").arg("600").arg(&file));
            if is_root() {
                succeed(
                    Command::new("chown")
                        .arg("--reference")
                        .arg(&directory)
                        .arg(&file),
                );
            }
        }
        let data = directory.join("data");
        succeed(
            command(&binaries.join("initdb"))
                .args([
                    "--username=saldo",
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--no-locale",
                    "--no-sync",
                    "-D",
                ])
                .arg(&data)
                .current_dir(&directory),
        );
        let cluster = Self {
            directory,
            binaries,
            port,
            databases: AtomicU32::new(0),
        };
        cluster.configure(settings);
        cluster.control(&["-w", "-t", "60", "start"]);
        cluster
    }

    /// Adds settings; they count from the next start.
    pub(crate) fn configure(&self, settings: &[&str]) {
        use std::io::Write;
        let path = self.directory.join("data/postgresql.conf");
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        let socket = self.directory.display();
        writeln!(
            file,
            "listen_addresses = ''\nunix_socket_directories = '{socket}'\nmax_connections = 200\n{}",
            settings.join("\n")
        )
        .unwrap();
    }

    /// Runs `pg_ctl`.
    pub(crate) fn control(&self, arguments: &[&str]) {
        succeed(
            command(&self.binaries.join("pg_ctl"))
                .arg("-D")
                .arg(self.directory.join("data"))
                .arg("-l")
                .arg(self.directory.join("log"))
                .args(arguments)
                .current_dir(&self.directory),
        );
    }

    /// Runs a client program of the server's, such as `pg_dump`, as whoever runs the test.
    pub(crate) fn client(&self, program: &str, arguments: &[&str]) {
        succeed(Command::new(self.binaries.join(program)).args(arguments));
    }

    /// Where it lives.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The port of its addresses.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The socket that it listens on.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join(format!(".s.PGSQL.{}", self.port))
    }

    /// The address of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        let socket = self.directory.display().to_string().replace('/', "%2F");
        format!("postgresql://saldo@{socket}:{}/{database}", self.port)
    }

    /// A connection past the store.
    pub(crate) async fn connect(&self, database: &str) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A new database, empty.
    pub(crate) async fn database(&self) -> String {
        self.database_like("template1").await
    }

    /// A new database as another one is.
    pub(crate) async fn database_like(&self, template: &str) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let client = self.connect("postgres").await;
        client
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .await
            .unwrap();
        name
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = command(&self.binaries.join("pg_ctl"))
            .arg("-D")
            .arg(self.directory.join("data"))
            .args(["-m", "immediate", "-w", "stop"])
            .current_dir("/")
            .output();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A static is never dropped: a shell that waits for this process stops the cluster when it is gone.
pub(crate) fn stop_at_exit(cluster: &Cluster) {
    let script = format!(
        "while kill -0 {process} 2>/dev/null; do sleep 1; done; \
         kill -QUIT $(head -1 {directory}/data/postmaster.pid); sleep 1; rm -rf {directory}",
        process = std::process::id(),
        directory = cluster.directory.display(),
    );
    // It belongs to nobody, so that nobody need wait for it.
    Command::new("sh")
        .args(["-c", "setsid sh -c \"$0\" </dev/null >/dev/null 2>&1 &", &script])
        .status()
        .unwrap();
}
