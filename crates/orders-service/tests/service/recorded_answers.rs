//! Every recorded answer of the calls that the client makes, and what the client must make of it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use saldo_domain::ids::{AccountId, OrderId};
use saldo_orders_service::{
    CallError, FoundOrder, HttpOrdersService, LiveOrders, OrderSource, OrdersService, PageQuery,
};
use serde_json::{Value, json};

use crate::support::{self, json as answer_json, shown};

/// Which call gets the recorded answer.
#[derive(Clone, Copy)]
enum Ask {
    SetFlag(bool),
    ReadFlag,
    /// The single-order call: what is found, and whether the call is said to work. A search finds nothing.
    Single,
    Search,
    List,
    Accounts,
    Health,
}

/// The sample, the call that meets it, and what must come of it.
#[rustfmt::skip]
const TABLE: &[(&str, Ask, &str)] = &[
    ("auth-empty-bearer", Ask::Accounts, "Credentials 403"),
    ("auth-jwt-expired", Ask::Accounts, "Credentials 401"),
    ("auth-jwt-extra-claims", Ask::Accounts, "Transient 200"),
    ("auth-jwt-hs512", Ask::Accounts, "Credentials 401"),
    ("auth-jwt-nbf-future", Ask::Accounts, "Credentials 401"),
    ("auth-jwt-no-exp", Ask::Accounts, "Transient 200"),
    ("auth-jwt-no-user_id", Ask::Accounts, "Credentials 401"),
    ("auth-jwt-user_id-int", Ask::Accounts, "Credentials 401"),
    ("auth-jwt-username-int", Ask::Accounts, "Credentials 401"),
    ("auth-jwt-wrong-secret", Ask::Accounts, "Credentials 401"),
    ("auth-lowercase-scheme", Ask::Accounts, "Transient 200"),
    ("db-down-health", Ask::Health, "disconnected"),
    ("db-down-order-by-id", Ask::Single, "AccountNotFound 404; live AccountNotFound 404"),
    ("db-down-orders-list", Ask::List, "Transient 500"),
    ("db-down-orders-search", Ask::Search, "Transient 500"),
    ("db-down-stock-status", Ask::SetFlag(true), "AccountNotFound 404"),
    ("db-down-technical-flags", Ask::ReadFlag, "AccountNotFound 404"),
    ("db-down-tokens-list", Ask::Accounts, "0 accounts"),
    ("db-frozen-stock-status", Ask::SetFlag(true), "Unknown"),
    ("health-while-pool-exhausted", Ask::Health, "connected"),
    ("health", Ask::Health, "connected"),
    ("order-by-id-as-shipped", Ask::Single, "none searched; live false"),
    ("order-by-id-bad-jwt", Ask::Single, "Credentials 401; live Credentials 401"),
    ("order-by-id-fixed-allegro-401", Ask::Single, "Transient 200; live true"),
    ("order-by-id-fixed-allegro-403", Ask::Single, "Transient 200; live true"),
    ("order-by-id-fixed-allegro-404", Ask::Single, "none live; live true"),
    ("order-by-id-fixed-allegro-429", Ask::Single, "Transient 200; live true"),
    ("order-by-id-fixed-allegro-500", Ask::Single, "Transient 200; live true"),
    ("order-by-id-fixed-allegro-503", Ask::Single, "Transient 200; live true"),
    ("order-by-id-fixed-allegro-badjson", Ask::Single, "Transient 200; live Transient 200"),
    ("order-by-id-fixed-allegro-drop", Ask::Single, "Transient 200; live Transient 200"),
    ("order-by-id-fixed-allegro-html", Ask::Single, "Transient 200; live true"),
    ("order-by-id-fixed-allegro-refused", Ask::Single, "Transient 200; live Transient 200"),
    ("order-by-id-fixed-allegro-timeout", Ask::Single, "Transient 200; live Transient 200"),
    ("order-by-id-fixed-expired-token", Ask::Single, "none searched; live false"),
    ("order-by-id-fixed-inactive-token", Ask::Single, "none searched; live false"),
    ("order-by-id-fixed-moved-on", Ask::Single, "found live; live true"),
    ("order-by-id-fixed-ok", Ask::Single, "found live; live true"),
    ("order-by-id-no-auth", Ask::Single, "Credentials 403; live Credentials 403"),
    ("order-by-id-no-token_id", Ask::Single, "Permanent 422; live Permanent 422"),
    ("order-by-id-other-users-token", Ask::Single, "AccountNotFound 404; live AccountNotFound 404"),
    ("order-by-id-trailing-slash", Ask::Single, "Transient 307; live Transient 307"),
    ("order-by-id-unknown-order-as-shipped", Ask::Single, "none searched; live false"),
    ("order-by-id-unknown-token", Ask::Single, "AccountNotFound 404; live AccountNotFound 404"),
    ("orders-list-bad-jwt", Ask::List, "Credentials 401"),
    ("orders-list-basic-auth", Ask::List, "Credentials 403"),
    ("orders-list-date-range", Ask::List, "1 of 22"),
    ("orders-list-default", Ask::List, "3 of 500"),
    ("orders-list-expired-token", Ask::List, "1 of 5"),
    ("orders-list-from_date-bad", Ask::List, "Permanent 422"),
    ("orders-list-from_date-mixed-far", Ask::List, "0 of 0"),
    ("orders-list-from_date-plus-unencoded", Ask::List, "Permanent 422"),
    ("orders-list-inactive-token", Ask::List, "1 of 5"),
    ("orders-list-limit0", Ask::List, "Permanent 422"),
    ("orders-list-limit101", Ask::List, "Permanent 422"),
    ("orders-list-limit2", Ask::List, "2 of 500"),
    ("orders-list-no-auth", Ask::List, "Credentials 403"),
    ("orders-list-no-slash-no-auth", Ask::List, "Transient 307"),
    ("orders-list-no-slash", Ask::List, "Transient 307"),
    ("orders-list-no-token_id", Ask::List, "Permanent 422"),
    ("orders-list-offset-beyond", Ask::List, "0 of 500"),
    ("orders-list-offset-negative", Ask::List, "Permanent 422"),
    ("orders-list-other-users-token", Ask::List, "Transient 500"),
    ("orders-list-pool-exhausted-500", Ask::List, "Transient 500"),
    ("orders-list-pool-exhausted-WRONG-FLAGS", Ask::List, "1 of 500"),
    ("orders-list-post", Ask::List, "Transient 405"),
    ("orders-list-status-BOUGHT", Ask::List, "1 of 57"),
    ("orders-list-status-CANCELLED", Ask::List, "1 of 52"),
    ("orders-list-status-FILLED_IN", Ask::List, "1 of 47"),
    ("orders-list-status-NOPE", Ask::List, "0 of 0"),
    ("orders-list-status-READY_FOR_PROCESSING", Ask::List, "1 of 344"),
    ("orders-list-status-empty", Ask::List, "1 of 500"),
    ("orders-list-status-ready_for_processing", Ask::List, "0 of 0"),
    ("orders-list-stock_updated-bad", Ask::List, "Permanent 422"),
    ("orders-list-stock_updated-false-after-list", Ask::List, "3 of 50"),
    ("orders-list-stock_updated-false-fresh", Ask::List, "0 of 0"),
    ("orders-list-stock_updated-true", Ask::List, "1 of 300"),
    ("orders-list-success-false", Ask::List, "Transient 200"),
    ("orders-list-token_id-not-uuid", Ask::List, "Permanent 422"),
    ("orders-list-unknown-filter", Ask::List, "1 of 500"),
    ("orders-list-unknown-token", Ask::List, "Transient 500"),
    ("orders-list-unusual-rows", Ask::List, "3 of 505"),
    ("orders-list-with-origin", Ask::List, "1 of 500"),
    ("search-cyrillic-upper", Ask::Search, "none searched"),
    ("search-cyrillic", Ask::Search, "none searched"),
    ("search-limit-too-large", Ask::Search, "Permanent 422"),
    ("search-limit3", Ask::Search, "none searched"),
    ("search-no-auth", Ask::Search, "Credentials 403"),
    ("search-no-match", Ask::Search, "none searched"),
    ("search-no-query", Ask::Search, "Permanent 422"),
    ("search-order-id-fragment", Ask::Search, "none searched"),
    ("search-order-id", Ask::Search, "found searched"),
    ("search-percent-wildcard", Ask::Search, "none searched"),
    ("search-polish-diacritics-upper", Ask::Search, "none searched"),
    ("search-polish-diacritics", Ask::Search, "none searched"),
    ("search-polish-lower", Ask::Search, "none searched"),
    ("search-query-too-short", Ask::Search, "Permanent 422"),
    ("search-sku", Ask::Search, "none searched"),
    ("search-stock_updated-true", Ask::Search, "none searched"),
    ("search-underscore-wildcard", Ask::Search, "none searched"),
    ("search-unknown-token", Ask::Search, "Transient 500"),
    ("stock-status-bad-jwt", Ask::SetFlag(true), "Credentials 401"),
    ("stock-status-body-array", Ask::SetFlag(true), "Permanent 422"),
    ("stock-status-body-bare-true", Ask::SetFlag(true), "Permanent 422"),
    ("stock-status-body-empty-body", Ask::SetFlag(true), "Permanent 422"),
    ("stock-status-body-empty-object", Ask::SetFlag(true), "Permanent 422"),
    ("stock-status-body-extra-bool-field", Ask::SetFlag(true), "confirmed"),
    ("stock-status-body-extra-nonbool-field", Ask::SetFlag(true), "Permanent 422"),
    ("stock-status-body-float-1.0", Ask::SetFlag(true), "confirmed"),
    ("stock-status-body-int-1", Ask::SetFlag(true), "confirmed"),
    ("stock-status-body-int-2", Ask::SetFlag(true), "Permanent 422"),
    ("stock-status-body-not-json", Ask::SetFlag(true), "Permanent 422"),
    ("stock-status-body-null", Ask::SetFlag(true), "Permanent 422"),
    ("stock-status-body-string-maybe", Ask::SetFlag(true), "Permanent 422"),
    ("stock-status-body-string-off", Ask::SetFlag(false), "confirmed"),
    ("stock-status-body-string-true", Ask::SetFlag(true), "confirmed"),
    ("stock-status-body-string-yes", Ask::SetFlag(true), "confirmed"),
    ("stock-status-body-wrong-field", Ask::SetFlag(true), "Permanent 422"),
    ("stock-status-content-type-form", Ask::SetFlag(true), "Permanent 422"),
    ("stock-status-content-type-json-charset", Ask::SetFlag(true), "confirmed"),
    ("stock-status-content-type-text-plain", Ask::SetFlag(true), "Permanent 422"),
    ("stock-status-inactive-token", Ask::SetFlag(true), "confirmed"),
    ("stock-status-missing-and-bad-token", Ask::SetFlag(true), "AccountNotFound 404"),
    ("stock-status-no-auth", Ask::SetFlag(true), "Credentials 403"),
    ("stock-status-no-token_id", Ask::SetFlag(true), "Permanent 422"),
    ("stock-status-other-users-token", Ask::SetFlag(true), "AccountNotFound 404"),
    ("stock-status-patch-case-changed-id", Ask::SetFlag(true), "confirmed"),
    ("stock-status-patch-false", Ask::SetFlag(false), "confirmed"),
    ("stock-status-patch-keeps-invoice", Ask::SetFlag(true), "confirmed"),
    ("stock-status-patch-order-of-other-account", Ask::SetFlag(true), "confirmed"),
    ("stock-status-patch-true-again", Ask::SetFlag(true), "confirmed"),
    ("stock-status-patch-true-first", Ask::SetFlag(true), "confirmed"),
    ("stock-status-patch-unknown-order", Ask::SetFlag(true), "confirmed"),
    ("stock-status-pool-exhausted", Ask::SetFlag(true), "AccountNotFound 404"),
    ("stock-status-put", Ask::SetFlag(true), "Transient 405"),
    ("stock-status-trailing-slash", Ask::SetFlag(true), "Transient 307"),
    ("stock-status-unknown-token", Ask::SetFlag(true), "AccountNotFound 404"),
    ("technical-flags-get-after-invoice", Ask::ReadFlag, "flag true"),
    ("technical-flags-get-garbage-order", Ask::ReadFlag, "Transient 200"),
    ("technical-flags-get-other-users-token", Ask::ReadFlag, "AccountNotFound 404"),
    ("technical-flags-get-unknown-order", Ask::ReadFlag, "flag false"),
    ("technical-flags-get-unknown-token", Ask::ReadFlag, "AccountNotFound 404"),
    ("technical-flags-get", Ask::ReadFlag, "flag false"),
    ("technical-flags-pool-exhausted", Ask::ReadFlag, "AccountNotFound 404"),
    ("tokens-list-no-auth", Ask::Accounts, "Credentials 403"),
    ("tokens-list-no-slash", Ask::Accounts, "Transient 307"),
    ("tokens-list-page2", Ask::Accounts, "Transient 200"),
    ("tokens-list-per_page-1000-clamped", Ask::Accounts, "3 accounts"),
    ("tokens-list-seller3-active", Ask::Accounts, "2 accounts"),
    ("tokens-list-seller3-all", Ask::Accounts, "3 accounts"),
    ("tokens-list-user-without-tokens", Ask::Accounts, "0 accounts"),
    ("tokens-list-while-pool-exhausted", Ask::Accounts, "Transient 200"),
    ("tokens-list", Ask::Accounts, "3 accounts"),
    ("unknown-path", Ask::Accounts, "Transient 404"),
];

struct Sample {
    url: String,
    status: u16,
    headers: Value,
    body: Value,
}

fn samples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

fn load(name: &str) -> Sample {
    let text = std::fs::read(samples().join(format!("{name}.json"))).unwrap();
    let mut sample: Value = serde_json::from_slice(&text).unwrap();
    Sample {
        url: sample["request"]["url"].as_str().unwrap().to_owned(),
        status: u16::try_from(sample["response"]["status"].as_u64().unwrap()).unwrap(),
        headers: sample["response"]["headers"].take(),
        body: sample["response"]["body"].take(),
    }
}

impl Sample {
    fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.url.split_once('?')?;
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    fn account(&self) -> AccountId {
        self.parameter("token_id")
            .and_then(|id| id.parse().ok())
            .unwrap_or_else(support::account)
    }

    fn order(&self) -> OrderId {
        let path = self.url.split('?').next().unwrap();
        let in_path = path
            .split_once("/orders/")
            .and_then(|(_, rest)| rest.split('/').next());
        let id = self.parameter("query").or(in_path).unwrap_or_default();
        OrderId::parse(id).unwrap_or_else(|_| support::order())
    }

    fn offset(&self) -> u64 {
        self.parameter("offset")
            .and_then(|offset| offset.parse().ok())
            .unwrap_or(0)
    }

    /// As recorded, but for the size of a list's page: some were recorded with a smaller one than ours.
    fn answer(&self) -> Response<Body> {
        let mut body = self.body.clone();
        if body.get("search_type").is_none() && body.pointer("/pagination/limit").is_some() {
            body["pagination"]["limit"] = json!(100);
        }
        let bytes = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        let mut response = Response::builder().status(self.status);
        for name in ["content-type", "location", "www-authenticate"] {
            if let Some(value) = self.headers[name].as_str() {
                response = response.header(name, value);
            }
        }
        response.body(Body::from(bytes)).unwrap()
    }
}

/// All accounts that were recorded.
fn token_list() -> Value {
    let mut list = load("tokens-list").body;
    let more = load("tokens-list-seller3-all").body;
    list["tokens"]
        .as_array_mut()
        .unwrap()
        .extend(more["tokens"].as_array().unwrap().clone());
    list["total"] = json!(6);
    list
}

/// Serves the sample to the call it is for. What the client asks besides gets a good answer.
async fn serve(name: &'static str, ask: Ask) -> HttpOrdersService {
    let sample = load(name);
    if sample.status == 0 {
        let (base_url, _) = support::misbehave(support::Manners::KeepOpen(Vec::new(), 10_000)).await;
        let mut options = support::options(&base_url);
        options.timeout_ms = 200;
        return HttpOrdersService::new(options, support::fixed_clock()).unwrap();
    }
    let (base_url, _) = support::serve(move |seen| match ask {
        Ask::Single if seen.line.contains("/orders/search?") => load("search-no-match").answer(),
        Ask::Single if seen.line.contains("/tokens/?") => answer_json(200, &token_list()),
        _ => sample.answer(),
    })
    .await;
    support::service(&base_url)
}

fn outcome<T>(result: Result<T, CallError>, say: impl FnOnce(T) -> String) -> String {
    result.map_or_else(|error| shown(&error), say)
}

fn say_found(found: FoundOrder) -> String {
    let form = if found.form.is_some() { "found" } else { "none" };
    let source = match found.source {
        OrderSource::Live => "live",
        OrderSource::Searched => "searched",
    };
    format!("{form} {source}")
}

async fn outcome_of(name: &'static str, ask: Ask) -> String {
    let sample = load(name);
    let (account, order) = (sample.account(), sample.order());
    let service = serve(name, ask).await;
    match ask {
        Ask::SetFlag(flag) => outcome(service.set_flag(account, &order, flag).await, |()| {
            "confirmed".to_owned()
        }),
        Ask::ReadFlag => outcome(service.read_flag(account, &order).await, |flag| {
            format!("flag {flag}")
        }),
        Ask::Single => {
            let found = outcome(
                service.find_order(account, &order, LiveOrders::Working).await,
                say_found,
            );
            let live = outcome(service.live_orders_work(account, &order).await, |live| {
                live.to_string()
            });
            format!("{found}; live {live}")
        }
        Ask::Search => outcome(
            service.find_order(account, &order, LiveOrders::Broken).await,
            say_found,
        ),
        Ask::List => outcome(
            service.list_page(account, PageQuery::at(sample.offset())).await,
            |page| {
                assert!(page.unreadable.is_empty() && !page.suspect, "{page:?}");
                format!("{} of {}", page.orders.len(), page.total)
            },
        ),
        Ask::Accounts => outcome(service.accounts().await, |accounts| {
            format!("{} accounts", accounts.len())
        }),
        Ask::Health => outcome(service.health().await, |health| {
            if health.database_connected {
                "connected"
            } else {
                "disconnected"
            }
            .to_owned()
        }),
    }
}

#[tokio::test]
async fn every_recorded_answer_is_understood() {
    let mut wrong = Vec::new();
    for (name, ask, expected) in TABLE {
        let made_of_it = tokio::time::timeout(Duration::from_secs(20), outcome_of(name, *ask))
            .await
            .unwrap();
        if made_of_it != *expected {
            wrong.push(format!("{name}: {made_of_it}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_holds_every_sample() {
    let names = std::fs::read_dir(samples())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let on_disk: BTreeSet<String> = names
        .map(|name| name.to_str().unwrap().trim_end_matches(".json").to_owned())
        .collect();
    let in_table: BTreeSet<String> = TABLE.iter().map(|(name, _, _)| (*name).to_owned()).collect();
    assert_eq!(on_disk, in_table);
}

#[tokio::test]
async fn a_listed_order_is_known_by_the_services_own_key() {
    let service = serve("orders-list-unusual-rows", Ask::List).await;
    let account = load("orders-list-unusual-rows").account();
    let page = service.list_page(account, PageQuery::at(0)).await.unwrap();
    let ids: Vec<&str> = page.orders.iter().map(|order| order.order_id.as_str()).collect();
    assert_eq!(ids, ["own-flags-1", "events-shape-1", "json-null-1"]);
    assert!(page.has_next);
}

#[tokio::test]
async fn the_services_own_words_are_passed_on() {
    let cases = [
        (
            "stock-status-body-wrong-field",
            "the orders service answered 422: Поле 'is_stock_updated' обязательно",
        ),
        (
            "stock-status-body-null",
            "the orders service answered 422: body.is_stock_updated: Input should be a valid boolean",
        ),
        ("stock-status-trailing-slash", "the orders service answered 307"),
    ];
    for (name, expected) in cases {
        let service = serve(name, Ask::SetFlag(true)).await;
        let error = service
            .set_flag(support::account(), &support::order(), true)
            .await
            .unwrap_err();
        assert_eq!(error.message, expected);
    }
}
