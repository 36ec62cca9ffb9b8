//! How many PATCH calls a simulator takes. Too slow a simulator would be measured instead of Saldo.

#![expect(
    clippy::unwrap_used,
    reason = "these are helpers of tests, and a failed one is a failed test"
)]

mod support;

use saldo_simulator::{SimulatorHandle, SimulatorOptions};
use support::{bearer, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

const CONNECTIONS: usize = 16;

/// Small enough for every test run; the rate settles early.
const CALLS_PER_CONNECTION: usize = 500;

/// A floor that an unoptimised build on a busy machine still passes; an optimised one does far more.
const RATE_MIN_PER_S: f64 = 1_000.0;

async fn patch_many(handle: &SimulatorHandle, bearer: &str, connection: usize) {
    let mut stream = TcpStream::connect(handle.local_address()).await.unwrap();
    let token_id = handle.control().token_ids()[0];
    let mut answer = vec![0; 4_096];
    let body = "{\"is_stock_updated\": true}";
    for number in 0..CALLS_PER_CONNECTION {
        let request = format!(
            "PATCH /api/v1/orders/order-{connection}-{number}/stock-status?token_id={token_id} HTTP/1.1\r\nhost: x\r\n\
             authorization: {bearer}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let length = stream.read(&mut answer).await.unwrap();
        assert!(
            answer[..length].starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer[..length])
        );
    }
}

#[tokio::test]
async fn a_simulator_takes_more_patches_than_saldo_sends() {
    let options = SimulatorOptions {
        accounts: 1,
        orders_per_account: 0,
        ..SimulatorOptions::default()
    };
    let bearer = bearer(&options);
    let handle = start(options);
    let began = Instant::now();
    let connections = (0..CONNECTIONS).map(|connection| patch_many(&handle, &bearer, connection));
    futures::future::join_all(connections).await;
    let rate_per_s = (CONNECTIONS * CALLS_PER_CONNECTION) as f64 / began.elapsed().as_secs_f64();
    println!("{rate_per_s:.0} PATCH calls a second, caller and simulator on one thread");
    assert!(rate_per_s > RATE_MIN_PER_S, "{rate_per_s:.0} a second");
}
