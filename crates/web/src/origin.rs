//! Keeping other websites out while there are no keys.
//!
//! A page that someone has open in a browser can reach a server on the same computer: directly, or through a name
//! of its own that it points at loopback (DNS rebinding). A key would stop it; without keys the headers that a
//! browser cannot be made to forge do.

use std::net::Ipv6Addr;

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;

use crate::problem::Problem;

/// Refuses a request that was not meant for loopback, or that a page of another origin makes.
pub(crate) fn check_loopback(headers: &HeaderMap) -> Result<(), Problem> {
    let host = headers.get(HOST).map(|host| host.to_str().unwrap_or(""));
    if host.is_some_and(|host| !is_loopback(host)) {
        return Err(refused("while there are no keys, only localhost may be asked"));
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or("");
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    if authority.is_none() || authority != host {
        return Err(refused(
            "while there are no keys, only pages of this server may ask",
        ));
    }
    Ok(())
}

fn refused(detail: &str) -> Problem {
    Problem::new(
        "origin_refused",
        format!("{detail}; make a key with `saldo keys`"),
    )
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    if host.contains('@') {
        return false;
    }
    let name = authority.host();
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => address
            .parse::<Ipv6Addr>()
            .is_ok_and(|address| address.is_loopback()),
        None => name
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn allowed(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        check_loopback(&headers).is_ok()
    }

    #[test]
    fn programs_and_own_pages_may_ask() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]:8080",
            "[::1]",
        ] {
            assert!(allowed(host, None), "{host}");
        }
        assert!(allowed("localhost:8080", Some("http://localhost:8080")));
    }

    #[test]
    fn other_websites_may_not() {
        for host in [
            "",
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]",
            "evil@localhost:x",
        ] {
            assert!(!allowed(host, None), "{host}");
        }
        for origin in [
            "null",
            "",
            "http://evil.example",
            "http://localhost:3000",
            "file://",
            "localhost:8080",
        ] {
            assert!(!allowed("localhost:8080", Some(origin)), "{origin}");
        }
    }
}
