//! `GET /orders/{token_id}/{order_id}`: everything that is kept of one order.

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::Problems;
use crate::problem::Problem;
use crate::wire::OrderBody;

/// Tells everything that is kept of an order
#[utoipa::path(
    get, path = "/api/v1/stock-sync/orders/{token_id}/{order_id}", tag = "orders",
    params(
        ("token_id" = Uuid, Path, description = "The account."),
        ("order_id" = String, Path, description = "The order.", min_length = 1, max_length = 128),
    ),
    responses(
        (status = 200, description = "The order.", body = OrderBody),
        (status = 404, description = "The order is not known."),
    )
)]
pub(crate) async fn get_order(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    problems.finish(Some(()))?;
    let key = call.order()?;
    let file = app.service.store().order(&key).await?;
    let file = file.ok_or_else(|| Problem::new("order_unknown", format!("order {key} is not known here")))?;
    let names = app.names().await?;
    Answer::ok(&OrderBody::new(&file, &names))
}
