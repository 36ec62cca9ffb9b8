//! Bringing one's data: stock lists, and orders that were deducted before Saldo was there.

use std::collections::BTreeSet;

use saldo_domain::decide::{
    Adopt, AdoptOutcome, Adoption, Command, Count, Difference, ImportOutcome, Outcome, Request, StockLine,
    would_become,
};
use saldo_store::StoreError;

use crate::api::{Caller, Event};
use crate::service::StockSynchronizationService;

/// Balances asked for at once by a preview.
const BALANCES_TOGETHER: usize = 500;

/// One line of a stock list, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Which line, from 0.
    pub line: usize,
    /// Units that are known; none when the SKU was never held there.
    pub known: Option<i64>,
    /// What the line does to it.
    pub difference: Difference,
}

impl StockSynchronizationService {
    /// Sets every balance of a stock list to its figure, in one transaction.
    /// [`Self::try_what_waited_for`] then goes on with the orders that waited for it.
    ///
    /// # Errors
    /// When it was refused or could not be stored: then nothing changed.
    pub async fn import_stock(&self, list: Count, caller: &Caller) -> Result<ImportOutcome, StoreError> {
        let core = self.core();
        let request = Request {
            command: Command::Import(list),
            now: self.now(),
            by: caller.by.clone(),
            answer_key: caller.answer_key.clone(),
        };
        let imported = match core.store.execute(request).await? {
            Outcome::Imported(imported) => imported,
            other => return Err(unexpected(&other)),
        };
        for id in &imported.operations {
            core.tell(Event::Operation { id: *id });
        }
        core.tell(Event::Status);
        Ok(imported)
    }

    /// Tries the orders again that waited for what an import brought. Those that cannot be tried now are tried by the next
    /// sweep.
    pub async fn try_what_waited_for(&self, imported: &ImportOutcome) {
        // Most of what grew is waited for by nobody: asking for each would take longer than the import.
        if !imported.grown.is_empty() {
            let grown: BTreeSet<_> = imported.grown.iter().collect();
            self.try_all_that_wait_for_stock(|key| grown.contains(key)).await;
        }
    }

    /// Says what a stock list would change, and changes nothing.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn preview_import(&self, lines: &[StockLine]) -> Result<Vec<Compared>, StoreError> {
        let mut compared = Vec::with_capacity(lines.len());
        for part in lines.chunks(BALANCES_TOGETHER) {
            let keys: Vec<_> = part.iter().map(|line| line.key.clone()).collect();
            let balances = self.store().balances_of(&keys).await?;
            let known: std::collections::BTreeMap<_, _> = balances
                .iter()
                .map(|balance| (&balance.key, balance.quantity))
                .collect();
            for line in part {
                let known = known.get(&line.key).copied();
                compared.push(Compared {
                    line: compared.len(),
                    known,
                    difference: Difference::between(known, line.quantity),
                });
            }
        }
        Ok(compared)
    }

    /// Makes orders known that the old way has deducted, in as few transactions as possible. One result each; one that
    /// is refused spoils no other.
    pub async fn adopt_orders(
        &self,
        orders: Vec<Adopt>,
        caller: &Caller,
    ) -> Vec<Result<AdoptOutcome, StoreError>> {
        let core = self.core();
        let now = self.now();
        let requests = orders
            .into_iter()
            .map(|order| Request {
                command: Command::Adopt(order),
                now,
                by: caller.by.clone(),
                answer_key: None,
            })
            .collect();
        let results: Vec<_> = core
            .store
            .execute_all(requests)
            .await
            .into_iter()
            .map(|outcome| match outcome? {
                Outcome::Adopted(adopted) => Ok(adopted),
                other => Err(unexpected(&other)),
            })
            .collect();
        let adopted = results.iter().filter_map(|result| result.as_ref().ok());
        if adopted.into_iter().any(|adopted| adopted.deliver.is_some()) {
            core.wake.notify_one();
        }
        core.tell(Event::Status);
        results
    }

    /// Says what would become of an order, were it adopted, and changes nothing.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn preview_adoption(
        &self,
        order: &Adopt,
    ) -> Result<(Adoption, Option<&'static str>), StoreError> {
        let file = self.store().order(&order.key).await?;
        Ok(would_become(file.as_ref(), order.hand_over))
    }
}

fn unexpected(outcome: &Outcome) -> StoreError {
    StoreError::Defect(format!("the answer does not fit the request: {outcome:?}"))
}
