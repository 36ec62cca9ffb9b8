//! `GET /api/v1/orders/`.

use hyper::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::listed::{FlagFilters, Listed};
use super::{Answered, Call};
use crate::answer::Answer;
use crate::dates::AwareDate;
use crate::orders::Page;
use crate::validation::{Inputs, is_within};
use crate::world::Account;

const LIMIT_MAX: i128 = 100;

/// From this page size on, equal dates were never seen to lose rows.
const LIMIT_STABLE_MIN: usize = 50;

struct Query {
    token_id: Uuid,
    limit: usize,
    offset: i128,
    status: Option<String>,
    from_date: Option<AwareDate>,
    to_date: Option<AwareDate>,
    flags: FlagFilters,
}

impl Query {
    fn read(call: &Call<'_>) -> Result<Self, Answer> {
        let mut inputs = Inputs::new(call.request);
        let query = Self {
            token_id: inputs.token_id(),
            limit: inputs.integer("limit", 50, 1, Some(LIMIT_MAX)) as usize,
            offset: inputs.integer("offset", 0, 0, None),
            status: call.request.query("status").map(str::to_owned),
            from_date: inputs.date("from_date"),
            to_date: inputs.date("to_date"),
            flags: FlagFilters::read(&mut inputs, call),
        };
        inputs.finish()?;
        Ok(query)
    }

    /// Without a filter the arrangement is the same for all pages of one size; with one it changes from page to page.
    fn page(&self, slipped_rows: i32) -> Page {
        let begins_at = self.offset.saturating_add(slipped_rows.into()).max(0);
        let offset = usize::try_from(begins_at).unwrap_or(usize::MAX);
        let is_stable = self.flags.are_absent() || self.limit >= LIMIT_STABLE_MIN;
        let tie_salt = if is_stable {
            self.limit
        } else {
            self.limit.wrapping_mul(31).wrapping_add(offset)
        };
        Page {
            offset,
            limit: self.limit,
            tie_salt: tie_salt as u64,
        }
    }

    fn echo(&self) -> Value {
        json!({
            "status": self.status,
            "from_date": self.from_date.as_ref().map(|date| &date.echo),
            "to_date": self.to_date.as_ref().map(|date| &date.echo),
            "stock_updated": self.flags.stock_updated,
            "invoice_created": self.flags.invoice_created,
            "invoice_id": self.flags.invoice_id,
        })
    }
}

pub(super) fn answer(call: &Call<'_>) -> Answered {
    let user_id = call.user_id()?;
    let query = Query::read(call)?;
    if query.offset > i128::from(i64::MAX) && !call.is_database_down {
        return Ok(beyond_bigint(&query));
    }
    let (total, listed) = call
        .with_account(&user_id, query.token_id, |account| find(account, &query, call))
        .ok_or_else(|| Answer::detail(StatusCode::INTERNAL_SERVER_ERROR, "Ошибка получения заказов: "))??;
    let orders: Vec<Value> = listed
        .into_iter()
        .map(|order| Value::Object(order.view(query.token_id)))
        .collect();
    let has_next = query.offset + (query.limit as i128) < total as i128;
    Ok(Answer::ok(&json!({
        "success": true,
        "orders": orders,
        "pagination": {
            "total": total,
            "limit": query.limit,
            "offset": query.offset as i64,
            "has_next": has_next,
            "has_prev": query.offset > 0,
        },
        "filters": query.echo(),
    })))
}

fn find(account: &mut Account, query: &Query, call: &Call<'_>) -> Result<(usize, Vec<Listed>), Answer> {
    let flags = &account.flags;
    let wanted_status = query.status.as_deref().filter(|status| !status.is_empty());
    let (total, rows) = account
        .orders
        .list(query.page(call.slipped_rows), |order, stored| {
            wanted_status.is_none_or(|wanted| stored.form.status() == Some(wanted))
                && is_within(
                    stored.order_date,
                    query.from_date.as_ref(),
                    query.to_date.as_ref(),
                )
                && query.flags.pass(flags, &order.order_id)
        });
    let mut listed: Vec<Listed> = rows.into_iter().filter_map(Listed::new).collect();
    if !call.are_flags_unreadable {
        for order in &mut listed {
            order.read_flags(&mut account.flags, call.now)?;
        }
    }
    Ok((total, listed))
}

/// An error inside the query is answered 200, with a shape of its own that lacks keys.
fn beyond_bigint(query: &Query) -> Answer {
    let error = format!(
        "(psycopg2.errors.NumericValueOutOfRange) bigint out of range\n\n[SQL: SELECT orders.id, orders.created_at, \
         orders.updated_at, orders.token_id, orders.allegro_order_id, orders.order_data, orders.order_date, \
         orders.is_deleted \nFROM orders \nWHERE orders.token_id = %(token_id_1)s::UUID ORDER BY orders.order_date \
         DESC \n LIMIT %(param_1)s OFFSET %(param_2)s]\n[parameters: {{'token_id_1': UUID('{}'), 'param_1': {}, \
         'param_2': {}}}]\n(Background on this error at: https://sqlalche.me/e/20/9h9h)",
        query.token_id, query.limit, query.offset,
    );
    let offset = u64::try_from(query.offset).unwrap_or(u64::MAX);
    Answer::ok(&json!({
        "success": false,
        "error": error,
        "orders": [],
        "pagination": {"total": 0, "limit": query.limit, "offset": offset},
    }))
}
