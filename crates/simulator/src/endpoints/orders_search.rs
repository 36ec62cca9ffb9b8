//! `GET /api/v1/orders/search`.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::listed::{FlagFilters, Listed};
use super::{Answered, Call};
use crate::answer::Answer;
use crate::forms::SearchFields;
use crate::orders::{Order, Page, StoredCopy};
use crate::validation::Inputs;
use crate::world::Account;

const QUERY_CHARACTERS_MIN: usize = 3;
const LIMIT_MAX: i128 = 1_000;

pub(super) fn answer(call: &Call<'_>) -> Answered {
    let user_id = call.user_id()?;
    let mut inputs = Inputs::new(call.request);
    let token_id = inputs.token_id();
    let query = inputs.text_with_minimum("query", QUERY_CHARACTERS_MIN);
    let limit = inputs.integer("limit", 50, 1, Some(LIMIT_MAX)) as usize;
    let filters = FlagFilters::read(&mut inputs, call);
    inputs.finish()?;
    let found = call
        .with_account(&user_id, token_id, |account| {
            find(account, &query, limit, &filters, call)
        })
        .ok_or_else(|| Answer::detail(StatusCode::INTERNAL_SERVER_ERROR, "Ошибка поиска заказов: "))??;
    let orders: Vec<Value> = found
        .into_iter()
        .map(|(order, relevance)| {
            let mut view = order.view(token_id);
            view.insert("relevance_score".to_owned(), Value::from(relevance));
            Value::Object(view)
        })
        .collect();
    Ok(Answer::ok(&json!({
        "success": true,
        // The total counts what is returned and there is never a next page: a cut answer does not show.
        "pagination": {"total": orders.len(), "limit": limit, "offset": 0, "has_next": false, "has_prev": false},
        "orders": orders,
        "filters": {
            "search_query": query,
            "search_type": "text_search",
            "stock_updated": filters.stock_updated,
            "invoice_created": filters.invoice_created,
            "invoice_id": filters.invoice_id,
        },
    })))
}

fn find(
    account: &mut Account,
    query: &str,
    limit: usize,
    filters: &FlagFilters,
    call: &Call<'_>,
) -> Result<Vec<(Listed, f64)>, Answer> {
    let pattern = query.to_lowercase();
    let flags = &account.flags;
    let page = Page {
        offset: 0,
        limit,
        tie_salt: limit as u64,
    };
    let passes = |order: &Order, stored: &StoredCopy| {
        filters.pass(flags, &order.order_id)
            && is_match(&pattern, &order.order_id, || stored.form.search_fields())
    };
    // Whoever knows the whole id finds that order at once; searching every buyer's name would take too long.
    let exact = account
        .orders
        .get(query)
        .filter(|order| order.stored.as_ref().is_some_and(|stored| passes(order, stored)));
    let rows = match exact {
        Some(order) => vec![order],
        None => account.orders.list(page, passes).1,
    };
    let mut found = Vec::with_capacity(rows.len());
    for order in rows {
        let relevance = order.stored.as_ref().map_or(0.0, |stored| {
            relevance(&pattern, &order.order_id, &stored.form.search_fields())
        });
        found.extend(Listed::new(order).map(|listed| (listed, relevance)));
    }
    if !call.are_flags_unreadable {
        for (order, _) in &mut found {
            order.read_flags(&mut account.flags, call.now)?;
        }
    }
    Ok(found)
}

fn is_match(pattern: &str, order_id: &str, fields: impl FnOnce() -> SearchFields) -> bool {
    if is_like(pattern, order_id) {
        return true;
    }
    let fields = fields();
    [
        &fields.email,
        &fields.first_name,
        &fields.last_name,
        &fields.login,
        &fields.company,
    ]
    .into_iter()
    .any(|field| is_like(pattern, field))
}

/// Weights as observed; wildcards match nothing here, which is why they score zero.
fn relevance(pattern: &str, order_id: &str, fields: &SearchFields) -> f64 {
    let contains = |field: &str| field.to_lowercase().contains(pattern);
    if contains(order_id) {
        10.0
    } else if contains(&fields.email) {
        5.0
    } else if contains(&fields.first_name) || contains(&fields.last_name) {
        3.0
    } else if contains(&fields.login) || contains(&fields.company) {
        2.0
    } else {
        0.0
    }
}

/// A database's case-insensitive LIKE with the pattern between two percent signs; the query's own signs are live.
fn is_like(pattern: &str, text: &str) -> bool {
    let text = text.to_lowercase();
    if !pattern.contains(['%', '_']) {
        return text.contains(pattern);
    }
    let pattern: Vec<char> = format!("%{pattern}%").chars().collect();
    let text: Vec<char> = text.chars().collect();
    // Row by row over the pattern: which prefixes of the text are matched so far.
    let mut matched = vec![false; text.len() + 1];
    matched[0] = true;
    for sign in pattern {
        let mut next = vec![false; text.len() + 1];
        for index in 0..=text.len() {
            next[index] = match sign {
                '%' => matched[index] || (index > 0 && next[index - 1]),
                '_' => index > 0 && matched[index - 1],
                other => index > 0 && matched[index - 1] && text[index - 1] == other,
            };
        }
        matched = next;
    }
    matched[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_folds_case_and_its_wildcards_are_live() {
        assert!(is_like("święcicki", "ŚWIĘCICKI"));
        assert!(is_like("шевченко", "Шевченко"));
        assert!(is_like("%%%", "anything"));
        assert!(is_like("a_c%f", "xabcdefy"));
        assert!(!is_like("___", "ab"));
    }
}
