//! Servers that break the contract or the connection. A sent flag must never count as confirmed, and never as
//! surely not applied unless nothing was sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use saldo_orders_service::{ErrorClass, HttpOrdersService, LiveOrders, OrdersService, PageQuery};

use crate::support::{
    ACCOUNT, Manners, ORDER, TOKEN, account, fixed_clock, head, misbehave, options, order, service, shown,
    whole,
};

/// A service that waits shortly where waiting is in vain.
async fn serve_with(manners: Manners) -> (HttpOrdersService, Arc<Mutex<Vec<String>>>) {
    let timeout_ms = if matches!(manners, Manners::Write(_)) {
        10_000
    } else {
        1_000
    };
    let (base_url, requests) = misbehave(manners).await;
    let mut options = options(&base_url);
    options.timeout_ms = timeout_ms;
    (HttpOrdersService::new(options, fixed_clock()).unwrap(), requests)
}

/// What a flag sent to such a server comes to, and how many requests it saw.
async fn send_flag_to(manners: Manners) -> (String, usize) {
    let (service, requests) = serve_with(manners).await;
    let error = service.set_flag(account(), &order(), true).await.unwrap_err();
    (shown(&error), requests.lock().unwrap().len())
}

/// What a flag read from such a server comes to.
async fn read_flag_from(manners: Manners) -> String {
    let (service, _) = serve_with(manners).await;
    shown(&service.read_flag(account(), &order()).await.unwrap_err())
}

fn confirmation(order_id: &str, flag: &str) -> Vec<u8> {
    whole(format!(r#"{{"success":true,"order_id":"{order_id}","is_stock_updated":{flag}}}"#).as_bytes())
}

#[tokio::test]
async fn a_refused_connection_was_surely_not_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = service(&base_url)
        .set_flag(account(), &order(), true)
        .await
        .unwrap_err();
    assert_eq!(shown(&error), "Transient");
}

#[tokio::test]
async fn a_lost_answer_leaves_a_sent_flag_in_doubt() {
    let half = whole(br#"{"success":true,"order_id":"x"}"#)[..90].to_vec();
    let cut_chunks = [
        head("transfer-encoding: chunked\r\n"),
        b"5\r\n{\"suc\r\n".to_vec(),
    ]
    .concat();
    let cases = [
        ("closed before answering", Manners::Write(Vec::new()), "Unknown"),
        (
            "closed within the head",
            Manners::Write(b"HTTP/1.1 200 OK\r\nconte".to_vec()),
            "Unknown",
        ),
        ("closed within the body", Manners::Write(half), "Unknown 200"),
        (
            "closed within the chunks",
            Manners::Write(cut_chunks),
            "Unknown 200",
        ),
        (
            "not HTTP",
            Manners::Write(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
            "Unknown",
        ),
        ("silent", Manners::KeepOpen(Vec::new(), 5_000), "Unknown"),
        (
            "dripping head",
            Manners::Drip(b"HTTP/1.1 200 OK\r\nx: ".to_vec()),
            "Unknown",
        ),
        (
            "dripping body",
            Manners::Drip(head("content-length: 60000\r\n")),
            "Unknown 200",
        ),
        ("endless body", Manners::Flood(head("")), "Unknown 200"),
        (
            "huge announced body",
            Manners::KeepOpen(head("content-length: 99999999999999\r\n"), 5_000),
            "Unknown 200",
        ),
        (
            "endless head",
            Manners::Flood(b"HTTP/1.1 200 OK\r\nx: ".to_vec()),
            "Unknown",
        ),
    ];
    let started = tokio::time::Instant::now();
    join_all(cases.into_iter().map(|(what, manners, expected)| async move {
        assert_eq!(
            send_flag_to(manners.clone()).await,
            (expected.to_owned(), 1),
            "{what}"
        );
        assert_eq!(
            read_flag_from(manners).await,
            expected.replace("Unknown", "Transient"),
            "{what}"
        );
    }))
    .await;
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_body_that_does_not_confirm_is_no_success() {
    let deep = [b"{\"a\":".repeat(500), b"1".to_vec(), b"}".repeat(500)].concat();
    let good = format!(r#""success":true,"order_id":"{ORDER}","is_stock_updated":true"#);
    let with = |more: &str| whole(format!("{{{good},{more}}}").as_bytes());
    let gzip_bomb_head = "content-encoding: gzip\r\ncontent-length: 20\r\n";
    let cases = [
        ("another order", confirmation("another", "true")),
        ("another flag", confirmation(ORDER, "false")),
        ("the flag as text", confirmation(ORDER, "\"true\"")),
        ("the flag as number", confirmation(ORDER, "1")),
        (
            "no success",
            whole(format!(r#"{{"order_id":"{ORDER}","is_stock_updated":true}}"#).as_bytes()),
        ),
        (
            "failure",
            whole(format!(r#"{{{}}}"#, good.replace("true,\"o", "false,\"o")).as_bytes()),
        ),
        ("empty", whole(b"")),
        ("null", whole(b"null")),
        ("HTML", whole(b"<html><body>It works!</body></html>")),
        ("truncated", whole(&format!("{{{good}").into_bytes())),
        ("two texts", whole(&format!("{{{good}}}{{}}").into_bytes())),
        ("number too large", with(r#""x":1e400"#)),
        ("deep nesting", whole(&deep)),
        ("one key twice", with(r#""success":true"#)),
        ("one key twice, deep", with(r#""x":{"y":1,"y":2}"#)),
        (
            "not UTF-8",
            whole(&[format!("{{{good},\"x\":\"").as_bytes(), b"\xff\"}"].concat()),
        ),
        (
            "gzip",
            [
                head(gzip_bomb_head),
                b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xed\xc1\x01\r\0\0\0\xc2\xa0".to_vec(),
            ]
            .concat(),
        ),
        ("no content", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
    ];
    for (what, bytes) in cases {
        let (outcome, requests) = send_flag_to(Manners::Write(bytes)).await;
        let expected = if what == "no content" {
            "Unknown 204"
        } else {
            "Unknown 200"
        };
        assert_eq!((outcome.as_str(), requests), (expected, 1), "{what}");
    }
}

#[tokio::test]
async fn a_later_version_may_say_more() {
    let body =
        format!(r#"{{"success":true,"order_id":"{ORDER}","is_stock_updated":true,"new":{{"a":[1]}}}}"#);
    let (base_url, _) = misbehave(Manners::Write(whole(body.as_bytes()))).await;
    service(&base_url)
        .set_flag(account(), &order(), true)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, requests_elsewhere) = misbehave(Manners::Write(whole(b"{}"))).await;
    for status in [301, 302, 303, 307, 308] {
        let bytes = format!("HTTP/1.1 {status} Moved\r\nlocation: {elsewhere}/\r\ncontent-length: 0\r\n\r\n");
        let (outcome, requests) = send_flag_to(Manners::Write(bytes.into_bytes())).await;
        assert_eq!((outcome, requests), (format!("Transient {status}"), 1));
    }
    assert!(requests_elsewhere.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_status_decides_even_when_its_body_cannot_be_read() {
    let cases = [
        ("503 Unavailable", "Transient 503"),
        ("401 Unauthorized", "Credentials 401"),
        ("422 Unprocessable", "Permanent 422"),
        ("404 Not Found", "Transient 404"),
    ];
    join_all(cases.into_iter().map(|(status, expected)| async move {
        let answer_head = format!("HTTP/1.1 {status}\r\ncontent-length: 500\r\n\r\n{{\"det").into_bytes();
        assert_eq!(
            send_flag_to(Manners::Write(answer_head.clone())).await.0,
            expected
        );
        assert_eq!(send_flag_to(Manners::Drip(answer_head)).await.0, expected);
        let endless = format!("HTTP/1.1 {status}\r\n\r\n").into_bytes();
        assert_eq!(send_flag_to(Manners::Flood(endless)).await.0, expected);
    }))
    .await;
}

#[tokio::test]
async fn a_list_is_bounded_too() {
    let (base_url, _) = misbehave(Manners::Flood(head(""))).await;
    let mut options = options(&base_url);
    options.list_timeout_ms = 20_000;
    let service = HttpOrdersService::new(options, fixed_clock()).unwrap();
    let error = service.list_page(account(), PageQuery::at(0)).await.unwrap_err();
    assert_eq!(error.message, "the answer is larger than 16777216 bytes");
    assert_eq!(error.class, ErrorClass::Transient);
}

#[tokio::test]
async fn a_token_that_is_echoed_is_not_passed_on() {
    let detail = format!("{} refused: Bearer {TOKEN}\\r\\nInjected: yes", "x".repeat(470));
    let body = format!(r#"{{"detail":"{detail}"}}"#);
    let answer = format!("HTTP/1.1 500 No\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes();
    let (base_url, _) = misbehave(Manners::Write(answer)).await;
    let error = service(&base_url)
        .read_flag(account(), &order())
        .await
        .unwrap_err();
    assert!(!error.message.contains("a-ready"), "{error}");
    assert_eq!(shown(&error), "Transient 500");
}

/// The service closes a connection that was idle for 5 s.
#[tokio::test]
async fn a_pooled_connection_that_was_closed_is_replaced() {
    let (base_url, requests) = misbehave(Manners::KeepOpen(confirmation(ORDER, "true"), 50)).await;
    let service = service(&base_url);
    for sent in 1..=3 {
        service.set_flag(account(), &order(), true).await.unwrap();
        assert_eq!(requests.lock().unwrap().len(), sent);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

#[tokio::test]
async fn contradictory_lists_are_refused() {
    let row = |id: &str, token: &str| {
        format!(
            r#"{{"allegro_order_id":"{id}","token_id":"{token}","technical_flags":{{"is_stock_updated":false}}}}"#
        )
    };
    let page = |orders: &str, pagination: &str| {
        format!(r#"{{"success":true,"orders":[{orders}],"pagination":{{{pagination}}}}}"#)
    };
    let fine = r#""total":1,"limit":100,"offset":0,"has_next":false"#;
    let too_many = vec![row("a", ACCOUNT); 101].join(",");
    let refused = [
        page("", r#""total":1,"limit":50,"offset":0,"has_next":true"#),
        page("", r#""total":1,"limit":100,"offset":100,"has_next":false"#),
        page("", r#""total":1,"limit":100,"offset":0,"has_next":true"#),
        page("", r#""total":0,"limit":100,"offset":0"#),
        page(&too_many, fine),
        r#"{"success":true,"orders":null}"#.to_owned(),
        r#"{"success":true,"orders":[]}"#.to_owned(),
    ];
    for body in refused {
        let (base_url, _) = misbehave(Manners::Write(whole(body.as_bytes()))).await;
        let error = service(&base_url)
            .list_page(account(), PageQuery::at(0))
            .await
            .unwrap_err();
        assert_eq!(shown(&error), "Transient 200", "{body}");
    }

    let odd = [
        row("good", ACCOUNT),
        row("foo bar", ACCOUNT),
        row("foreign", "c37f1318-1e15-5a05-b89e-b403c6d9d48a"),
        "null".to_owned(),
        with_member(&row("twice", ACCOUNT), r#""allegro_order_id":"other""#),
        with_member(&row("large", ACCOUNT), r#""a":1e400"#),
        with_member(&row("half", ACCOUNT), r#""a":"\ud800""#),
        with_member(
            &row("deep", ACCOUNT),
            &format!("\"a\":{}{}", "[".repeat(200), "]".repeat(200)),
        ),
        row("too", ACCOUNT),
    ];
    let (base_url, _) = misbehave(Manners::Write(whole(page(&odd.join(","), fine).as_bytes()))).await;
    let read = service(&base_url)
        .list_page(account(), PageQuery::at(0))
        .await
        .unwrap();
    let ids: Vec<&str> = read.orders.iter().map(|order| order.order_id.as_str()).collect();
    assert_eq!(ids, ["good", "too"]);
    let positions: Vec<usize> = read.unreadable.iter().map(|row| row.position).collect();
    assert_eq!(positions, [1, 2, 3, 4, 5, 6, 7]);
}

/// A row with one member more.
fn with_member(row: &str, member: &str) -> String {
    format!("{},{member}}}", row.strip_suffix('}').unwrap())
}

#[tokio::test]
async fn an_order_found_live_must_be_the_one_asked_for() {
    let bodies = [
        r#"{"success":true,"order":{"id":"another"},"error":null}"#,
        r#"{"success":true,"order":null,"error":null}"#,
        r#"{"success":true}"#,
        r#"{"success":false,"order":null,"error":null}"#,
        "[]",
    ];
    for body in bodies {
        let (base_url, requests): (String, Arc<Mutex<Vec<String>>>) =
            misbehave(Manners::Write(whole(body.as_bytes()))).await;
        let service = service(&base_url);
        let error = service
            .find_order(account(), &order(), LiveOrders::Working)
            .await
            .unwrap_err();
        assert_eq!(shown(&error), "Transient 200", "{body}");
        assert_eq!(requests.lock().unwrap().len(), 1);
    }
}
