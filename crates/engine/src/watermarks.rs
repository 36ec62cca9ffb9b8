//! How far each account's orders have landed: read, changed and written by one at a time.

use saldo_domain::discrepancy::Watermark;
use saldo_domain::ids::AccountId;
use saldo_store::StoreError;

use crate::engine::Core;

/// An account's watermark.
pub(crate) async fn of(core: &Core, account: AccountId) -> Result<Watermark, StoreError> {
    let watermarks = core.store.watermarks().await?;
    let known = watermarks.into_iter().find(|mark| mark.account == account);
    Ok(known.unwrap_or(Watermark {
        account,
        landed: None,
        last_pass_at: None,
        last_full_pass_at: None,
        last_full_total: None,
    }))
}

/// Changes an account's watermark.
pub(crate) async fn change(
    core: &Core,
    account: AccountId,
    change: impl FnOnce(&mut Watermark) + Send,
) -> Result<(), StoreError> {
    let _one_at_a_time = core.watermarks.lock().await;
    let before = of(core, account).await?;
    let mut after = before.clone();
    change(&mut after);
    if after == before {
        return Ok(());
    }
    core.store.put_watermark(&after).await
}
