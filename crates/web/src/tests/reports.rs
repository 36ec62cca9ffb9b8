//! Reports over HTTP: made, listed, and written in every format.

use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

use super::support::{ACCOUNT, World};

const REPORTS: &str = "/api/v1/stock-sync/reports";

/// A world in which two orders came on the 14th of July, and a report of that day.
async fn with_report() -> (World, String) {
    let world = World::open();
    world.receive().await;
    world.take_in().await;
    let body = json!({ "from": "2026-07-14T00:00:00Z", "to": "2026-07-15T00:00:00Z" });
    let made = world.post(REPORTS, &body).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    (world, id)
}

#[tokio::test(start_paused = true)]
async fn a_report_is_made_told_and_listed() {
    let (world, id) = with_report().await;
    let one = world.get(&format!("{REPORTS}/{id}")).await;
    let report = one.json();
    assert_eq!(report["cause"], "asked");
    assert_eq!(report["totals"]["operations"][0]["recorded"], 1, "{}", one.text);
    assert_eq!(report["totals"]["attempts"]["success_rate"], 1.0);
    assert_eq!(report["totals"]["stock"]["units_taken"], 2);
    assert_eq!(report["before"]["operations"][0]["recorded"], 0);
    assert_eq!(report["busiest_skus"][0]["sku"], "KUB-330-GRA");
    assert_eq!(report["busiest_hours"][12]["deductions"], 1);
    let week = world.post(REPORTS, &json!({ "token_id": ACCOUNT })).await;
    assert_eq!(week.json()["from"], "2026-07-06T00:00:00Z", "the last whole week");
    let list = world.get(&format!("{REPORTS}?limit=1")).await.json();
    assert_eq!(list["items"][0]["id"], week.json()["id"], "newest first");
    assert_eq!(list["items"][0]["token_id"], ACCOUNT);
    let cursor = list["next_cursor"].as_str().unwrap();
    let next = world
        .get(&format!("{REPORTS}?limit=1&cursor={cursor}"))
        .await
        .json();
    assert_eq!(next["items"][0]["id"], id.as_str());
}

#[tokio::test(start_paused = true)]
async fn a_report_is_written_as_the_caller_asks() {
    let (world, id) = with_report().await;
    let page = world
        .get(&format!("{REPORTS}/{id}?format=html&language=ru"))
        .await;
    assert_eq!(page.headers[CONTENT_TYPE], "text/html; charset=utf-8");
    assert!(
        page.headers[CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap()
            .contains("default-src 'none'")
    );
    assert!(page.text.contains("Отчёт о синхронизации"), "{}", page.text);
    let table = world.get(&format!("{REPORTS}/{id}?format=csv")).await;
    assert!(
        table
            .text
            .starts_with("section,item,of,measure,value,unit,label\r\n"),
        "{}",
        table.text
    );
    let request = Request::get(format!("{REPORTS}/{id}")).header(ACCEPT, "text/html,*/*;q=0.8");
    let page = world.send(request.body(Body::empty()).unwrap()).await;
    assert!(page.text.starts_with("<!DOCTYPE html>"), "{}", page.text);
    let request = Request::get(format!("{REPORTS}/{id}?format=xlsx"))
        .body(Body::empty())
        .unwrap();
    let book = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(
        book.headers()[CONTENT_DISPOSITION],
        "attachment; filename=\"saldo-sync-report-2026-07-14.xlsx\""
    );
    let bytes = book.into_body().collect().await.unwrap().to_bytes();
    assert!(bytes.starts_with(b"PK"));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_period_and_no_report_is_refused() {
    let (world, id) = with_report().await;
    for (body, pointer) in [
        (json!({ "from": "2026-07-14T00:00:00Z" }), "/to"),
        (json!({ "to": "2026-07-14T00:00:00Z" }), "/from"),
        (
            json!({ "from": "2026-07-14T00:00:00Z", "to": "2026-07-14T00:00:00Z" }),
            "/to",
        ),
        (
            json!({ "from": "1926-07-14T00:00:00Z", "to": "2026-07-14T00:00:00Z" }),
            "/to",
        ),
        (
            json!({ "from": "yesterday", "to": "2026-07-14T00:00:00Z" }),
            "/from",
        ),
        (json!({ "token_id": "x" }), "/token_id"),
        (json!({ "week": true }), "/week"),
    ] {
        let answer = world.post(REPORTS, &body).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{body}: {}",
            answer.text
        );
        assert_eq!(
            answer.json()["errors"][0]["pointer"],
            pointer,
            "{body}: {}",
            answer.text
        );
    }
    for path in [
        format!("{REPORTS}/{id}?format=pdf"),
        format!("{REPORTS}/{id}?language=de"),
    ] {
        assert_eq!(
            world.get(&path).await.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{path}"
        );
    }
    for id in ["x", "00000000-0000-7000-8000-000000000000"] {
        let answer = world.get(&format!("{REPORTS}/{id}")).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (StatusCode::NOT_FOUND, &json!("report_unknown"))
        );
    }
}
