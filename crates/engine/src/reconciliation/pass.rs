//! One account's pass.

use saldo_domain::discrepancy::Run;
use saldo_domain::ids::AccountId;
use saldo_store::StoreError;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::Place;
use crate::service::StockSynchronizationService;

/// Where a pass is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct AccountPlace {
    offset: u64,
}

pub(super) struct Pass {
    _account: AccountId,
}

impl Pass {
    pub(super) async fn begin(
        _service: &StockSynchronizationService,
        _run: &mut Run,
        _place: &mut Place,
        account: AccountId,
        _lost: &CancellationToken,
    ) -> Result<Self, StoreError> {
        Ok(Self { _account: account })
    }

    pub(super) async fn go(&mut self) -> Result<Result<(), String>, StoreError> {
        Ok(Ok(()))
    }
}
