//! What the client sends, and how it puts several answers together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use jiff::Timestamp;
use saldo_orders_service::{
    Credentials, ErrorClass, HttpOptions, HttpOrdersService, LiveOrders, OrderSource, OrdersService,
    PageQuery, SecretText,
};
use serde_json::{Value, json};

use crate::support::{
    ACCOUNT, ORDER, TOKEN, account, fixed_clock, json as answer, order, serve, service, shown,
};

fn confirmation(flag: bool) -> Value {
    json!({"success": true, "order_id": ORDER, "is_stock_updated": flag})
}

fn list_of(orders: Value, total: u64) -> Value {
    let pagination = json!({"total": total, "limit": 100, "offset": 0, "has_next": false, "has_prev": false});
    json!({"success": true, "orders": orders, "pagination": pagination})
}

#[tokio::test]
async fn requests_are_exact() {
    let (base_url, seen) = serve(|_| answer(503, &json!({}))).await;
    let service = service(&format!("{base_url}/api/v1/"));
    let (account, order) = (account(), order());
    let from = "2025-07-20T00:00:00Z".parse().unwrap();
    assert!(service.set_flag(account, &order, false).await.is_err());
    assert!(service.read_flag(account, &order).await.is_err());
    assert!(service.accounts().await.is_err());
    assert!(service.health().await.is_err());
    assert!(
        service
            .find_order(account, &order, LiveOrders::Working)
            .await
            .is_err()
    );
    assert!(
        service
            .find_order(account, &order, LiveOrders::Broken)
            .await
            .is_err()
    );
    assert!(
        service
            .list_page(
                account,
                PageQuery {
                    from: Some(from),
                    ..PageQuery::at(300)
                }
            )
            .await
            .is_err()
    );

    let seen = seen.lock().unwrap();
    let lines: Vec<&str> = seen.iter().map(|request| request.line.as_str()).collect();
    let token = format!("token_id={ACCOUNT}");
    let time = "2025-07-20T00%3A00%3A00.000000Z";
    assert_eq!(
        lines,
        [
            format!("PATCH /api/v1/orders/{ORDER}/stock-status?{token}"),
            format!("GET /api/v1/orders/{ORDER}/technical-flags?{token}"),
            "GET /api/v1/tokens/?page=1&per_page=100&active_only=false".to_owned(),
            "GET /health".to_owned(),
            format!("GET /api/v1/orders/{ORDER}?{token}"),
            format!("GET /api/v1/orders/search?{token}&query={ORDER}&limit=1000"),
            format!("GET /api/v1/orders/?{token}&limit=100&offset=300&from_date={time}"),
        ]
    );
    assert_eq!(seen[0].body, r#"{"is_stock_updated":false}"#);
    assert_eq!(seen[0].content_type.as_deref(), Some("application/json"));
    for request in seen.iter() {
        let expected = (request.line != "GET /health").then(|| format!("Bearer {TOKEN}"));
        assert_eq!(request.authorization, expected, "{}", request.line);
    }
}

#[tokio::test]
async fn a_flag_is_confirmed() {
    let (base_url, _) = serve(|seen| answer(200, &confirmation(seen.body.contains("true")))).await;
    let service = service(&base_url);
    service.set_flag(account(), &order(), true).await.unwrap();
    service.set_flag(account(), &order(), false).await.unwrap();
}

#[tokio::test]
async fn a_refusal_names_its_wait() {
    let cases = [
        (429, "7", Some(7)),
        (503, "Fri, 15 Jan 2027 08:00:30 GMT", Some(30)),
        (500, "-3", None),
        (408, "soon", None),
        (425, "99999999999999999999", None),
        (422, "7", None),
    ];
    for (status, header, expected) in cases {
        let (base_url, _) = serve(move |_| {
            Response::builder()
                .status(status)
                .header("retry-after", header)
                .body(Body::empty())
                .unwrap()
        })
        .await;
        let error = service(&base_url)
            .set_flag(account(), &order(), true)
            .await
            .unwrap_err();
        assert_eq!(error.retry_after_seconds, expected, "{status} {header}");
        assert_eq!(error.class == ErrorClass::Permanent, status == 422);
    }
}

#[tokio::test]
async fn statuses_are_classed() {
    let cases = [
        (400, "Permanent"),
        (401, "Credentials"),
        (402, "Transient"),
        (403, "Credentials"),
        (404, "Transient"),
        (408, "Transient"),
        (409, "Permanent"),
        (410, "Transient"),
        (422, "Permanent"),
        (425, "Transient"),
        (429, "Transient"),
        (500, "Transient"),
        (502, "Transient"),
        (599, "Transient"),
    ];
    for (status, expected) in cases {
        let (base_url, _) = serve(move |_| answer(status, &json!({"detail": "Not Found"}))).await;
        let error = service(&base_url)
            .set_flag(account(), &order(), true)
            .await
            .unwrap_err();
        assert_eq!(shown(&error), format!("{expected} {status}"));
    }
}

#[tokio::test]
async fn all_pages_of_accounts_are_gathered() {
    let row = |number: usize| {
        let id = format!("00000000-0000-4000-8000-{number:012}");
        json!({"id": id, "account_name": format!("sklep {number}"), "is_active": number != 7, "expires_at": "2035-01-01T00:00:00"})
    };
    let (base_url, seen) = serve(move |seen| {
        let page: usize = if seen.line.contains("page=1&") { 1 } else { 2 };
        let numbers = if page == 1 { 50..150 } else { 0..50 };
        let tokens: Vec<Value> = numbers.map(row).collect();
        answer(
            200,
            &json!({"tokens": tokens, "total": 150, "page": page, "per_page": 100}),
        )
    })
    .await;
    let accounts = service(&base_url).accounts().await.unwrap();
    assert_eq!(accounts.len(), 150);
    assert!(accounts.is_sorted_by_key(|account| account.id));
    assert_eq!(accounts.iter().filter(|account| !account.is_active).count(), 1);
    assert_eq!(accounts[3].name, "sklep 3");
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_slow_list_is_suspect() {
    for (delay_ms, suspect) in [(0, false), (700, true)] {
        let (base_url, _) = serve(move |_| {
            let body = list_of(json!([]), 0).to_string();
            let late = futures::stream::once(async move {
                tokio::time::sleep(Duration::from_millis(delay_ms)).await;
                Ok::<_, std::convert::Infallible>(body)
            });
            Response::builder()
                .status(200)
                .body(Body::from_stream(late))
                .unwrap()
        })
        .await;
        let mut options = crate::support::options(&base_url);
        options.suspect_after_ms = 500;
        let service = HttpOrdersService::new(options, fixed_clock()).unwrap();
        let page = service.list_page(account(), PageQuery::at(0)).await.unwrap();
        assert_eq!(page.suspect, suspect, "{} ms", page.took_ms);
    }
}

#[tokio::test]
async fn the_broken_single_order_call_leads_to_the_search() {
    let (base_url, seen) = serve(|seen| {
        if seen.line.contains("/search?") {
            let row = json!({"allegro_order_id": ORDER, "token_id": ACCOUNT, "status": "BOUGHT"});
            return answer(200, &list_of(json!([row]), 1));
        }
        if seen.line.contains("/tokens/") {
            return answer(200, &json!({"tokens": [], "total": 0, "page": 1}));
        }
        let error = format!("Токен {ACCOUNT} недействителен или не принадлежит пользователю");
        answer(200, &json!({"success": false, "order": null, "error": error}))
    })
    .await;
    let service = service(&base_url);
    let found = service
        .find_order(account(), &order(), LiveOrders::Working)
        .await
        .unwrap();
    assert_eq!(found.source, OrderSource::Searched);
    assert_eq!(found.form.unwrap()["status"], "BOUGHT");
    assert_eq!(seen.lock().unwrap().len(), 2);

    let not_listed = service.live_orders_work(account(), &order()).await.unwrap_err();
    assert_eq!(shown(&not_listed), "Transient 200");
}

#[tokio::test]
async fn a_minted_token_is_reused_and_never_shown() {
    let (base_url, seen) = serve(|seen| {
        let detail = seen.authorization.clone().unwrap_or_default();
        answer(500, &json!({"detail": detail}))
    })
    .await;
    let secret = SecretText::new("open sesame");
    let credentials = Credentials::SharedSecret {
        secret,
        user_id: "seller-1".to_owned(),
    };
    let options = HttpOptions::new(base_url, credentials);
    let printed_options = format!("{options:?}");
    let now = Arc::new(|| Timestamp::from_second(1_800_000_000).unwrap());
    let service = HttpOrdersService::new(options, now).unwrap();
    for _ in 0..2 {
        let error = service.read_flag(account(), &order()).await.unwrap_err();
        let printed = format!("{error} {error:?} {service:?} {printed_options}");
        assert!(
            !printed.contains("eyJ") && !printed.contains("sesame"),
            "{printed}"
        );
    }
    let seen = seen.lock().unwrap();
    assert!(seen[0].authorization.as_ref().unwrap().starts_with("Bearer eyJ"));
    assert_eq!(seen[0].authorization, seen[1].authorization);
}
