//! What the tests share.
#![expect(dead_code, reason = "each test file uses a part of this")]
#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

pub(crate) mod samples;

use saldo_simulator::{Simulator, SimulatorHandle, SimulatorOptions, bearer_token};

/// Lets a client be built; several tests of one process may ask for it.
pub(crate) fn install_tls() {
    // The error only says that another test was first.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// A client that follows no redirects.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client")
}

/// A simulator on a free port of this computer.
pub(crate) fn start(options: SimulatorOptions) -> SimulatorHandle {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener
        .set_nonblocking(true)
        .expect("a listener for the runtime");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener for the runtime");
    Simulator::start(options, listener).expect("the simulator starts")
}

/// The bearer token of the user that owns the accounts.
pub(crate) fn bearer(options: &SimulatorOptions) -> String {
    format!(
        "Bearer {}",
        bearer_token(&options.jwt_secret, &options.user_id).expect("a token")
    )
}
