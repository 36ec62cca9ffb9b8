//! Mappings: what an offer stands for.

use saldo_domain::decide::Map;
use saldo_domain::ids::{AccountId, OfferId};
use saldo_domain::stock::{Mapping, OfferKey};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::answer::Answer;
use crate::api::reviews_resolve::{ComponentRequest, components};
use crate::app::App;
use crate::call::Call;
use crate::fields::Problems;
use crate::problem::Problem;
use crate::wire::{ComponentBody, MappingBody};

/// What an offer stands for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MappingRequest, example = json!({
    "components": [{ "sku": "KUB-330-GRA", "units": 6 }]
}))]
pub struct MappingRequest {
    /// What one sold unit of it takes.
    #[schema(min_items = 1, max_items = 100)]
    pub components: Vec<ComponentRequest>,
}

/// Tells what an offer stands for
#[utoipa::path(
    get, path = "/api/v1/stock/mappings/{token_id}/{offer_id}", tag = "stock",
    params(
        ("token_id" = Uuid, Path, description = "The account."),
        ("offer_id" = String, Path, description = "The offer.", min_length = 1, max_length = 128),
    ),
    responses(
        (status = 200, description = "The mapping.", body = MappingBody),
        (status = 404, description = "Nothing was said about the offer."),
    )
)]
pub(crate) async fn get_mapping(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    problems.finish(Some(()))?;
    let unknown = || {
        Problem::new(
            "mapping_unknown",
            "nothing was said about what that offer stands for",
        )
    };
    let key = key(&call, &Problems::default()).ok_or_else(unknown)?;
    let mapping = app.service.store().mapping(&key).await?.ok_or_else(unknown)?;
    told(&mapping, None)
}

/// Says what an offer stands for
///
/// It wins over `offer.external.id`. Orders that wait for it are tried again.
#[utoipa::path(
    put, path = "/api/v1/stock/mappings/{token_id}/{offer_id}", tag = "stock",
    params(
        ("token_id" = Uuid, Path, description = "The account."),
        ("offer_id" = String, Path, description = "The offer.", min_length = 1, max_length = 128),
        ("wait" = Option<bool>, Query, description = "Whether to wait for the immediate attempts."),
    ),
    request_body = MappingRequest,
    responses((status = 200, description = "The mapping.", body = MappingBody))
)]
pub(crate) async fn put_mapping(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    let wait = call.wait(&problems);
    let map = read(&call, &call.json()?, problems)?;
    let key = map.key.clone();
    let tried_again = app.service.map_offer(map, &call.caller(wait)).await?;
    let mapping = app.service.store().mapping(&key).await?;
    let mapping = mapping.ok_or_else(|| Problem::internal("a mapping is gone that was just stored"))?;
    told(&mapping, Some(tried_again))
}

fn told(mapping: &Mapping, tried_again: Option<u64>) -> Result<Answer, Problem> {
    Answer::ok(&MappingBody {
        token_id: mapping.key.account,
        offer_id: mapping.key.offer.as_str(),
        components: mapping.components.iter().map(ComponentBody::new).collect(),
        updated_at: mapping.updated_at,
        tried_again,
    })
}

fn key(call: &Call, problems: &Problems) -> Option<OfferKey> {
    let account: Option<AccountId> = call.segment("token_id").parse().ok();
    if account.is_none() {
        problems.add("/path/token_id", "must be a UUID");
    }
    let offer = match OfferId::parse(call.segment("offer_id")) {
        Ok(offer) => Some(offer),
        Err(error) => {
            problems.add("/path/offer_id", error.0);
            None
        }
    };
    account
        .zip(offer)
        .map(|(account, offer)| OfferKey { account, offer })
}

fn read(call: &Call, body: &Value, problems: Problems) -> Result<Map, Problem> {
    let key = key(call, &problems);
    let fields = problems.body(body, &["components"]);
    let components = components(&fields);
    problems.finish(
        key.zip(components)
            .map(|(key, components)| Map { key, components }),
    )
}
