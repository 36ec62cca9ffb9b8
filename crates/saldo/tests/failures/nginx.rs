//! A real nginx before the instances, with the settings that `deploy/nginx` has for one machine: only the ports are others.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

const HOW_TO_INSTALL: &str = "the test needs a proxy: apt-get install nginx";
/// Where ports are looked for: below those that the system gives to whoever asks for any, so that nobody takes one while its
/// instance is restarted.
const PORTS_FROM: u16 = 20_000;
const PORTS: u16 = 10_000;

/// The proxy, for as long as it is kept.
pub(crate) struct Nginx {
    process: Child,
    folder: TempDir,
    port: u16,
}

/// Ports at which nobody listens, one for each instance and one more for the proxy.
pub(crate) fn ports<const COUNT: usize>() -> [u16; COUNT] {
    let first = u16::try_from(std::process::id() % u32::from(PORTS)).unwrap();
    let mut free = (0..PORTS)
        .map(|next| PORTS_FROM + (first + next) % PORTS)
        .filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    std::array::from_fn(|_| free.next().unwrap())
}

impl Nginx {
    /// Starts it on `port`, before instances at these ports.
    pub(crate) async fn start(port: u16, instances: &[u16; 3]) -> Self {
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nginx");
        let server = read_with(
            &deploy.join("saldo.conf"),
            &[("listen 8080", port)],
            "listen 127.0.0.1:",
        );
        let [first, second, third] = *instances;
        let upstream = read_with(
            &deploy.join("upstream-machine.conf"),
            &[
                ("127.0.0.1:8081", first),
                ("127.0.0.1:8082", second),
                ("127.0.0.1:8083", third),
            ],
            "127.0.0.1:",
        );
        let folder = tempfile::tempdir().unwrap();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind};\n"))
            .concat();
        // One process, which ends with the test whatever becomes of that.
        let settings = format!(
            "daemon off;\nmaster_process off;\npid pid;\nerror_log log;\nevents {{}}\nhttp {{\naccess_log off;\n\
             {temporary}{upstream}{server}}}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), settings).unwrap();
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"]
            .into_iter()
            .find(|program| Path::new(program).is_file());
        let process = Command::new(program.unwrap_or_else(|| panic!("{HOW_TO_INSTALL}")))
            .arg("-p")
            .arg(folder.path())
            .args(["-e", "log", "-c", "nginx.conf"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Self {
            process,
            folder,
            port,
        };
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert_eq!(nginx.process.try_wait().unwrap(), None, "{}", nginx.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        nginx
    }

    /// What callers ask.
    pub(crate) fn api(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it said of instances that did not answer.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// A file with other ports; what they stand instead of must be there.
fn read_with(file: &Path, ports: &[(&str, u16)], before: &str) -> String {
    let mut text = std::fs::read_to_string(file).unwrap();
    for (named, port) in ports {
        assert!(text.contains(named), "{} has no {named:?}", file.display());
        text = text.replace(named, &format!("{before}{port}"));
    }
    text
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
