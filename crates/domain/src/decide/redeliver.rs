//! Sending a level once more that the service was seen not to hold.

use super::command::OrderOutcome;
use super::{level, outage, take_in};
use crate::draft::Draft;
use crate::ids::OrderKey;
use crate::operation::OperationStatus;
use crate::order::Standing;
use crate::view::{OrderFile, Refusal, Stop};

/// Owes an order's level again: the service was seen to hold another flag.
pub(super) fn redeliver(draft: &mut Draft<'_>, key: &OrderKey) -> Result<OrderOutcome, Stop> {
    let Some(mut file) = draft.take(key)? else {
        return Err(Refusal::not_found("order_unknown", format!("order {key} is not known here")).into());
    };
    let is_held_back = level::unapplied(&file).is_some() && level::is_held_back(&file);
    if file.delivery.is_some() || !has_opinion(&file) || is_held_back {
        return take_in::answer(draft, file, true);
    }
    file.order.flag_confirmed = Some(!file.order.level());
    file.order.flag_confirmed_at = Some(draft.now);
    for operation in &mut file.operations {
        // The question, where one is open, stays so until the service has confirmed.
        if operation.status == OperationStatus::Failed {
            outage::revive(draft, operation)?;
        }
    }
    level::owe(draft, &mut file);
    take_in::answer(draft, file, false)
}

/// Whether Saldo has an opinion on the order's flag (invariant 6): it moved its stock, and of a merged form, it has
/// sent a flag before.
fn has_opinion(file: &OrderFile) -> bool {
    let is_merged = matches!(file.order.standing, Standing::Merged { .. });
    file.order.touched && (!is_merged || file.order.flag_confirmed.is_some())
}
