//! Balances: what is on hand.

use saldo_domain::text::{Sku, Warehouse};
use saldo_store::query::{BalanceFilter, PAGE_ROWS_MAX, PageRequest};
use utoipa::IntoParams;

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::Problems;
use crate::problem::Problem;
use crate::query::Parameters;
use crate::wire::{BalanceBody, PageBody, SkuBody, page};

/// Which balances.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BalancesQuery {
    /// Of one SKU.
    #[param(min_length = 1, max_length = 200)]
    pub sku: Option<String>,
    /// In one warehouse.
    #[param(min_length = 1, max_length = 100)]
    pub warehouse: Option<String>,
    /// Below this many units.
    pub below: Option<i64>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: Option<u32>,
}

/// Lists balances
///
/// By SKU and warehouse.
#[utoipa::path(
    get, path = "/api/v1/stock", tag = "stock", params(BalancesQuery),
    responses((status = 200, description = "A page of balances.", body = PageBody<BalanceBody>))
)]
pub(crate) async fn list_balances(app: App, call: Call) -> Result<Answer, Problem> {
    let (filter, request) = read(&call)?;
    let balances = app.service.store().balances(&filter, request).await?;
    Answer::ok(&page(&balances, BalanceBody::new))
}

fn read(call: &Call) -> Result<(BalanceFilter, PageRequest), Problem> {
    let problems = Problems::default();
    let known = ["sku", "warehouse", "below", "cursor", "limit"];
    let parameters = Parameters::new(&call.uri, &known, &problems);
    let filter = BalanceFilter {
        sku: parameters.checked("sku", Sku::parse),
        warehouse: parameters.checked("warehouse", Warehouse::parse),
        below: parameters.parsed("below", "a whole number"),
    };
    let request = parameters.page();
    drop(parameters);
    problems.finish(Some((filter, request)))
}

/// Tells one SKU's balances
#[utoipa::path(
    get, path = "/api/v1/stock/{sku}", tag = "stock",
    params(("sku" = String, Path, description = "The SKU; a `/` in it is written `%2F`.",
        min_length = 1, max_length = 200)),
    responses(
        (status = 200, description = "Its balances in all warehouses, the first 500.", body = SkuBody),
        (status = 404, description = "No warehouse ever held it."),
    )
)]
pub(crate) async fn get_sku(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    problems.finish(Some(()))?;
    let sku = call.sku()?;
    let filter = BalanceFilter {
        sku: Some(sku.clone()),
        ..BalanceFilter::default()
    };
    let balances = app
        .service
        .store()
        .balances(&filter, PageRequest::first(PAGE_ROWS_MAX))
        .await?;
    if balances.items.is_empty() {
        return Err(never_held(&sku));
    }
    Answer::ok(&SkuBody {
        sku: sku.as_str(),
        quantity: balances.items.iter().map(|balance| balance.quantity).sum(),
        items: balances.items.iter().map(BalanceBody::new).collect(),
        next_cursor: balances.next_cursor.as_deref(),
    })
}

/// No warehouse ever held a SKU.
pub(crate) fn never_held(sku: &Sku) -> Problem {
    Problem::new("sku_unknown", format!("no warehouse ever held {sku}"))
}
