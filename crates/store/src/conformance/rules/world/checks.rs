//! What holds at the end of every scenario: all invariants, no fifth state, and both sides agreeing.

use super::*;

impl World {
    /// Checks every invariant, then lets everything be delivered, and checks again.
    pub(in crate::conformance::rules) async fn finish(mut self) {
        let name = self.name;
        if let Err(broken) = self.try_finish().await {
            panic!("{name}: {broken}");
        }
    }

    pub(in crate::conformance::rules) async fn try_finish(&mut self) -> Result<(), String> {
        self.check().await?;
        self.settle_down().await;
        self.check().await?;
        for key in self.known.clone() {
            let order = self.file_of(&key).await.order;
            let failed = self.has_failed_operation(&key).await;
            if order.touched && !failed && !self.holds_back(&key).await && self.holds(&key) != order.level() {
                return Err(format!(
                    "invariant 6: the service holds {} for order {key}, which has taken {}",
                    self.holds(&key),
                    order.taken()
                ));
            }
        }
        for (key, _) in &self.sent {
            if !self.file_of(key).await.order.touched {
                return Err(format!(
                    "invariant 6: order {key} was never touched, and its flag was sent"
                ));
            }
        }
        Ok(())
    }

    pub(in crate::conformance::rules) async fn has_failed_operation(&self, key: &OrderKey) -> bool {
        let file = self.file_of(key).await;
        file.operations
            .iter()
            .any(|operation| operation.status == OperationStatus::Failed)
            || file
                .reviews
                .iter()
                .any(|review| review.is_open() && review.reason == ReviewReason::DeliveryFailed)
    }

    /// Whether a form's flag waits until all of its lines are covered.
    pub(in crate::conformance::rules) async fn holds_back(&self, key: &OrderKey) -> bool {
        let file = self.file_of(key).await;
        file.order.form_seen
            && file.operations.iter().any(|operation| {
                operation.status == OperationStatus::Pending && operation.stock_applied_at.is_none()
            })
    }

    /// Every invariant that can be seen from outside.
    pub(in crate::conformance::rules) async fn check(&self) -> Result<(), String> {
        let violations = self
            .store
            .check(self.now)
            .await
            .map_err(|error| error.to_string())?;
        if !violations.is_empty() {
            return Err(format!("{violations:#?}"));
        }
        let mut holders: BTreeMap<LineItemId, OrderKey> = BTreeMap::new();
        for key in &self.known {
            let file = self.file_of(key).await;
            self.check_stands_somewhere(&file).await?;
            for line in &file.order.lines {
                if let Some(other) = holders.insert(line.id.clone(), key.clone()) {
                    return Err(format!("line {} stands in {key} and in {other}", line.id));
                }
            }
        }
        Ok(())
    }

    /// Invariant 4: completed, skipped, waiting with a known next step, or in an open review. No fifth state.
    pub(in crate::conformance::rules) async fn check_stands_somewhere(
        &self,
        file: &OrderFile,
    ) -> Result<(), String> {
        let key = &file.order.key;
        let unfinished: Vec<&Operation> = file
            .operations
            .iter()
            .filter(|operation| operation.status.is_unfinished())
            .collect();
        let waits_for = |what: WaitingFor| {
            unfinished
                .iter()
                .any(|operation| operation.waiting_for == Some(what))
        };
        let asked = file.reviews.iter().any(Review::is_open);
        let stands = match &file.order.standing {
            Standing::AwaitsPayment => waits_for(WaitingFor::Payment),
            Standing::AwaitsStock => waits_for(WaitingFor::Stock) && !file.order.awaited.is_empty(),
            Standing::AwaitsReview => asked,
            Standing::Applied => file.order.level(),
            Standing::GivenBack | Standing::Settled => !file.order.level(),
            Standing::Cancelled { .. } => true,
            Standing::Skipped { .. } | Standing::Merged { .. } => !file.order.level(),
        };
        if !stands {
            return Err(format!("invariant 4: order {key} stands nowhere: {file:#?}"));
        }
        if file.order.standing != Standing::AwaitsStock && !file.order.awaited.is_empty() {
            let stays = unfinished
                .iter()
                .any(|operation| operation.waiting_for == Some(WaitingFor::Stock));
            if !stays {
                return Err(format!(
                    "order {key} waits for {:?} for nothing",
                    file.order.awaited
                ));
            }
        }
        for operation in unfinished {
            self.check_next_step(file, operation).await?;
        }
        for review in file.reviews.iter().filter(|review| review.is_open()) {
            if let Some(id) = review.operation
                && !self.operation(id).await.status.is_unfinished()
            {
                return Err(format!(
                    "review {} of order {key} waits for a finished operation",
                    review.reason
                ));
            }
        }
        Ok(())
    }

    pub(in crate::conformance::rules) async fn check_next_step(
        &self,
        file: &OrderFile,
        operation: &Operation,
    ) -> Result<(), String> {
        let asked = match operation.review {
            Some(review) => self.review(review).await.is_open(),
            None => false,
        };
        let fine = match (operation.status, operation.waiting_for) {
            (OperationStatus::Failed, _) | (_, Some(WaitingFor::Review)) => asked,
            (OperationStatus::Processing, _) => file
                .delivery
                .as_ref()
                .is_some_and(|delivery| delivery.lease.is_some()),
            (_, Some(WaitingFor::Delivery | WaitingFor::Account)) => file.delivery.is_some(),
            (_, Some(WaitingFor::Stock)) => !file.order.awaited.is_empty() && asked,
            (_, Some(WaitingFor::Payment)) => true,
            (_, None) => false,
        };
        if fine {
            Ok(())
        } else {
            Err(format!(
                "invariant 4: an operation of order {} has no next step: {operation:#?}\n{file:#?}",
                file.order.key
            ))
        }
    }
}
