//! `/metrics` against what the interface promises, and against what is deployed beside it.

use std::collections::BTreeSet;

use saldo_domain::alert::AlertKind;
use serde_json::Value;

use super::support::{World, order};

/// The names that the interface promises.
const PROMISED: [&str; 13] = [
    "saldo_operations",
    "saldo_operations_total",
    "saldo_delivery_attempts_total",
    "saldo_delivery_seconds",
    "saldo_retry_wait_seconds",
    "saldo_intake_seconds",
    "saldo_pending_oldest_seconds",
    "saldo_discrepancies_total",
    "saldo_reviews_open",
    "saldo_circuit_state",
    "saldo_task_runs_total",
    "saldo_http_requests_total",
    "saldo_build_info",
];

/// The names that a scrape of a server tells.
async fn known() -> BTreeSet<String> {
    let world = World::open();
    world.receive().await;
    world.post("/api/v1/stock-sync/orders", &order()).await;
    let text = world.get("/metrics").await.text;
    text.lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .filter(|name| name.starts_with("saldo_"))
        .map(str::to_owned)
        .collect()
}

fn names_in(text: &str) -> BTreeSet<&str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("saldo_") && !word.ends_with('_'))
        .collect()
}

/// What a query may ask of a histogram or a counter besides its name.
fn plain(name: &str) -> &str {
    ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name)
}

#[tokio::test(start_paused = true)]
async fn an_order_is_counted_from_its_request_to_its_delivery() {
    let world = World::open();
    world.receive().await;
    world.post("/api/v1/stock-sync/orders", &order()).await;
    let answer = world.get("/metrics").await;
    assert_eq!(
        answer.headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    for line in [
        "saldo_operations_total{outcome=\"recorded\",type=\"deduction\"} 1",
        "saldo_operations_total{outcome=\"completed\",type=\"deduction\"} 1",
        "saldo_operations_total{outcome=\"completed\",type=\"adjustment\"} 1",
        "saldo_operations{status=\"pending\",type=\"deduction\"} 0",
        "saldo_delivery_attempts_total{outcome=\"delivered\"} 1",
        "saldo_intake_seconds_count 1",
        "saldo_delivery_seconds_count 1",
        "saldo_pending_oldest_seconds 0",
        "saldo_reviews_open{reason=\"insufficient_stock\"} 0",
        "saldo_circuit_state{scope=\"service\"} 0",
        "saldo_http_requests_total{route=\"/api/v1/stock-sync/orders\",status=\"200\"} 1",
    ] {
        assert!(
            answer.text.lines().any(|told| told == line),
            "{line} is not in\n{}",
            answer.text
        );
    }
    assert!(
        answer.text.contains("saldo_build_info{version="),
        "{}",
        answer.text
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_stock_is_counted_apart_from_what_waits_for_the_service_in_the_status_too() {
    let world = World::open();
    world.receive().await;
    let mut order = order();
    order["order"]["lineItems"][0]["quantity"] = 1_000.into();
    world.post("/api/v1/stock-sync/orders", &order).await;
    let text = world.get("/metrics").await.text;
    for line in [
        "saldo_operations{status=\"waiting_for_stock\",type=\"deduction\"} 1",
        "saldo_operations{status=\"pending\",type=\"deduction\"} 0",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
    }
    let status = world.get("/api/v1/stock-sync/status").await.json();
    for (name, count) in [("pending", 0), ("waiting_for_stock", 1), ("in_review", 0)] {
        assert_eq!(status["operations"][name], count, "{name}: {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_scrape_counts_nothing_twice() {
    let world = World::open();
    world.receive().await;
    let first = world.get("/metrics").await.text;
    let again = world.get("/metrics").await.text;
    let operations = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| line.starts_with("saldo_operations"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(operations(&first), operations(&again));
}

#[tokio::test(start_paused = true)]
async fn every_metric_promised_exists() {
    let known = known().await;
    for name in PROMISED {
        assert!(known.contains(name), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_dashboard_and_the_alert_rules_name_only_metrics_that_exist() {
    let deployed = [
        include_str!("../../../../deploy/grafana-dashboard.json"),
        include_str!("../../../../deploy/prometheus-alerts.yml"),
    ];
    let known = known().await;
    for text in deployed {
        let named = names_in(text);
        assert!(named.len() > 5, "{named:?}");
        for name in named {
            assert!(
                known.contains(plain(name)) || known.contains(name),
                "there is no metric {name}"
            );
        }
    }
    let dashboard: Value = serde_json::from_str(deployed[0]).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() >= 10);
}

const MANUAL: &str = include_str!("../../../../docs/monitoring.md");

/// The names at the beginning of the manual's tables.
fn explained() -> BTreeSet<&'static str> {
    let rows = MANUAL.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split(['`', '{']).next()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_metric_is_explained_and_none_that_there_is_not() {
    let known = known().await;
    let explained = explained();
    for name in &known {
        assert!(
            explained.contains(name.as_str()),
            "docs/monitoring.md does not explain {name}"
        );
    }
    let metrics = explained.into_iter().filter(|name| name.starts_with("saldo_"));
    for name in metrics {
        assert!(known.contains(name), "docs/monitoring.md explains {name}");
    }
}

#[test]
fn every_alert_is_explained_with_its_severity() {
    for kind in AlertKind::ALL {
        let row = format!("| `{kind}` | {} | ", kind.severity());
        assert!(
            MANUAL.contains(&row),
            "docs/monitoring.md has no row that begins with {row}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_from_nought_so_that_the_first_is_noticed() {
    let text = World::open().get("/metrics").await.text;
    for line in [
        "saldo_delivery_attempts_total{outcome=\"permanent\"} 0",
        "saldo_task_runs_total{outcome=\"failed\",task=\"reconcile\"} 0",
        "saldo_discrepancies_total{kind=\"remote_only\",resolution=\"review\"} 0",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
    }
}
