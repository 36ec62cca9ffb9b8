//! Switching Saldo on step by step, and off again (section 8).

use std::collections::BTreeSet;

use super::command::SetMode;
use crate::draft::Draft;
use crate::rollout::{EARLIER_MAX, Earlier, Mode, Rollout};
use crate::view::{Refusal, Stop};

/// Puts another mode in force. The same again changes nothing.
pub(super) fn set_mode(draft: &mut Draft<'_>, wanted: &SetMode) -> Result<Rollout, Stop> {
    let before = Rollout::in_force(draft.view.rollout()?, draft.policy);
    let (accounts, percent) = limits(wanted)?;
    if before.mode == wanted.mode && before.accounts == accounts && before.percent == percent {
        return Ok(before);
    }
    let mut after = Rollout {
        mode: wanted.mode,
        accounts,
        percent,
        start_from: before.start_from,
        changed_at: draft.now,
        changed_by: draft.by.to_owned(),
        earlier: look_back(draft.view.rollout()?),
    };
    let takes_over = !before.is_acting() || (before.mode == Mode::Partial && after.mode == Mode::On);
    if after.is_acting() && takes_over {
        check_counted(draft, wanted, &before)?;
    }
    if after.is_acting() && !before.is_acting() {
        // What was bought until now, the old way has dealt with or will.
        after.start_from = Some(draft.now);
    }
    draft.put_rollout(after.clone());
    Ok(after)
}

/// What was in force before, the newest first.
fn look_back(before: Option<&Rollout>) -> Vec<Earlier> {
    let before = before.into_iter();
    let all =
        before.flat_map(|before| std::iter::once(before.as_earlier()).chain(before.earlier.iter().cloned()));
    all.take(EARLIER_MAX).collect()
}

/// What a partial mode is limited to; of the others, nothing is kept.
fn limits(wanted: &SetMode) -> Result<(BTreeSet<crate::ids::AccountId>, u8), Stop> {
    if wanted.percent > 100 {
        let detail = format!("a share is 0 to 100 percent, not {}", wanted.percent);
        return Err(Refusal::invalid("bad_percent", detail).into());
    }
    if wanted.mode != Mode::Partial {
        return Ok((BTreeSet::new(), 0));
    }
    if wanted.accounts.is_empty() && wanted.percent == 0 {
        let detail = "a partial mode needs accounts, or a percentage above 0: without both it is shadow";
        return Err(Refusal::invalid("partial_of_nothing", detail).into());
    }
    Ok((wanted.accounts.clone(), wanted.percent))
}

/// While Saldo did not deduct all, its balances did not follow all that was sold: they are to be set right first.
fn check_counted(draft: &Draft<'_>, wanted: &SetMode, before: &Rollout) -> Result<(), Stop> {
    let counted = draft.view.stock_counted()?;
    if wanted.stock_is_right || counted.is_some_and(|moment| moment >= before.changed_at) {
        return Ok(());
    }
    let detail = format!(
        "stock was not counted or imported since Saldo was set to {}: do that first, or say that the stock is right",
        before.mode
    );
    Err(Refusal::conflict("stock_not_counted", detail).into())
}
