//! The recorded exchanges, and the world each of them was recorded in.

use std::path::Path;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use saldo_simulator::{
    AccountInput, AllegroFailure, ConnectionLeak, DatabaseFault, DatabaseState, Fault, FaultRule, Faults,
    FlagInput, OrderInput, SimulatorHandle, SimulatorOptions,
};
use serde_json::{Value, json};
use uuid::Uuid;

const SECRET: &str = "the-secret-the-samples-are-replayed-with";

/// The samples that are not compared, each with the reason.
pub(crate) const LEFT_OUT: [(&str, &str); 21] = [
    (
        "db-frozen-root",
        "has no answer to compare; a test of its own covers a frozen database",
    ),
    (
        "db-frozen-stock-status",
        "has no answer to compare; a test of its own covers a frozen database",
    ),
    ("invoice-status-patch", "Saldo never sets invoices"),
    (
        "test-jwt-create-NO-AUTH",
        "a security hole of the service that Saldo must not use",
    ),
    (
        "tokens-by-user-NO-AUTH",
        "a security hole of the service that Saldo must not use",
    ),
    (
        "offers-by-external-id-cyrillic",
        "the made-up offers only have SKU- numbers",
    ),
    (
        "offers-by-external-id-special-chars",
        "the made-up offers only have SKU- numbers",
    ),
    (
        "offers-by-external-id-expired-refreshable",
        "refreshing access to Allegro is not simulated",
    ),
    (
        "offers-by-external-id-expired-refused",
        "refreshing access to Allegro is not simulated",
    ),
    (
        "offers-update-stock-no-available",
        "every made-up offer has a stock",
    ),
    (
        "offers-update-stock-put-404",
        "failures of the second step alone are not simulated",
    ),
    (
        "offers-update-stock-put-422",
        "failures of the second step alone are not simulated",
    ),
    (
        "offers-update-stock-put-429",
        "failures of the second step alone are not simulated",
    ),
    (
        "offers-update-stock-put-500",
        "failures of the second step alone are not simulated",
    ),
    (
        "offers-update-stock-put-applied-then-500",
        "failures of the second step alone are not simulated",
    ),
    (
        "offers-update-stock-put-badjson",
        "failures of the second step alone are not simulated",
    ),
    (
        "offers-update-stock-put-drop",
        "failures of the second step alone are not simulated",
    ),
    (
        "offers-update-stock-put-html",
        "failures of the second step alone are not simulated",
    ),
    (
        "offers-update-stock-search-404",
        "Allegro fails for every account of a call here, not for one",
    ),
    (
        "offers-update-stock-search-429",
        "Allegro fails for every account of a call here, not for one",
    ),
    (
        "offers-update-stock-search-500",
        "Allegro fails for every account of a call here, not for one",
    ),
];

pub(crate) fn left_out_reason(name: &str) -> Option<&'static str> {
    LEFT_OUT
        .iter()
        .find(|(left_out, _)| *left_out == name)
        .map(|(_, reason)| *reason)
}

/// One recorded exchange.
pub(crate) struct Sample {
    pub(crate) name: String,
    request: Value,
    pub(crate) response: Value,
}

pub(crate) fn read_all() -> Vec<Sample> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let mut samples: Vec<Sample> = std::fs::read_dir(directory)
        .expect("the samples are here")
        .map(|entry| {
            let path = entry.expect("a readable directory").path();
            let text = std::fs::read_to_string(&path).expect("a readable sample");
            let mut sample: Value = serde_json::from_str(&text).expect("a sample is JSON");
            Sample {
                name: path
                    .file_stem()
                    .expect("a sample has a name")
                    .to_string_lossy()
                    .into_owned(),
                request: sample["request"].take(),
                response: sample["response"].take(),
            }
        })
        .collect();
    samples.sort_by(|one, other| one.name.cmp(&other.name));
    samples
}

/// A simulator that begins empty; [`prepare`] fills it.
pub(crate) fn options() -> SimulatorOptions {
    SimulatorOptions {
        accounts: 0,
        jwt_secret: SECRET.to_owned(),
        user_id: "seller-1".to_owned(),
        ..SimulatorOptions::default()
    }
}

impl Sample {
    /// Whom the exchange was recorded as.
    fn user_id(&self) -> &'static str {
        let url = self.request["url"].as_str().unwrap_or_default();
        let is_of_third = ["27c0a2e8", "ef197734", "03eabd6b"]
            .iter()
            .any(|id| url.contains(id));
        if self.name.contains("seller3") || is_of_third {
            "seller-3"
        } else if self.name == "tokens-list-user-without-tokens" {
            "nobody"
        } else {
            "seller-1"
        }
    }

    fn token(&self) -> String {
        let user_id = self.user_id();
        let (algorithm, secret, claims) = match self.name.as_str() {
            "auth-jwt-expired" => (
                Algorithm::HS256,
                SECRET,
                json!({"user_id": user_id, "exp": 1_000_000}),
            ),
            "auth-jwt-nbf-future" => (
                Algorithm::HS256,
                SECRET,
                json!({"user_id": user_id, "nbf": 9_000_000_000_u64}),
            ),
            "auth-jwt-no-user_id" => (Algorithm::HS256, SECRET, json!({"username": "x"})),
            "auth-jwt-user_id-int" => (Algorithm::HS256, SECRET, json!({"user_id": 1})),
            "auth-jwt-username-int" => (
                Algorithm::HS256,
                SECRET,
                json!({"user_id": user_id, "username": 1}),
            ),
            "auth-jwt-extra-claims" => (
                Algorithm::HS256,
                SECRET,
                json!({"user_id": user_id, "role": "admin"}),
            ),
            "auth-jwt-hs512" => (Algorithm::HS512, SECRET, json!({"user_id": user_id})),
            "auth-jwt-wrong-secret" => (Algorithm::HS256, "another secret", json!({"user_id": user_id})),
            name if name.ends_with("bad-jwt") => return "garbage".to_owned(),
            _ => (Algorithm::HS256, SECRET, json!({"user_id": user_id})),
        };
        jsonwebtoken::encode(
            &Header::new(algorithm),
            &claims,
            &EncodingKey::from_secret(secret.as_bytes()),
        )
        .expect("a token")
    }

    /// The recorded request, addressed to a simulator.
    pub(crate) fn request(&self, client: &reqwest::Client, base_url: &str) -> reqwest::RequestBuilder {
        let method = self.request["method"]
            .as_str()
            .expect("a method")
            .parse()
            .expect("a method");
        let url = self.request["url"].as_str().expect("an address");
        let path = url
            .strip_prefix("http://")
            .and_then(|rest| rest.find('/').map(|index| &rest[index..]));
        let mut request = client.request(method, format!("{base_url}{}", path.expect("a path")));
        let mut content_type = "application/json".to_owned();
        if self.request["authorization"].is_string() {
            request = request.header("authorization", format!("Bearer {}", self.token()));
        }
        for header in self.request["headers"].as_array().into_iter().flatten() {
            let (name, value) = header
                .as_str()
                .and_then(|text| text.split_once(": "))
                .expect("a header");
            match name {
                "Content-Type" => content_type = value.to_owned(),
                _ => request = request.header(name, value.replace("<JWT>", &self.token())),
            }
        }
        match self.request["body"].as_str() {
            Some(body) => request.header("content-type", content_type).body(body.to_owned()),
            None => request,
        }
    }
}

/// Puts a simulator into the state that a sample was recorded in.
pub(crate) async fn prepare(handle: &SimulatorHandle, sample: &Sample) {
    put_accounts(handle);
    for known in read_all() {
        put_orders(handle, &known);
    }
    let control = handle.control();
    control.set_mended(sample.name.contains("-fixed-"));
    control
        .set_faults(faults_for(&sample.name))
        .expect("valid faults");
    for (name, token_id, order_id) in [
        (
            "orders-list-stock_updated-true",
            "c37f1318-1e15-5a05-b89e-b403c6d9d48a",
            "aa108811-3cc9-1d56-ad4b-2c7b71861952",
        ),
        (
            "search-stock_updated-true",
            FIRST_ACCOUNT,
            "5b4690d3-27dc-187a-8425-79af08081f10",
        ),
        (
            "technical-flags-summary",
            FIRST_ACCOUNT,
            "5b4690d3-27dc-187a-8425-79af08081f10",
        ),
        (
            "technical-flags-get-after-invoice",
            FIRST_ACCOUNT,
            "f73ba06b-389f-13dc-9e47-6e942e1149fb",
        ),
        (
            "stock-status-patch-keeps-invoice",
            FIRST_ACCOUNT,
            "f73ba06b-389f-13dc-9e47-6e942e1149fb",
        ),
    ] {
        if sample.name == name {
            control
                .set_flag(flag_input(token_id, order_id, name.contains("invoice")))
                .expect("a known account");
        }
    }
    if ["offers-update-stock-string", "offers-update-stock-unchanged"].contains(&sample.name.as_str()) {
        // These were recorded when the stock already was what they ask for.
        let before = sample.request(&super::client(), &handle.base_url()).send().await;
        assert!(before.expect("an answer").status().is_success());
    }
    let needs_list_before = [
        "orders-list-stock_updated-false-after-list",
        "orders-list-pool-exhausted-500",
    ];
    if needs_list_before.contains(&sample.name.as_str()) {
        let url = format!("{}/api/v1/orders/?token_id={FIRST_ACCOUNT}", handle.base_url());
        let request = super::client()
            .get(url)
            .header("authorization", format!("Bearer {}", sample.token()));
        assert!(request.send().await.expect("an answer").status().is_success());
    }
}

const FIRST_ACCOUNT: &str = "6f652857-8798-5791-b345-f84d5a9ec333";

fn uuid(text: &str) -> Uuid {
    text.parse().expect("a UUID")
}

fn flag_input(token_id: &str, order_id: &str, has_invoice: bool) -> FlagInput {
    FlagInput {
        token_id: uuid(token_id),
        order_id: order_id.to_owned(),
        is_stock_updated: true,
        has_invoice_created: Some(has_invoice),
        invoice_id: has_invoice.then(|| "INV-1".to_owned()),
    }
}

fn put_accounts(handle: &SimulatorHandle) {
    let expired = "2024-01-01T00:00:00Z";
    let valid = "2035-01-01T00:00:00Z";
    for (token_id, user_id, name, is_active, expires_at) in [
        (
            "c37f1318-1e15-5a05-b89e-b403c6d9d48a",
            "seller-1",
            "magazyn-łódź",
            true,
            valid,
        ),
        (FIRST_ACCOUNT, "seller-1", "sklep-glowny", true, valid),
        (
            "28008955-0749-5c5e-a161-5f2d52e3b242",
            "seller-1",
            "Книгарня Львів",
            true,
            valid,
        ),
        (
            "2e75c38a-36b9-590c-a0e7-cf4c5e569bf5",
            "seller-2",
            "someone else's",
            true,
            valid,
        ),
        (
            "27c0a2e8-041f-5928-9b42-15c636154c60",
            "seller-3",
            "expired-refreshable",
            true,
            expired,
        ),
        (
            "ef197734-d41c-540f-96f1-9512b9f86383",
            "seller-3",
            "expired-refused",
            true,
            expired,
        ),
        (
            "03eabd6b-e548-552d-bafe-738d304da1d0",
            "seller-3",
            "inactive",
            false,
            valid,
        ),
    ] {
        let input = AccountInput {
            token_id: uuid(token_id),
            account_name: Some(name.to_owned()),
            user_id: Some(user_id.to_owned()),
            is_active: Some(is_active),
            expires_at: Some(expires_at.parse().expect("a time")),
        };
        handle.control().put_account(input).expect("room for an account");
    }
}

/// The orders of a list or search, as stored; the order of a mended read, as live.
fn put_orders(handle: &SimulatorHandle, sample: &Sample) {
    let body = &sample.response["body"];
    for order in body["orders"].as_array().into_iter().flatten() {
        let mut form = order.clone();
        let object = form.as_object_mut().expect("an order is an object");
        let token_id = object["token_id"].as_str().expect("an account").to_owned();
        let order_id = object["allegro_order_id"]
            .as_str()
            .expect("an order id")
            .to_owned();
        for own in [
            "db_id",
            "token_id",
            "allegro_order_id",
            "db_created_at",
            "db_updated_at",
            "technical_flags",
            "relevance_score",
        ] {
            object.remove(own);
        }
        put(handle, &token_id, order_id, form, true);
    }
    if let Some(order) = body["order"].as_object() {
        let mut form = order.clone();
        form.remove("technical_flags");
        let order_id = form["id"].as_str().expect("an order id").to_owned();
        put(handle, FIRST_ACCOUNT, order_id, Value::Object(form), false);
    }
}

fn put(handle: &SimulatorHandle, token_id: &str, order_id: String, order: Value, is_stored: bool) {
    let input = OrderInput {
        token_id: uuid(token_id),
        order,
        order_id: Some(order_id),
        stored_only: is_stored,
        live_only: !is_stored,
        is_deleted: false,
    };
    handle.control().put_order(input).expect("room for an order");
}

fn faults_for(name: &str) -> Faults {
    let mut faults = Faults::default();
    if name.starts_with("db-down-") {
        faults.database = DatabaseFault {
            state: DatabaseState::Down,
            from_ms: 0,
            until_ms: None,
        };
    }
    if name.contains("pool-exhausted") {
        // The list itself meets the first, wrong answer; what follows fails.
        faults.connection_leak = Some(ConnectionLeak {
            stuck_at_call: 0,
            hang_ms: 1,
            hanging_calls: 10,
        });
    }
    let failure = match name
        .rsplit_once("-allegro-")
        .map(|(_, failure)| failure)
        .or(name.strip_prefix("offers-update-stock-search-"))
    {
        Some("401") => AllegroFailure::Unauthorized,
        Some("403") => AllegroFailure::Forbidden,
        Some("404") => AllegroFailure::NotFound,
        Some("429") => AllegroFailure::TooManyRequests,
        Some("500") => AllegroFailure::InternalError,
        Some("503" | "html") => AllegroFailure::Unavailable,
        Some("timeout") => AllegroFailure::TimedOut,
        Some("refused") => AllegroFailure::Refused,
        Some("drop") => AllegroFailure::Dropped,
        Some("badjson") => AllegroFailure::BadJson,
        _ => return faults,
    };
    faults.rules.push(FaultRule::always(Fault::Allegro { failure }));
    faults
}
