//! Movements: why a balance is what it is.

use saldo_store::query::BalanceFilter;
use saldo_store::query::PageRequest;

use super::balances::never_held;
use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::Problems;
use crate::problem::Problem;
use crate::query::Parameters;
use crate::wire::{MovementBody, PageBody, page};

/// Lists one SKU's movements
///
/// Over all warehouses, newest first within a warehouse.
#[utoipa::path(
    get, path = "/api/v1/stock/{sku}/movements", tag = "stock",
    params(
        ("sku" = String, Path, description = "The SKU; a `/` in it is written `%2F`.",
            min_length = 1, max_length = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("limit" = Option<u32>, Query, description = "Rows of a page.", minimum = 1, maximum = 500),
    ),
    responses(
        (status = 200, description = "A page of movements.", body = PageBody<MovementBody>),
        (status = 404, description = "No warehouse ever held it."),
    )
)]
pub(crate) async fn list_movements(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    let request = Parameters::new(&call.uri, &["cursor", "limit"], &problems).page();
    let request = problems.finish(Some(request))?;
    let sku = call.sku()?;
    let store = app.service.store();
    let first = request.after.is_none();
    let movements = store.movements(&sku, request).await?;
    if first && movements.items.is_empty() {
        let filter = BalanceFilter {
            sku: Some(sku.clone()),
            ..BalanceFilter::default()
        };
        if store
            .balances(&filter, PageRequest::first(1))
            .await?
            .items
            .is_empty()
        {
            return Err(never_held(&sku));
        }
    }
    Answer::ok(&page(&movements, MovementBody::new))
}
