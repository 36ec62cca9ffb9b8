//! `GET /api/v1/offers/by-external-id` and `POST /api/v1/offers/update-stock`.

use hyper::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Answered, Call};
use crate::answer::Answer;
use crate::faults::AllegroFailure;
use crate::validation::{Body, Inputs, Refusal, parse_uuid};
use crate::world::Account;

const TOKEN_NOT_FOUND: &str = "Токен не найден или не принадлежит пользователю";

/// One entry per account asked for, always 200; only an `error` key tells a failure from "no offers".
pub(super) fn by_external_id(call: &Call<'_>) -> Answered {
    let user_id = call.user_id()?;
    let texts = call.request.query_all("token_ids");
    if texts.is_empty() {
        // The framework fails to encode its own refusal here.
        return Err(Answer::unhandled());
    }
    let mut inputs = Inputs::new(call.request);
    let token_ids = read_token_ids(&texts, &mut inputs);
    let external_id = inputs.text_with_minimum("external_id", 0);
    inputs.finish()?;
    let entries: Vec<Value> = token_ids
        .into_iter()
        .map(|token_id| {
            let found = call.with_account(&user_id, token_id, |account| {
                offers_entry(account, &external_id, call)
            });
            found.unwrap_or_else(|| json!({"token_id": token_id, "error": TOKEN_NOT_FOUND, "offers": []}))
        })
        .collect();
    Ok(Answer::ok(&Value::Array(entries)))
}

fn read_token_ids(texts: &[&str], inputs: &mut Inputs<'_>) -> Vec<Uuid> {
    let mut token_ids = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match parse_uuid(text) {
            Ok(token_id) => token_ids.push(token_id),
            Err(refusal) => {
                inputs.refuse(refusal.entry(json!(["query", "token_ids", index]), Value::from(*text)))
            }
        }
    }
    token_ids
}

fn offers_entry(account: &mut Account, external_id: &str, call: &Call<'_>) -> Value {
    if let Some(failure) = call.allegro {
        let url = format!("http://allegro/sale/offers?external.id={external_id}");
        let error = format!("Ошибка при получении офферов: {}", failure_text(failure, &url));
        return json!({"token_id": account.token_id, "error": error, "offers": []});
    }
    let offers: Vec<Value> = offer_of(account, external_id, call)
        .map(|offer| offer_view(&offer, external_id))
        .into_iter()
        .collect();
    json!({
        "token_id": account.token_id,
        "account_name": account.account_name,
        "offers_count": offers.len(),
        "offers": offers,
    })
}

struct Offer {
    id: String,
    stock_units: i64,
}

/// The offer that sells a made-up product: there is one for each `SKU-` number in use.
fn offer_of(account: &Account, external_id: &str, call: &Call<'_>) -> Option<Offer> {
    let product: u32 = external_id.strip_prefix("SKU-")?.parse().ok()?;
    if product == 0 || product > call.shared.sku_count {
        return None;
    }
    let id = (15_200_000_000_u64 + u64::from(product)).to_string();
    let stock_units = account
        .offer_stock
        .get(&id)
        .copied()
        .unwrap_or(i64::from(product % 40) + 1);
    Some(Offer { id, stock_units })
}

fn offer_view(offer: &Offer, external_id: &str) -> Value {
    json!({
        "id": offer.id,
        "name": format!("Offer of {external_id}"),
        "category": {"id": "257939"},
        "primaryImage": {"url": format!("https://a.allegroimg.com/original/11008/{}", offer.id)},
        "sellingMode": {
            "format": "BUY_NOW", "price": {"amount": "21.99", "currency": "PLN"},
            "minimalPrice": null, "startingPrice": null,
        },
        "saleInfo": {"currentPrice": null, "biddersCount": 0},
        "stock": {"available": offer.stock_units, "sold": 30},
        "stats": {"watchersCount": 4, "visitsCount": 133},
        "publication": {
            "status": "ACTIVE", "startingAt": null, "startedAt": "2025-01-10T08:00:00Z", "endingAt": null,
            "endedAt": null, "marketplaces": {"base": {"id": "allegro-pl"}, "additional": []},
        },
        "afterSalesServices": {
            "impliedWarranty": {"id": "1b46fb98-5b70-5e06-8568-de80a3bbe310"},
            "returnPolicy": {"id": "455318cb-106e-5dd6-8ed1-41c216bdbc5e"},
            "warranty": null,
        },
        "additionalServices": null,
        "external": {"id": external_id},
        "delivery": {"shippingRates": {"id": "dea26d14-a563-59da-90c1-830a3a0c0634"}},
        "b2b": {"buyableOnlyByBusiness": false},
        "fundraisingCampaign": null,
        "additionalMarketplaces": {},
    })
}

fn failure_text(failure: AllegroFailure, url: &str) -> String {
    let status = |code: u16, name: &str| {
        let side = if code < 500 { "Client" } else { "Server" };
        format!(
            "{side} error '{code} {name}' for url '{url}'\nFor more information check: \
             https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/{code}"
        )
    };
    match failure {
        AllegroFailure::Unauthorized => status(401, "Unauthorized"),
        AllegroFailure::Forbidden => status(403, "Forbidden"),
        AllegroFailure::NotFound => status(404, "Not Found"),
        AllegroFailure::TooManyRequests => status(429, "Too Many Requests"),
        AllegroFailure::InternalError => status(500, "Internal Server Error"),
        AllegroFailure::Unavailable => status(503, "Service Unavailable"),
        // The text of a timeout is empty, as observed.
        AllegroFailure::TimedOut => String::new(),
        AllegroFailure::Refused => "All connection attempts failed".to_owned(),
        AllegroFailure::Dropped => {
            "peer closed connection without sending complete message body (received 12 bytes, expected 500)"
                .to_owned()
        }
        AllegroFailure::BadJson => "Unterminated string starting at: line 1 column 8 (char 7)".to_owned(),
    }
}

/// Sets an absolute stock: one entry per offer, and one per account that failed.
pub(super) fn update_stock(call: &Call<'_>) -> Answered {
    let body = Body::read(call.request)?;
    let user_id = call.user_id()?;
    let mut inputs = Inputs::new(call.request);
    let texts = call.request.query_all("token_ids");
    let asked = read_token_ids(&texts, &mut inputs);
    let wanted = read_wanted(body, &mut inputs);
    inputs.finish()?;
    let Some((external_id, stock_units)) = wanted else {
        return Err(Answer::unhandled());
    };
    let no_token = || Answer::detail(StatusCode::NOT_FOUND, "Активные токены не найдены");
    if call.is_database_down {
        return Err(no_token());
    }
    let mut world = call.shared.world();
    let mut owned: Vec<Uuid> = world
        .accounts
        .values()
        .filter(|account| account.user_id == user_id)
        .filter(|account| {
            if asked.is_empty() {
                account.is_active
            } else {
                asked.contains(&account.token_id)
            }
        })
        .map(|account| account.token_id)
        .collect();
    owned.sort();
    if owned.is_empty() {
        return Err(no_token());
    }
    let mut entries: Vec<Value> = Vec::new();
    for token_id in owned {
        if let Some(account) = world.owned(token_id, &user_id) {
            entries.extend(set_stock(account, &external_id, stock_units, call));
        }
    }
    for token_id in asked {
        if world.owned(token_id, &user_id).is_none() {
            entries.push(json!({"token_id": token_id, "error": TOKEN_NOT_FOUND}));
        }
    }
    Ok(Answer::ok(&Value::Array(entries)))
}

fn set_stock(account: &mut Account, external_id: &str, stock_units: i64, call: &Call<'_>) -> Option<Value> {
    let (token_id, account_name) = (account.token_id, account.account_name.clone());
    if let Some(failure) = call.allegro {
        let url = format!("http://allegro/sale/offers?external.id={external_id}");
        let error = format!("Ошибка получения офферов: {}", failure_text(failure, &url));
        return Some(json!({"token_id": token_id, "account_name": account_name, "error": error}));
    }
    let offer = offer_of(account, external_id, call)?;
    if offer.stock_units == stock_units {
        return Some(json!({
            "token_id": token_id, "account_name": account_name, "offer_id": offer.id,
            "updated": false, "note": "Запас не изменился",
        }));
    }
    account.offer_stock.insert(offer.id.clone(), stock_units);
    Some(json!({
        "token_id": token_id, "account_name": account_name, "offer_id": offer.id,
        "old_stock": offer.stock_units, "new_stock": stock_units, "updated": true,
        "result": {"offers": [{"id": offer.id, "stock": {"available": stock_units}}]},
    }))
}

fn read_wanted(body: Body, inputs: &mut Inputs<'_>) -> Option<(String, i64)> {
    let object = match body {
        Body::Absent => {
            inputs.refuse(Refusal::missing().entry(json!(["body"]), Value::Null));
            return None;
        }
        Body::Json(Value::Object(object)) => object,
        Body::Json(other) => {
            inputs.refuse(not_an_object(other));
            return None;
        }
        Body::Text(text) => {
            inputs.refuse(not_an_object(Value::from(text)));
            return None;
        }
    };
    let external_id = field(&object, "external_id", inputs, |value| match value {
        Value::String(text) => Ok(text.clone()),
        _ => Err(Refusal::new("string_type", "Input should be a valid string")),
    });
    let stock_units = field(&object, "stock", inputs, integer_from);
    Some((external_id?, stock_units?))
}

fn not_an_object(input: Value) -> Value {
    let message = "Input should be a valid dictionary or object to extract fields from";
    Refusal::new("model_attributes_type", message).entry(json!(["body"]), input)
}

fn field<T>(
    object: &Map<String, Value>,
    name: &str,
    inputs: &mut Inputs<'_>,
    parse: impl FnOnce(&Value) -> Result<T, Refusal>,
) -> Option<T> {
    let Some(value) = object.get(name) else {
        inputs.refuse(Refusal::missing().entry(json!(["body", name]), Value::Object(object.clone())));
        return None;
    };
    parse(value)
        .map_err(|refusal| inputs.refuse(refusal.entry(json!(["body", name]), value.clone())))
        .ok()
}

/// The framework's lax integer: texts, whole floats and booleans pass.
fn integer_from(value: &Value) -> Result<i64, Refusal> {
    match value {
        Value::Bool(value) => Ok(i64::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Ok(value),
            (None, Some(value)) if value.fract() == 0.0 => Ok(value as i64),
            _ => {
                let message = "Input should be a valid integer, got a number with a fractional part";
                Err(Refusal::new("int_from_float", message))
            }
        },
        Value::String(text) => text.trim().parse().map_err(|_| {
            Refusal::new(
                "int_parsing",
                "Input should be a valid integer, unable to parse string as an integer",
            )
        }),
        _ => Err(Refusal::new("int_type", "Input should be a valid integer")),
    }
}
