//! The codes of all problems: a contract, and the source of `docs/problems.md`.

use axum::http::StatusCode;

/// One kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemCode {
    /// The stable word.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// In words.
    pub title: &'static str,
    /// When it happens, and what to do.
    pub meaning: &'static str,
}

impl ProblemCode {
    pub(crate) fn status(&self) -> StatusCode {
        // The numbers stand below, and a test reads them all.
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

const fn problem(code: &'static str, status: u16, title: &'static str, meaning: &'static str) -> ProblemCode {
    ProblemCode {
        code,
        status,
        title,
        meaning,
    }
}

/// Every code, by status and word.
pub const PROBLEM_CODES: &[ProblemCode] = &[
    problem(
        "bad_json",
        400,
        "The body is not JSON",
        "It is no JSON, not UTF-8, nested too deeply, holds a number out of range, or one key twice in an object. Send what a strict JSON writer writes.",
    ),
    problem(
        "idempotency_key_invalid",
        400,
        "The Idempotency-Key cannot be used",
        "It must be given once, with 1 to 255 visible ASCII characters.",
    ),
    problem(
        "unauthorized",
        401,
        "A key is needed",
        "Send `Authorization: Bearer <key>` with a key that was not revoked. `saldo keys` makes one.",
    ),
    problem(
        "forbidden",
        403,
        "The key may not do this",
        "The key's role is too low. `viewer` reads, `operator` acts, `admin` configures.",
    ),
    problem(
        "origin_refused",
        403,
        "Another website asks",
        "While there are no keys, only programs on this computer and pages of this server may ask. Make a key with `saldo keys`.",
    ),
    problem(
        "alert_unknown",
        404,
        "No such alert",
        "There is no alert of that id, or it ended so long ago that it was forgotten.",
    ),
    problem(
        "api_key_unknown",
        404,
        "No such key",
        "There is no API key of that name, or it was revoked. `saldo keys list` shows those that are good.",
    ),
    problem(
        "mapping_unknown",
        404,
        "No such mapping",
        "Nothing was said about what that offer stands for; its orders are taken by `offer.external.id`.",
    ),
    problem(
        "not_found",
        404,
        "Nothing is here",
        "There is no such path. `/docs` lists what there is.",
    ),
    problem(
        "operation_unknown",
        404,
        "No such operation",
        "There is no operation of that id, or it was cleaned up after its retention.",
    ),
    problem(
        "order_not_found",
        404,
        "The orders service has no such order",
        "It was asked for by id, and the orders service properly answered that there is none.",
    ),
    problem(
        "order_unknown",
        404,
        "No such order",
        "No order of that account and id was ever taken in here.",
    ),
    problem(
        "report_unknown",
        404,
        "No such report",
        "There is no report of that id, or it was one of the oldest beyond the 1,000 that are kept.",
    ),
    problem(
        "review_unknown",
        404,
        "No such review",
        "There is no review of that id.",
    ),
    problem(
        "run_unknown",
        404,
        "No such run",
        "There is no run of reconciliation of that id, or it was cleaned up.",
    ),
    problem(
        "sku_unknown",
        404,
        "No such SKU",
        "No warehouse ever held that SKU. SKUs are compared byte by byte; write `/` in a path as `%2F`.",
    ),
    problem(
        "task_unknown",
        404,
        "No such task",
        "`GET /status` lists the tasks that there are.",
    ),
    problem(
        "method_not_allowed",
        405,
        "Not with this method",
        "The path exists, and `Allow` names the methods that it answers.",
    ),
    problem(
        "body_timeout",
        408,
        "The body did not arrive",
        "It stood still for too long. Nothing was changed; send it again.",
    ),
    problem(
        "admin_key_first",
        409,
        "The first key must be an admin's",
        "With a lower one as the only key, nobody could make another. Make an admin's key first.",
    ),
    problem(
        "alert_changed",
        409,
        "The alert has changed meanwhile",
        "Somebody else acknowledged or ended it at the same moment. Ask for it again, then decide.",
    ),
    problem(
        "already_resolved",
        409,
        "Somebody was faster",
        "The review has another answer already. Read it, and the order, before doing anything else.",
    ),
    problem(
        "api_key_name_taken",
        409,
        "The name is taken",
        "There is an API key of that name. Choose another name, or revoke that one.",
    ),
    problem(
        "cancelled",
        409,
        "The order was cancelled",
        "Undoing the refund of a cancelled order needs `force`.",
    ),
    problem(
        "cannot_hand_over",
        409,
        "Its flag cannot be handed over",
        "Say what the old way took of the order, each SKU once, and count SKUs whose balance is below zero.",
    ),
    problem(
        "flag_unconfirmed",
        409,
        "The flag was not confirmed",
        "A pulled order is deducted only after the flags call has confirmed that nobody else did. Nothing was changed.",
    ),
    problem(
        "form_needed",
        409,
        "The form is needed",
        "The review does not hold the order's form. Post the form again.",
    ),
    problem(
        "idempotency_key_reused",
        409,
        "The Idempotency-Key was used for another request",
        "The same key came with another body or query. Use a new key for a new request.",
    ),
    problem(
        "insufficient_stock",
        409,
        "Too little stock",
        "It would take a balance below zero. Nothing was changed.",
    ),
    problem(
        "line_held_elsewhere",
        409,
        "Another order holds the line",
        "A line item id was already taken under another order or account. Look at that one first.",
    ),
    problem(
        "line_item_id_required",
        409,
        "Which line?",
        "The order was already given another quantity of that SKU. Say which line is meant by `line_item_id`.",
    ),
    problem(
        "line_not_in_order",
        409,
        "The order has no such line",
        "The order's form is known and lacks that line. Post its newer form instead.",
    ),
    problem(
        "merged",
        409,
        "The order was merged into another one",
        "Another form answers for the order now. Act on that one.",
    ),
    problem(
        "mode_off",
        409,
        "Saldo is off",
        "The order was not deducted, and belongs to the old way from now on. Switch Saldo on for later orders, or post this one with `force`.",
    ),
    problem(
        "no_offer_to_map",
        409,
        "No offer to map",
        "No line of the order names an offer. Post its form with one, or set the mapping directly.",
    ),
    problem(
        "nothing_to_retry",
        409,
        "Nothing to send",
        "A receipt, count or transfer is never told to the orders service.",
    ),
    problem(
        "order_unreadable",
        409,
        "The order cannot be read",
        "What the orders service holds for it is no checkout form that can be taken in. Post the form itself.",
    ),
    problem(
        "own_key",
        409,
        "The key that asks",
        "A key cannot revoke itself. Ask with another admin's key, or with `saldo keys revoke` while the server is stopped.",
    ),
    problem(
        "quantity_differs",
        409,
        "The form says another quantity",
        "The line is known with another quantity. Post the order's newer form instead.",
    ),
    problem(
        "refund_exceeds_taken",
        409,
        "More than is still taken",
        "No more can come back than the order still holds.",
    ),
    problem(
        "resolution_not_applicable",
        409,
        "Not an answer to this review",
        "The problem's detail names the answers that fit the review's reason.",
    ),
    problem(
        "rolled_back",
        409,
        "The operation was rolled back",
        "That is final. Post the order again with a person's word to deduct it once more.",
    ),
    problem(
        "run_taken_over",
        409,
        "Another instance goes on with the run",
        "This one lost the right to compare both sides, and stopped. `GET /reconciliations` tells how the run ends.",
    ),
    problem(
        "shipped",
        409,
        "The goods were sent",
        "Rolling back what was shipped needs `force`.",
    ),
    problem(
        "stock_not_counted",
        409,
        "Count first",
        "Saldo did not deduct all orders until now, so its balances did not follow what was sold. Count or import the stock, or say `stock_is_right`.",
    ),
    problem(
        "task_running",
        409,
        "The task runs already",
        "One run at a time, over all instances. Wait for its end, which `GET /status` tells.",
    ),
    problem(
        "body_too_large",
        413,
        "The body is too large",
        "A body has at most 4 MiB; a batch has at most 256 MiB, 100,000 lines, and 4 MiB a line.",
    ),
    problem(
        "unsupported_media_type",
        415,
        "Not this type of body",
        "Send `application/json` or `application/x-ndjson`, without a content encoding.",
    ),
    problem(
        "bad_mapping",
        422,
        "The mapping cannot be right",
        "A mapping has 1 to 100 components, each with its own SKU and 1 to 1,000,000 units.",
    ),
    problem(
        "bad_percent",
        422,
        "Not a share",
        "A share of the orders is 0 to 100 percent.",
    ),
    problem(
        "balance_out_of_bounds",
        422,
        "More than a balance can hold",
        "A balance would leave ±1,000,000,000,000 units. Nothing was changed.",
    ),
    problem(
        "counted_twice",
        422,
        "Counted twice",
        "A SKU stands twice for one warehouse in a count. Say each once.",
    ),
    problem(
        "cursor_invalid",
        422,
        "The cursor is none of ours",
        "Take `next_cursor` of the page before as it is, or begin again without one.",
    ),
    problem(
        "invalid_input",
        422,
        "The request cannot be right",
        "`errors` lists everything that is wrong with it, each with a JSON pointer. Nothing was changed.",
    ),
    problem(
        "limit_invalid",
        422,
        "The limit is out of range",
        "A page has 1 to 500 rows.",
    ),
    problem(
        "partial_of_nothing",
        422,
        "Partial needs accounts or a percentage",
        "Without accounts and with 0 percent nothing is on: that is `shadow`.",
    ),
    problem(
        "range_inverted",
        422,
        "The range ends before it begins",
        "`from` must not be later than `to`.",
    ),
    problem(
        "same_warehouse",
        422,
        "From a warehouse to itself",
        "A transfer needs two different warehouses.",
    ),
    problem(
        "too_many_lines",
        422,
        "Too many lines",
        "A stock list has 1 to 100,000 lines: bring a longer one in several lists.",
    ),
    problem(
        "internal",
        500,
        "A mistake in Saldo",
        "A rule would have been broken, or Saldo failed. Nothing was changed, and its log says more.",
    ),
    problem(
        "busy",
        503,
        "Too many requests at once",
        "Nothing was changed. Try again after `Retry-After` seconds.",
    ),
    problem(
        "closing",
        503,
        "Saldo is stopping",
        "Nothing was changed. Try again once it is back.",
    ),
    problem(
        "outcome_unknown",
        503,
        "It is not known whether it was done",
        "The database did not say. Ask again: a repeat is harmless.",
    ),
    problem(
        "timed_out",
        503,
        "It took too long",
        "It is not known whether it was done. Ask again: a repeat is harmless.",
    ),
    problem(
        "too_many_batches",
        503,
        "Too many batches at once",
        "Try again when one of the others has ended.",
    ),
    problem(
        "too_many_listeners",
        503,
        "Too many listeners",
        "So many listen to events already that no more are let in. Close one, or ask again later.",
    ),
    problem(
        "unavailable",
        503,
        "The database could not do it",
        "Nothing was changed. Try again after `Retry-After` seconds; `saldo doctor` tells more.",
    ),
];
