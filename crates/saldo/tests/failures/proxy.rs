//! A piece of network that can be cut: everything between an instance and a server goes through one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// They arrive.
    Whole,
    /// They arrive so many milliseconds later, both ways and in their order.
    Slow(u64),
    /// Every connection is reset, and no new one comes about.
    Cut,
    /// They vanish without a word, both ways. Connections stay open, and none of them is ever of use again.
    Silent,
}

/// Where bytes go.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// The socket of a database server.
    Socket(PathBuf),
    /// The address of an orders service.
    Address(SocketAddr),
}

/// What all connections of a proxy share.
struct Shared {
    target: Target,
    network: watch::Sender<Network>,
    /// Requests that went through and are not answered yet.
    unanswered: AtomicU32,
    /// Calls that set a flag.
    flag_calls: AtomicU32,
    /// How many answers to `COMMIT` are still to be lost, with their connections.
    commits_to_lose: AtomicU32,
}

/// A proxy, for as long as the runtime lives.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    pub(crate) async fn start(target: Target) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target,
            network: watch::Sender::new(Network::Whole),
            unanswered: AtomicU32::new(0),
            flag_calls: AtomicU32::new(0),
            commits_to_lose: AtomicU32::new(0),
        });
        let proxy = Self {
            address,
            shared: Arc::clone(&shared),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, Arc::clone(&shared)));
            }
        });
        proxy
    }

    pub(crate) fn set(&self, network: Network) {
        self.shared.network.send_replace(network);
    }

    /// The next answers to `COMMIT` are lost: the server has done it, and nobody hears of it.
    pub(crate) fn lose_commits(&self, count: u32) {
        self.shared.commits_to_lose.store(count, Ordering::SeqCst);
    }

    pub(crate) fn flag_calls(&self) -> u32 {
        self.shared.flag_calls.load(Ordering::SeqCst)
    }

    pub(crate) fn unanswered(&self) -> u32 {
        self.shared.unanswered.load(Ordering::SeqCst)
    }
}

/// Whether a connection waits for an answer, counted while it does.
struct Waiting<'s> {
    shared: &'s Shared,
    waits: bool,
}

impl Waiting<'_> {
    fn set(&mut self, waits: bool) {
        match (self.waits, waits) {
            (false, true) => drop(self.shared.unanswered.fetch_add(1, Ordering::SeqCst)),
            (true, false) => drop(self.shared.unanswered.fetch_sub(1, Ordering::SeqCst)),
            _ => {}
        }
        self.waits = waits;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.set(false);
    }
}

async fn carry(client: TcpStream, shared: Arc<Shared>) {
    let mut network = shared.network.subscribe();
    let now = *network.borrow_and_update();
    if now == Network::Silent {
        swallow(client, &mut network).await;
        return;
    }
    if now == Network::Cut {
        reset(&client);
        return;
    }
    match &shared.target {
        Target::Socket(path) => {
            if let Ok(server) = UnixStream::connect(path).await {
                between(client, server, &shared, &mut network).await;
            }
        }
        Target::Address(address) => {
            if let Ok(server) = TcpStream::connect(address).await {
                between(client, server, &shared, &mut network).await;
            }
        }
    }
}

/// A connection that is closed now is reset, as a cut one is.
fn reset(client: &TcpStream) {
    let _ = client.set_zero_linger();
}

/// Reads what comes and forgets it, for as long as the client believes in it: what became silent stays silent, as behind
/// a firewall that forgot a connection.
async fn swallow(mut client: TcpStream, network: &mut watch::Receiver<Network>) {
    let mut bytes = vec![0; 16 * 1024];
    while matches!(client.read(&mut bytes).await, Ok(count) if count > 0) {}
    // The server does not hear that the client has gone before the network is whole.
    let _ = network.wait_for(|now| *now == Network::Whole).await;
}

async fn between<S: AsyncRead + AsyncWrite + Unpin>(
    mut client: TcpStream,
    mut server: S,
    shared: &Shared,
    network: &mut watch::Receiver<Network>,
) {
    let mut waiting = Waiting { shared, waits: false };
    let (mut asked, mut answered) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    loop {
        tokio::select! {
            biased;
            _ = network.changed() => {
                let now = *network.borrow_and_update();
                match now {
                    Network::Whole | Network::Slow(_) => {}
                    Network::Silent => {
                        // The server's side stays open meanwhile, too, and hears nothing.
                        swallow(client, network).await;
                        return;
                    }
                    Network::Cut => {
                        reset(&client);
                        return;
                    }
                }
            }
            read = client.read(&mut asked) => match read {
                Ok(count) if count > 0 => {
                    waiting.set(true);
                    if asked.starts_with(b"PATCH ") {
                        shared.flag_calls.fetch_add(1, Ordering::SeqCst);
                    }
                    pass_slowly(network).await;
                    if server.write_all(&asked[..count]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
            read = server.read(&mut answered) => match read {
                Ok(count) if count > 0 => {
                    waiting.set(false);
                    if tells_of_a_commit(&answered[..count]) && is_to_be_lost(shared) {
                        reset(&client);
                        return;
                    }
                    pass_slowly(network).await;
                    if client.write_all(&answered[..count]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}

/// Questions and answers of one connection take turns, so what waits here holds up nothing else.
async fn pass_slowly(network: &watch::Receiver<Network>) {
    let now = *network.borrow();
    if let Network::Slow(milliseconds) = now {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}

fn tells_of_a_commit(bytes: &[u8]) -> bool {
    // A message that a command is complete, its length, and which.
    const COMMITTED: &[u8] = b"C\0\0\0\x0bCOMMIT\0";
    bytes.windows(COMMITTED.len()).any(|window| window == COMMITTED)
}

fn is_to_be_lost(shared: &Shared) -> bool {
    let one_less = |count: u32| count.checked_sub(1);
    shared
        .commits_to_lose
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
        .is_ok()
}
