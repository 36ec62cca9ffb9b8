//! Reviews: lists and one.

use saldo_domain::ids::OrderId;
use saldo_store::query::{PageRequest, ReviewFilter};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::answer::Answer;
use crate::api::retry::reasons;
use crate::app::App;
use crate::call::Call;
use crate::fields::Problems;
use crate::problem::Problem;
use crate::query::Parameters;
use crate::wire::words::{ReviewReasonWord, ReviewStatusWord};
use crate::wire::{PageBody, ReviewBody, page};

/// Which reviews.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReviewsQuery {
    /// Open or resolved ones.
    #[param(inline)]
    pub status: Option<ReviewStatusWord>,
    /// Of one reason.
    #[param(inline)]
    pub reason: Option<ReviewReasonWord>,
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

/// Lists reviews
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/stock-sync/reviews", tag = "reviews", params(ReviewsQuery),
    responses((status = 200, description = "A page of reviews.", body = PageBody<ReviewBody>))
)]
pub(crate) async fn list_reviews(app: App, call: Call) -> Result<Answer, Problem> {
    let (filter, request) = read(&call)?;
    let reviews = app.service.store().reviews(&filter, request).await?;
    Answer::ok(&page(&reviews, ReviewBody::new))
}

fn read(call: &Call) -> Result<(ReviewFilter, PageRequest), Problem> {
    let problems = Problems::default();
    let known = ["status", "reason", "token_id", "order_id", "cursor", "limit"];
    let parameters = Parameters::new(&call.uri, &known, &problems);
    let filter = ReviewFilter {
        open: parameters.read("status", open),
        reason: parameters.parsed("reason", &format!("one of {}", reasons())),
        account: parameters.parsed("token_id", "a UUID"),
        order: parameters.checked("order_id", OrderId::parse),
    };
    let request = parameters.page();
    drop(parameters);
    problems.finish(Some((filter, request)))
}

fn open(word: &str) -> Result<bool, String> {
    match word {
        "open" => Ok(true),
        "resolved" => Ok(false),
        _ => Err("must be open or resolved".to_owned()),
    }
}

/// Tells one review
#[utoipa::path(
    get, path = "/api/v1/stock-sync/reviews/{review_id}", tag = "reviews",
    params(("review_id" = Uuid, Path, description = "Which review.")),
    responses(
        (status = 200, description = "The review.", body = ReviewBody, links(
            ("resolve" = (operation_id = "resolve_review", parameters(("review_id" = "$response.body#/id")))))),
        (status = 404, description = "There is no such review."),
    )
)]
pub(crate) async fn get_review(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    problems.finish(Some(()))?;
    let id = call.review()?;
    let review = app.service.store().review(id).await?;
    let review = review.ok_or_else(|| Problem::new("review_unknown", format!("there is no review {id}")))?;
    Answer::ok(&ReviewBody::new(&review))
}
