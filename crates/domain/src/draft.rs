//! A decision in the making: reads fall through to the view, writes stay here until the end.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::changes::{AdjustmentChange, Changes, FileChange, RowChange};
use crate::ids::{IdSource, LineItemId, LogEntryId, OperationId, OrderKey, ReviewId};
use crate::limits::ERROR_CHARACTERS_MAX;
use crate::operation::{
    Action, LogEntry, Operation, OperationLine, OperationStatus, OperationType, WaitingFor,
};
use crate::policy::Policy;
use crate::review::{Answer, Resolution, Review, ReviewReason, Subject};
use crate::rollout::{Rollout, ShadowOrder};
use crate::stock::{Balance, Mapping, Movement, OfferKey, StockKey, add};
use crate::text::one_line;
use crate::view::{OrderFile, RecordedAnswer, Refusal, Stop, View};

/// Collects what a decision changes. Dropped without [`Draft::finish`], nothing has happened.
pub struct Draft<'a> {
    /// The rows loaded.
    pub view: &'a View,
    /// The moment of the decision.
    pub now: Timestamp,
    /// The settings.
    pub policy: &'a Policy,
    /// Who asked: a key's name, or `saldo`.
    pub by: &'a str,
    ids: &'a mut dyn IdSource,
    files: BTreeMap<OrderKey, OrderFile>,
    balances: BTreeMap<StockKey, Balance>,
    adjustments: Vec<AdjustmentChange>,
    movements: Vec<Movement>,
    log: Vec<LogEntry>,
    reviews: BTreeMap<(ReviewReason, Subject), Review>,
    mappings: Vec<Mapping>,
    answers: Vec<RecordedAnswer>,
    rollout: Option<Rollout>,
    stock_counted: bool,
    shadows: Vec<ShadowOrder>,
    is_rehearsal: bool,
}

/// One movement to make.
pub struct Move<'m> {
    /// Of what.
    pub key: &'m StockKey,
    /// Units, signed.
    pub quantity: i64,
    /// The operation that causes it.
    pub operation: OperationId,
    /// The order line it is for.
    pub line: Option<&'m LineItemId>,
    /// Whether the balance may fall below zero by it.
    pub negative_allowed: bool,
}

impl<'a> Draft<'a> {
    /// Begins a decision.
    pub fn new(
        view: &'a View,
        now: Timestamp,
        policy: &'a Policy,
        by: &'a str,
        ids: &'a mut dyn IdSource,
    ) -> Self {
        Self {
            view,
            now,
            policy,
            by,
            ids,
            files: BTreeMap::new(),
            balances: BTreeMap::new(),
            adjustments: Vec::new(),
            movements: Vec::new(),
            log: Vec::new(),
            reviews: BTreeMap::new(),
            mappings: Vec::new(),
            answers: Vec::new(),
            rollout: None,
            stock_counted: false,
            shadows: Vec::new(),
            is_rehearsal: false,
        }
    }

    /// A decision beside this one whose changes are looked at and thrown away: what would be done, by the same rules.
    /// It does not see what this one has changed.
    pub fn rehearsal(&mut self) -> Draft<'_> {
        let mut rehearsal = Draft::new(self.view, self.now, self.policy, self.by, &mut *self.ids);
        rehearsal.is_rehearsal = true;
        rehearsal
    }

    /// Whether the changes are thrown away.
    #[must_use]
    pub const fn is_rehearsal(&self) -> bool {
        self.is_rehearsal
    }

    /// Takes an order's file out to work on; [`Draft::put`] brings it back.
    pub fn take(&mut self, key: &OrderKey) -> Result<Option<OrderFile>, Stop> {
        match self.files.remove(key) {
            Some(file) => Ok(Some(file)),
            None => Ok(self.view.order(key)?.cloned()),
        }
    }

    /// Brings a file back.
    pub fn put(&mut self, file: OrderFile) {
        self.files.insert(file.order.key.clone(), file);
    }

    /// Units on hand; none when the warehouse never held the SKU.
    pub fn available(&self, key: &StockKey) -> Result<Option<i64>, Stop> {
        match self.balances.get(key) {
            Some(balance) => Ok(Some(balance.quantity)),
            None => Ok(self.view.balance(key)?.map(|balance| balance.quantity)),
        }
    }

    /// What an offer stands for, this decision's own mappings first.
    pub fn mapping(&self, key: &OfferKey) -> Result<Option<&Mapping>, Stop> {
        match self.mappings.iter().rev().find(|mapping| mapping.key == *key) {
            Some(mapping) => Ok(Some(mapping)),
            None => self.view.mapping(key),
        }
    }

    /// Writes one movement and the balance after it.
    ///
    /// # Errors
    /// A defect when the balance would fall below zero and that was not allowed: callers check first.
    pub fn move_stock(&mut self, movement: &Move<'_>) -> Result<(), Stop> {
        let before = match self.balances.get(movement.key) {
            Some(balance) => Some(balance.clone()),
            None => self.view.balance(movement.key)?.cloned(),
        };
        let (quantity, sequence) = before.map_or((0, 0), |balance| (balance.quantity, balance.movements));
        let after = add(quantity, movement.quantity)
            .map_err(|error| Refusal::invalid("balance_out_of_bounds", error.to_string()))?;
        if after < 0 && movement.quantity < 0 && !movement.negative_allowed {
            return Err(Stop::Defect(format!("{:?} would fall to {after}", movement.key)));
        }
        self.movements.push(Movement {
            key: movement.key.clone(),
            sequence: sequence + 1,
            quantity: movement.quantity,
            balance_after: after,
            operation: movement.operation,
            line: movement.line.cloned(),
            negative_allowed: movement.negative_allowed && after < 0,
            at: self.now,
        });
        self.balances.insert(
            movement.key.clone(),
            Balance {
                key: movement.key.clone(),
                quantity: after,
                movements: sequence + 1,
                updated_at: self.now,
            },
        );
        Ok(())
    }

    /// A new operation, pending, with its first log entry.
    pub fn new_operation(
        &mut self,
        operation_type: OperationType,
        order: Option<&OrderKey>,
        lines: Vec<OperationLine>,
        details: Value,
    ) -> Operation {
        let id = OperationId::new(self.ids.next(self.now));
        let mut operation = Operation {
            id,
            operation_type,
            status: OperationStatus::Pending,
            order: order.cloned(),
            lines: lines.into(),
            retry_count: 0,
            max_retries: self.policy.retry.max_retries,
            next_retry_at: None,
            error_message: None,
            waiting_for: None,
            created_at: self.now,
            updated_at: self.now,
            stock_applied_at: None,
            completed_at: None,
            rolled_back_by: None,
            rolls_back: None,
            review: None,
            version: 0,
        };
        self.log(&mut operation, Action::Created, details, None);
        operation
    }

    /// Writes one log entry of an operation as it stands now.
    pub fn log(
        &mut self,
        operation: &mut Operation,
        action: Action,
        details: Value,
        execution_time_ms: Option<u64>,
    ) {
        operation.version += 1;
        operation.updated_at = self.now;
        self.log.push(LogEntry {
            id: LogEntryId::new(self.ids.next(self.now)),
            operation: operation.id,
            version: operation.version,
            action,
            status: operation.status,
            details,
            at: self.now,
            execution_time_ms,
        });
    }

    /// Moves an operation to another status and logs it.
    ///
    /// # Errors
    /// A defect when the table of section 5 does not have that move.
    pub fn advance(
        &mut self,
        operation: &mut Operation,
        status: OperationStatus,
        action: Action,
        details: Value,
        execution_time_ms: Option<u64>,
    ) -> Result<(), Stop> {
        if !operation.status.may_become(status) {
            return Err(Stop::Defect(format!(
                "operation {} must not go from {} to {status}",
                operation.id, operation.status
            )));
        }
        operation.status = status;
        if !status.is_unfinished() {
            operation.waiting_for = None;
            operation.next_retry_at = None;
        }
        if status == OperationStatus::Completed {
            operation.completed_at = Some(self.now);
            operation.error_message = None;
            operation.review = None;
        }
        self.log(operation, action, details, execution_time_ms);
        Ok(())
    }

    /// Ends an operation that owes the orders service nothing: it passes through processing, as the table says.
    pub fn complete_at_once(&mut self, operation: &mut Operation, why: &str) -> Result<(), Stop> {
        if operation.status == OperationStatus::Pending {
            self.advance(
                operation,
                OperationStatus::Processing,
                Action::Claimed,
                json!({}),
                None,
            )?;
        }
        self.advance(
            operation,
            OperationStatus::Completed,
            Action::Completed,
            json!({ "why": why }),
            None,
        )
    }

    /// Calls off or undoes an operation.
    pub fn roll_back(&mut self, operation: &mut Operation, details: Value) -> Result<(), Stop> {
        operation.review = None;
        self.advance(
            operation,
            OperationStatus::RolledBack,
            Action::RolledBack,
            details,
            None,
        )
    }

    /// Says what an operation waits for now, with an error for people.
    pub fn wait(&mut self, operation: &mut Operation, waiting_for: WaitingFor, error: Option<&str>) {
        let error = error.map(|error| one_line(error, ERROR_CHARACTERS_MAX));
        if operation.waiting_for == Some(waiting_for) && operation.error_message == error {
            return;
        }
        let is_new = operation.waiting_for.is_none() && operation.version <= 2;
        operation.waiting_for = Some(waiting_for);
        operation.error_message = error;
        if is_new && waiting_for == WaitingFor::Delivery {
            return; // The entry that recorded or applied it says as much.
        }
        let details = json!({ "waiting_for": waiting_for, "error": operation.error_message });
        self.log(operation, Action::Waiting, details, None);
    }

    /// Opens a review of an order, or brings the open one up to date.
    pub fn ask(
        &mut self,
        file: &mut OrderFile,
        reason: ReviewReason,
        operation: Option<OperationId>,
        details: Value,
    ) -> ReviewId {
        if let Some(open) = file
            .reviews
            .iter_mut()
            .find(|review| review.is_open() && review.reason == reason)
        {
            open.details = details;
            open.operation = operation.or(open.operation);
            return open.id;
        }
        let id = ReviewId::new(self.ids.next(self.now));
        file.reviews.push(Review {
            id,
            reason,
            subject: Subject::Order(file.order.key.clone()),
            operation,
            details,
            opened_at: self.now,
            answer: None,
        });
        id
    }

    /// Opens a review that is about no single order, or finds the open one.
    pub fn ask_widely(
        &mut self,
        reason: ReviewReason,
        subject: Subject,
        details: Value,
    ) -> Result<ReviewId, Stop> {
        let key = (reason, subject);
        if let Some(review) = self.reviews.get(&key) {
            return Ok(review.id);
        }
        if let Some(review) = self.view.open_review(reason, &key.1)? {
            return Ok(review.id);
        }
        let id = ReviewId::new(self.ids.next(self.now));
        let review = Review {
            id,
            reason,
            subject: key.1.clone(),
            operation: None,
            details,
            opened_at: self.now,
            answer: None,
        };
        self.reviews.insert(key, review);
        Ok(id)
    }

    /// Keeps a person's answer to a review that stays open until all that follows from the answer is done.
    pub fn promise_answer(&mut self, mut review: Review, resolution: Resolution, note: Option<&str>) {
        if let Some(details) = review.details.as_object_mut() {
            details.insert("answer".to_owned(), json!(self.answer(Some(resolution), note)));
        }
        self.reviews
            .insert((review.reason, review.subject.clone()), review);
    }

    /// Stores an answer to a review that is about no single order; the one that was promised, where no other is
    /// given.
    pub fn answer_widely(&mut self, mut review: Review, resolution: Option<Resolution>, note: Option<&str>) {
        let promised = review.details.get("answer").filter(|_| resolution.is_none());
        let promised = promised.and_then(|answer| serde_json::from_value(answer.clone()).ok());
        review.answer = Some(promised.unwrap_or_else(|| self.answer(resolution, note)));
        self.reviews
            .insert((review.reason, review.subject.clone()), review);
    }

    /// Closes the open reviews of some reasons, because their cause is gone.
    pub fn close(&mut self, file: &mut OrderFile, reasons: &[ReviewReason]) {
        for review in &mut file.reviews {
            if review.is_open() && reasons.contains(&review.reason) {
                review.answer = Some(Answer {
                    resolution: None,
                    by: "saldo".to_owned(),
                    note: None,
                    at: self.now,
                });
            }
        }
    }

    /// The end of a review, given by whoever asked for this decision.
    #[must_use]
    pub fn answer(&self, resolution: Option<Resolution>, note: Option<&str>) -> Answer {
        Answer {
            resolution,
            by: self.by.to_owned(),
            note: note.map(ToOwned::to_owned),
            at: self.now,
        }
    }

    /// Stores an operation that belongs to no order.
    pub fn put_adjustment(&mut self, operation: Operation, is_new: bool) {
        self.adjustments.push(AdjustmentChange { operation, is_new });
    }

    /// Stores a mapping.
    pub fn put_mapping(&mut self, mapping: Mapping) {
        self.mappings.push(mapping);
    }

    /// Records an answer under an idempotency key.
    pub fn put_answer(&mut self, answer: RecordedAnswer) {
        self.answers.push(answer);
    }

    /// Puts a mode in force.
    pub fn put_rollout(&mut self, rollout: Rollout) {
        self.rollout = Some(rollout);
    }

    /// Notes that stock was counted now.
    pub const fn note_count(&mut self) {
        self.stock_counted = true;
    }

    /// Stores what would be done with an order in shadow.
    pub fn put_shadow(&mut self, shadow: ShadowOrder) {
        self.shadows.push(shadow);
    }

    /// A new id.
    pub fn next_id(&mut self) -> uuid::Uuid {
        self.ids.next(self.now)
    }

    /// Ends the decision: compares with what was loaded, checks the invariants, and says what to store.
    ///
    /// # Errors
    /// A defect when an invariant of section 3 would be broken; nothing is stored then.
    pub fn finish(mut self) -> Result<Changes, Stop> {
        let mut changes = Changes {
            movements: self.movements,
            balances: self.balances.into_values().collect(),
            adjustments: self.adjustments,
            log: self.log,
            reviews: self.reviews.into_values().collect(),
            mappings: self.mappings,
            answers: self.answers,
            rollout: self.rollout,
            stock_counted: self.stock_counted.then_some(self.now),
            shadows: self.shadows,
            ..Changes::default()
        };
        for (key, mut file) in std::mem::take(&mut self.files) {
            let before = self.view.order(&key)?;
            let is_claim = is_only_claimed(before, &file);
            if before != Some(&file) && !is_claim {
                file.order.updated_at = self.now;
            }
            let Some(mut change) = FileChange::between(before, file) else {
                continue;
            };
            if change.order == RowChange::Same && !is_claim {
                // Twice at one moment. Its row is written all the same: that tells whoever keeps the order that it changed.
                change.order = RowChange::Updated;
            }
            // A finished operation that is undone was not in the file, and still it is not new.
            for changed in &mut change.changed_operations {
                let id = change.after.operations[changed.position].id;
                changed.is_new = changes
                    .log
                    .iter()
                    .any(|entry| entry.operation == id && entry.version == 1);
            }
            for &position in &change.changed_lines {
                changes
                    .line_holders
                    .push((change.after.order.lines[position].id.clone(), key.clone()));
            }
            changes.files.push(change);
        }
        crate::invariants::check_changes(self.view, &changes).map_err(Stop::Defect)?;
        Ok(changes)
    }
}

/// Whether nothing happened to an order but that a worker took its delivery up: what becomes of that is told when it
/// ends, and until then the order's own row stays as it is.
fn is_only_claimed(before: Option<&OrderFile>, after: &OrderFile) -> bool {
    let lease = |file: &OrderFile| file.delivery.as_ref().and_then(|delivery| delivery.lease.clone());
    before.is_some_and(|before| {
        let now = lease(after);
        before.order == after.order && now.is_some() && now != lease(before)
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ids::{AccountId, OrderId};
    use crate::order::Order;
    use crate::retry::RetryPolicy;
    use crate::rollout::Mode;
    use crate::text::Warehouse;
    use crate::view::Row;

    struct Ids;

    impl IdSource for Ids {
        fn next(&mut self, _: Timestamp) -> Uuid {
            Uuid::from_u128(1)
        }
    }

    #[test]
    fn what_changes_beside_an_order_rewrites_it_even_at_the_moment_of_its_last_change() {
        let now = Timestamp::UNIX_EPOCH;
        let key = OrderKey {
            account: AccountId::new(Uuid::from_u128(7)),
            order: OrderId::parse("order").unwrap(),
        };
        let warehouse = Warehouse::parse("Ирина").unwrap();
        let file = OrderFile::of(Order::first_heard_of(key.clone(), warehouse, now));
        let mut view = View::default();
        view.insert(Row::Order(key.clone(), Some(Box::new(file.clone()))));
        let policy = Policy {
            default_warehouse: file.order.warehouse.clone(),
            deduct_when_bought: false,
            allow_negative: false,
            retry: RetryPolicy::default(),
            circuit_enabled: true,
            lease_seconds: 60,
            verify_after_seconds: 60,
            give_up_hours: 24,
            initial_mode: Mode::On,
            start_from: None,
        };
        let mut ids = Ids;
        let mut draft = Draft::new(&view, now, &policy, "tester", &mut ids);
        let mut asked_about = draft.take(&key).unwrap().unwrap();
        draft.ask(&mut asked_about, ReviewReason::Returned, None, json!({}));
        draft.put(asked_about);
        let changes = draft.finish().unwrap();
        assert_eq!(changes.files[0].after.order, file.order);
        assert_eq!(changes.files[0].order, RowChange::Updated);
    }
}
