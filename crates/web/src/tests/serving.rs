//! Over a real socket.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::support::World;
use crate::serve;

async fn served() -> (
    World,
    std::net::SocketAddr,
    CancellationToken,
    tokio::task::JoinHandle<()>,
) {
    let world = World::open();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(
        listener,
        world.router.clone(),
        stop.clone().cancelled_owned(),
    ));
    (world, address, stop, server)
}

/// Sends text as it is, and reads until the other side closes.
async fn exchange(address: std::net::SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_are_answered_over_a_socket() {
    let (_world, address, stop, server) = served().await;
    let answer = exchange(
        address,
        "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("{\"status\":\"ok\"}"), "{answer}");
    stop.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn too_many_headers_are_refused() {
    let (_world, address, stop, server) = served().await;
    let headers: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    let answer = exchange(
        address,
        &format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    stop.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn a_stop_ends_listeners_and_idle_connections() {
    let (_world, address, stop, server) = served().await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut events = TcpStream::connect(address).await.unwrap();
    let request = "GET /api/v1/stock-sync/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    events.write_all(request.as_bytes()).await.unwrap();
    let mut begun = [0; 15];
    events.read_exact(&mut begun).await.unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200 OK");
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), server)
        .await
        .unwrap()
        .unwrap();
    let mut rest = Vec::new();
    events.read_to_end(&mut rest).await.unwrap();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

/// One whole request of a sender who keeps the connection.
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn who_connected_before_a_stop_is_answered() {
    let (_world, address, stop, server) = served().await;
    // The server is on this thread, too: it sees none of them before the stop.
    let waiting: Vec<std::net::TcpStream> = (0..50)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            std::io::Write::write_all(&mut stream, REQUEST).unwrap();
            stream
        })
        .collect();
    stop.cancel();
    server.await.unwrap();
    for mut stream in waiting {
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_request_on_its_way_when_a_stop_begins_is_answered() {
    let (_world, address, stop, server) = served().await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    // Who comes later is let in later.
    exchange(
        address,
        "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    )
    .await;
    stop.cancel();
    // The port is closed: the stop has reached the connections.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    silent.write_all(REQUEST).await.unwrap();
    let mut answer = String::new();
    silent.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    server.await.unwrap();
}

#[tokio::test]
async fn a_sender_of_too_much_still_reads_why() {
    let (_world, address, stop, server) = served().await;
    let body = " ".repeat(5 * 1024 * 1024);
    let head = "POST /api/v1/stock-sync/orders HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    let answer = exchange(
        address,
        &format!("{head}content-length: {}\r\n\r\n{body}", body.len()),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("body_too_large"));
    stop.cancel();
    server.await.unwrap();
}
