//! `POST /api/v1/orders/{id}/sync`: fails as shipped; mended it imports new orders but can never update a known one.

use hyper::StatusCode;
use serde_json::json;

use super::{Answered, Call, token_not_found};
use crate::answer::Answer;
use crate::orders::{Order, StoredCopy};
use crate::world::Account;

pub(super) fn answer(call: &Call<'_>) -> Answered {
    let (user_id, token_id) = call.user_and_token()?;
    call.with_account(&user_id, token_id, |account| sync(account, call))
        .ok_or_else(|| token_not_found(token_id))?
}

fn sync(account: &mut Account, call: &Call<'_>) -> Answered {
    if !call.shared.is_mended() || !account.is_usable(call.now) {
        return Ok(Answer::unhandled());
    }
    let order_id = call.argument;
    let order = account.orders.get(order_id);
    let Some(live) = order.and_then(|order| order.live.clone()) else {
        let text = format!("Ошибка синхронизации заказа: Заказ {order_id} не найден");
        return Ok(Answer::detail(StatusCode::INTERNAL_SERVER_ERROR, &text));
    };
    let revision = live.revision();
    let stored_revision = order
        .and_then(|order| order.stored.as_ref())
        .map(|stored| stored.form.revision());
    match stored_revision {
        Some(stored_revision) if stored_revision == revision => {
            let message = format!("Версия {} уже существует в базе", revision.unwrap_or_default());
            Ok(Answer::ok(&json!({
                "success": true, "order_id": order_id, "action": "skipped", "message": message,
            })))
        }
        Some(_) => Ok(Answer::detail(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Ошибка синхронизации заказа: 'Order' object has no attribute 'buyer_data'",
        )),
        None => {
            let stored = StoredCopy {
                order_date: live.order_date(),
                form: live,
                created_at: call.now,
                is_deleted: false,
            };
            let db_id = order.map(|order| order.db_id).unwrap_or_default();
            account.orders.put(Order {
                order_id: order_id.into(),
                db_id,
                stored: Some(stored),
                live: None,
            });
            let message = "Заказ создан";
            Ok(Answer::ok(&json!({
                "success": true, "order_id": order_id, "action": "created", "message": message,
            })))
        }
    }
}
