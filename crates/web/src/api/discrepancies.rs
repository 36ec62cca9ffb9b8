//! `GET /discrepancies`: what reconciliation found.

use saldo_domain::discrepancy::{DiscrepancyKind, DiscrepancyResolution};
use saldo_domain::ids::OrderId;
use saldo_store::query::PageRequest;
use saldo_store::reconciliations::DiscrepancyFilter;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::Problems;
use crate::problem::Problem;
use crate::query::Parameters;
use crate::wire::words::{DiscrepancyKindWord, DiscrepancyResolutionWord, DiscrepancyStatusWord};
use crate::wire::{DiscrepancyBody, PageBody, page};

/// Which discrepancies.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DiscrepanciesQuery {
    /// Open or closed ones.
    #[param(inline)]
    pub status: Option<DiscrepancyStatusWord>,
    /// Of one kind.
    #[param(inline)]
    pub kind: Option<DiscrepancyKindWord>,
    /// That this became of.
    #[param(inline)]
    pub resolution: Option<DiscrepancyResolutionWord>,
    /// Last seen by this run.
    pub run_id: Option<Uuid>,
    /// Of one account.
    pub token_id: Option<Uuid>,
    /// Of one order.
    #[param(min_length = 1, max_length = 128)]
    pub order_id: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: Option<u32>,
}

/// Lists discrepancies
///
/// Last found first. One that is seen again is the same one; one that is gone closes itself.
#[utoipa::path(
    get, path = "/api/v1/stock-sync/discrepancies", tag = "reconciliation", params(DiscrepanciesQuery),
    responses((status = 200, description = "A page of discrepancies.", body = PageBody<DiscrepancyBody>))
)]
pub(crate) async fn list_discrepancies(app: App, call: Call) -> Result<Answer, Problem> {
    let (filter, request) = read(&call)?;
    let discrepancies = app.service.store().discrepancies(&filter, request).await?;
    Answer::ok(&page(&discrepancies, DiscrepancyBody::new))
}

fn read(call: &Call) -> Result<(DiscrepancyFilter, PageRequest), Problem> {
    let problems = Problems::default();
    let known = [
        "status",
        "kind",
        "resolution",
        "run_id",
        "token_id",
        "order_id",
        "cursor",
        "limit",
    ];
    let parameters = Parameters::new(&call.uri, &known, &problems);
    let kinds = DiscrepancyKind::ALL.map(DiscrepancyKind::as_str).join(", ");
    let resolutions = DiscrepancyResolution::ALL
        .map(DiscrepancyResolution::as_str)
        .join(", ");
    let filter = DiscrepancyFilter {
        open: parameters.read("status", is_open),
        run: parameters.parsed("run_id", "a UUID"),
        kind: parameters.parsed("kind", &format!("one of {kinds}")),
        resolution: parameters.parsed("resolution", &format!("one of {resolutions}")),
        account: parameters.parsed("token_id", "a UUID"),
        order: parameters.checked("order_id", OrderId::parse),
    };
    let request = parameters.page();
    drop(parameters);
    problems.finish(Some((filter, request)))
}

fn is_open(word: &str) -> Result<bool, String> {
    match word {
        "open" => Ok(true),
        "closed" => Ok(false),
        _ => Err("must be open or closed".to_owned()),
    }
}
