//! Alerts over HTTP.

use saldo_domain::alert::{AlertKind, AlertPolicy, AlertSubject, Facts, Finding, Findings, watch};
use saldo_domain::ids::CountedIds;
use serde_json::json;

use super::support::World;

/// Two alerts that begin now: one about the disk, one about stock.
async fn begin_two(world: &World) -> Vec<String> {
    let mut findings = Findings::default();
    for (kind, count) in [(AlertKind::StorageTrouble, 0), (AlertKind::StockShortage, 3)] {
        let facts = Facts {
            count,
            error: Some("the disk is full".to_owned()),
            ..Facts::default()
        };
        findings.insert(kind, AlertSubject::Whole, Finding::Present(facts));
    }
    let store = world.service.store();
    let now = world.service.now();
    let known = store.known_alerts(now).await.unwrap();
    let ids = &mut CountedIds::default();
    let decision = watch(&known, &findings, &AlertPolicy::default(), now, ids);
    store.apply_alerts(&decision).await.unwrap();
    decision.alerts.iter().map(|alert| alert.id.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn alerts_are_listed_told_and_acknowledged() {
    let world = World::open();
    let list = "/api/v1/stock-sync/alerts";
    assert_eq!(world.get(list).await.json()["items"], json!([]));
    let ids = begin_two(&world).await;
    let all = world.get(list).await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    for (query, count) in [
        ("?open=true", 2),
        ("?open=false", 0),
        ("?kind=stock_shortage", 1),
        ("?status=begun", 2),
        ("?status=ended", 0),
        ("?token_id=00000000-0000-0000-0000-000000000001", 0),
    ] {
        let found = world.get(&format!("{list}{query}")).await.json();
        assert_eq!(found["items"].as_array().unwrap().len(), count, "{query}");
    }
    let refused = world.get(&format!("{list}?kind=flood&status=x&open=maybe")).await;
    assert_eq!(
        (
            refused.status.as_u16(),
            refused.json()["errors"].as_array().unwrap().len()
        ),
        (422, 3)
    );

    let one = format!("{list}/{}", ids[0]);
    insta::assert_snapshot!("alert", world.get(&one).await.shown());
    let path = format!("{one}/acknowledge");
    let answer = world
        .post(&path, &json!({ "note": "calling the provider" }))
        .await;
    insta::assert_snapshot!("alert_acknowledged", answer.shown());
    let again = world.post(&path, &json!({ "note": "another" })).await;
    assert_eq!(
        again.json()["note"],
        "calling the provider",
        "the first one counts"
    );
    let status = world.get("/api/v1/stock-sync/status").await.json();
    assert_eq!(status["alerts"].as_array().unwrap().len(), 2);
    let acknowledged = world.get(&format!("{list}?status=acknowledged")).await.json();
    assert_eq!(acknowledged["items"][0]["id"], ids[0].as_str());
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_is_not_there_is_said_so() {
    let world = World::open();
    for id in ["x", "00000000-0000-7000-8000-000000000000"] {
        let path = format!("/api/v1/stock-sync/alerts/{id}");
        assert_eq!(world.get(&path).await.code(), "alert_unknown");
        let answer = world.post(&format!("{path}/acknowledge"), &json!({})).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (404, "alert_unknown")
        );
    }
}
