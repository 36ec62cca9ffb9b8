//! A little world to tell scenarios in: a store, a clock that stands still until it is moved, and a service that
//! remembers the flags it was sent.

mod checks;
mod deliveries;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use saldo_domain::decide::{
    AnswerKey, ClaimOrders, ClaimRequest, Command, Count, Deduct, Map, OrderOutcome, OutageOutcome, Outcome,
    Receipt, Refund, RefundLine, Request, Resolve, ResolveOutcome, RollBack, RollBackOutcome, SetMode,
    Settle, SettleOutcome, StockLine, TakeIn, Then, Transfer,
};
use saldo_domain::delivery::{Claim, Failure, Outcome as Attempt, Task};
use saldo_domain::form::OrderCopy;
use saldo_domain::ids::{
    AccountId, CountedIds, LineItemId, OfferId, OperationId, OrderId, OrderKey, ReviewId,
};
use saldo_domain::operation::{LogEntry, Operation, OperationStatus, WaitingFor};
use saldo_domain::order::Standing;
use saldo_domain::policy::Policy;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::review::{Resolution, Review, ReviewReason, Subject};
use saldo_domain::rollout::{Mode, Rollout, ShadowOrder, Would};
use saldo_domain::stock::{Component, OfferKey, StockKey};
use saldo_domain::text::{Sku, Warehouse};
use saldo_domain::view::{DueRequest, ListKey, OrderFile, Place, Refusal};
use uuid::Uuid;

use super::super::Fixture;
use super::form::Form;
use crate::query::PageRequest;
use crate::{Rules, SharedStore, StoreError};

/// How long a claim lasts in these scenarios, in seconds.
pub(super) const LEASE_SECONDS: i64 = 30;
/// How long after a doubtful attempt the flag is read back again, in seconds.
pub(super) const VERIFY_SECONDS: i64 = 60;

/// The settings of every scenario: the defaults, without jitter.
pub(super) fn policy() -> Policy {
    Policy {
        default_warehouse: warehouse("Ирина"),
        deduct_when_bought: false,
        allow_negative: false,
        retry: RetryPolicy {
            jitter: false,
            ..RetryPolicy::default()
        },
        circuit_enabled: true,
        lease_seconds: LEASE_SECONDS,
        verify_after_seconds: VERIFY_SECONDS,
        give_up_hours: 24,
        initial_mode: Mode::On,
        start_from: None,
    }
}

/// What a store is made with, for one scenario.
pub(super) fn rules() -> Rules {
    Rules {
        policy: policy(),
        ids: Box::new(CountedIds::default()),
    }
}

pub(super) fn sku(text: &str) -> Sku {
    Sku::parse(text).unwrap()
}

pub(super) fn warehouse(text: &str) -> Warehouse {
    Warehouse::parse(text).unwrap()
}

pub(super) fn line(text: &str) -> LineItemId {
    LineItemId::parse(text).unwrap()
}

pub(super) fn offer(text: &str) -> OfferId {
    OfferId::parse(text).unwrap()
}

pub(super) fn stock(text: &str) -> StockKey {
    StockKey {
        sku: sku(text),
        warehouse: policy().default_warehouse,
    }
}

pub(super) fn components(of: &[(&str, i64)]) -> Vec<Component> {
    of.iter()
        .map(|(name, units)| Component {
            sku: sku(name),
            units: *units,
        })
        .collect()
}

/// A failure that counts against the retries.
pub(super) fn failure(message: &str) -> Failure {
    Failure {
        message: message.to_owned(),
        retry_after_seconds: None,
        counts: true,
    }
}

/// The only account, unless a scenario is about two.
pub(super) fn account() -> AccountId {
    AccountId::new(Uuid::from_u128(1))
}

/// Another account.
pub(super) fn other_account() -> AccountId {
    AccountId::new(Uuid::from_u128(2))
}

pub(super) fn key(order: &str) -> OrderKey {
    key_of(account(), order)
}

pub(super) fn key_of(account: AccountId, order: &str) -> OrderKey {
    OrderKey {
        account,
        order: OrderId::parse(order).unwrap(),
    }
}

/// One scenario's world.
pub(super) struct World {
    store: SharedStore,
    _keep: Box<dyn Any + Send + Sync>,
    name: &'static str,
    pub(super) now: Timestamp,
    known: BTreeSet<OrderKey>,
    /// The flags that the service holds.
    pub(super) remote: BTreeMap<OrderKey, bool>,
    /// Every flag that it was sent, in order.
    pub(super) sent: Vec<(OrderKey, bool)>,
}

impl World {
    pub(super) fn new(fixture: Fixture, name: &'static str) -> Self {
        Self {
            store: fixture.store,
            _keep: fixture.keep,
            name,
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            known: BTreeSet::new(),
            remote: BTreeMap::new(),
            sent: Vec::new(),
        }
    }

    pub(super) fn store(&self) -> &SharedStore {
        &self.store
    }

    pub(super) fn advance(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    pub(super) async fn change_policy(&self, change: impl FnOnce(&mut Policy)) {
        let mut changed = policy();
        change(&mut changed);
        self.store.set_policy(changed).await.unwrap();
    }

    /// Asks for something; a defect of the rules ends the scenario.
    pub(super) async fn ask(&mut self, command: Command) -> Result<Outcome, Refusal> {
        self.ask_under(command, None).await
    }

    pub(super) async fn ask_under(
        &mut self,
        command: Command,
        answer_key: Option<(&str, &str)>,
    ) -> Result<Outcome, Refusal> {
        match self.try_ask(command.clone(), answer_key).await {
            Ok(answer) => answer,
            Err(error) => panic!("{}: {command:?} ended with {error}", self.name),
        }
    }

    /// The same, with a defect as an error: for histories, which report it with what led to it.
    pub(super) async fn try_ask(
        &mut self,
        command: Command,
        answer_key: Option<(&str, &str)>,
    ) -> Result<Result<Outcome, Refusal>, StoreError> {
        let touches = match &command {
            Command::TakeIn(order) => Some(OrderKey {
                account: order.account,
                order: order.copy.order.clone(),
            }),
            Command::Deduct(single) => Some(single.key.clone()),
            Command::Adopt(adopted) => Some(adopted.key.clone()),
            Command::AskAbout { order, .. } => Some(OrderKey {
                account: order.account,
                order: order.copy.order.clone(),
            }),
            Command::AskAboutMalformed { order, .. } => Some(order.clone()),
            _ => None,
        };
        let request = Request {
            command,
            now: self.now,
            by: "Anna".to_owned(),
            answer_key: answer_key.map(|(key, fingerprint)| AnswerKey {
                key: key.to_owned(),
                fingerprint: fingerprint.to_owned(),
            }),
        };
        match self.store.execute(request).await {
            Ok(mut outcome) => {
                self.known.extend(touches);
                // The image is there only when the answer was decided just now.
                if let Outcome::Order(order) = &mut outcome {
                    order.image = None;
                }
                Ok(Ok(outcome))
            }
            Err(StoreError::Refused(refusal)) => Ok(Err(refusal)),
            Err(error) => Err(error),
        }
    }

    async fn ask_about_order(&mut self, command: Command) -> OrderOutcome {
        match self.ask(command.clone()).await {
            Ok(Outcome::Order(order)) => order,
            other => panic!("{}: {command:?} was answered with {other:?}", self.name),
        }
    }

    /// The code with which something is refused.
    pub(super) async fn refused(&mut self, command: Command) -> &'static str {
        match self.ask(command.clone()).await {
            Err(refusal) => refusal.code,
            Ok(outcome) => panic!("{}: {command:?} was answered with {outcome:?}", self.name),
        }
    }

    // Goods.

    /// Goods come in, and what waits for them is tried again, as the engine does.
    pub(super) async fn receive(&mut self, name: &str, quantity: i64) {
        self.receive_only(name, quantity).await;
        self.try_waiting(|after| ListKey::AwaitingStock(stock(name), after))
            .await;
    }

    /// Goods come in, and the process stops before anything else is done.
    pub(super) async fn receive_only(&mut self, name: &str, quantity: i64) -> OperationId {
        let line = StockLine {
            key: stock(name),
            quantity,
        };
        let receipt = Receipt {
            lines: vec![line],
            reference: None,
        };
        self.document(Command::Receive(receipt)).await.unwrap()
    }

    pub(super) async fn count(&mut self, name: &str, quantity: i64) -> Option<OperationId> {
        let line = StockLine {
            key: stock(name),
            quantity,
        };
        let count = Count {
            lines: vec![line],
            reason: "counted".to_owned(),
        };
        self.document(Command::Count(count)).await
    }

    pub(super) async fn transfer(&mut self, name: &str, to: &str, quantity: i64) -> OperationId {
        let transfer = Transfer {
            sku: sku(name),
            from: policy().default_warehouse,
            to: warehouse(to),
            quantity,
        };
        self.document(Command::Transfer(transfer)).await.unwrap()
    }

    async fn document(&mut self, command: Command) -> Option<OperationId> {
        match self.ask(command.clone()).await {
            Ok(Outcome::Document(document)) => document.operation,
            other => panic!("{}: {command:?} was answered with {other:?}", self.name),
        }
    }

    pub(super) async fn try_waiting(&mut self, list: impl Fn(Option<Place>) -> ListKey) {
        let mut after = None;
        loop {
            match self.ask(Command::Waiting(list(after))).await {
                Ok(Outcome::Orders(orders)) if orders.more => after = orders.last,
                Ok(Outcome::Orders(_)) => return,
                other => panic!("{}: trying again was answered with {other:?}", self.name),
            }
        }
    }

    pub(super) async fn map(&mut self, of: &str, to: &[(&str, i64)]) {
        let offer = OfferKey {
            account: account(),
            offer: offer(of),
        };
        let map = Map {
            key: offer.clone(),
            components: components(to),
        };
        self.ask(Command::Map(map)).await.unwrap();
        self.try_waiting(|after| ListKey::AwaitingOffer(offer.clone(), after))
            .await;
    }

    pub(super) async fn balance(&self, name: &str) -> Option<i64> {
        let balances = self.store.balances_of(&[stock(name)]).await.unwrap();
        balances.first().map(|balance| balance.quantity)
    }

    pub(super) async fn expect_balance(&self, name: &str, expected: i64) {
        let found = self.balance(name).await;
        assert_eq!(found, Some(expected), "{}: the balance of {name}", self.name);
    }

    // Orders.

    pub(super) async fn post(&mut self, form: Form) -> OrderOutcome {
        self.ask_about_order(Command::TakeIn(take_in(form))).await
    }

    /// A person's word: deduct again.
    pub(super) async fn post_forced(&mut self, form: Form) -> OrderOutcome {
        let forced = TakeIn {
            force: true,
            ..take_in(form)
        };
        self.ask_about_order(Command::TakeIn(forced)).await
    }

    pub(super) async fn post_for(&mut self, account: AccountId, form: Form) -> OrderOutcome {
        let foreign = TakeIn {
            account,
            ..take_in(form)
        };
        self.ask_about_order(Command::TakeIn(foreign)).await
    }

    /// An order pulled from the service, with its flag confirmed.
    pub(super) async fn pull(&mut self, form: Form, flag: bool) -> OrderOutcome {
        self.ask_about_order(Command::TakeIn(pulled(form, flag))).await
    }

    /// Puts a pulled order before a person.
    pub(super) async fn ask_about(&mut self, form: Form, reason: ReviewReason) -> OrderOutcome {
        self.ask_about_order(asked_about(form, reason)).await
    }

    pub(super) async fn ask_about_malformed(&mut self, order: &str) -> OrderOutcome {
        self.ask_about_order(malformed(order)).await
    }

    pub(super) async fn ask_about_missing(&mut self, order: &str) -> OrderOutcome {
        self.ask_about_order(Command::AskAboutMissing { order: key(order) })
            .await
    }

    pub(super) async fn redeliver(&mut self, order: &str) -> OrderOutcome {
        self.ask_about_order(Command::Redeliver { order: key(order) })
            .await
    }

    /// Switches the mode, with a person's word that the stock is right.
    pub(super) async fn switch(&mut self, mode: Mode) -> Rollout {
        let wanted = SetMode {
            stock_is_right: true,
            ..to_mode(mode)
        };
        match self.ask(Command::SetMode(wanted)).await {
            Ok(Outcome::Rollout(rollout)) => rollout,
            other => panic!("{}: {mode} was answered with {other:?}", self.name),
        }
    }

    /// What is recorded of an order in shadow.
    pub(super) async fn shadow(&self, order: &str) -> Option<ShadowOrder> {
        let mut found = self.store.shadow_orders_of(&[key(order)]).await.unwrap();
        found.remove(0)
    }

    /// What would be done with an order in shadow.
    pub(super) async fn would(&self, order: &str) -> Would {
        match self.shadow(order).await {
            Some(shadow) => shadow.would,
            None => panic!("{}: order {order} is not in shadow", self.name),
        }
    }

    pub(super) async fn deduct(&mut self, order: &str, name: &str, quantity: i64) -> OrderOutcome {
        self.ask_about_order(single(order, None, name, quantity)).await
    }

    pub(super) async fn deduct_line(
        &mut self,
        order: &str,
        id: &str,
        name: &str,
        quantity: i64,
    ) -> OrderOutcome {
        self.ask_about_order(single(order, Some(id), name, quantity))
            .await
    }

    pub(super) async fn refund(&mut self, order: &str, name: &str, quantity: i64) -> OrderOutcome {
        self.ask_about_order(refund(order, name, quantity)).await
    }

    pub(super) async fn roll_back(&mut self, operation: OperationId) -> RollBackOutcome {
        self.rolled_back(roll_back(operation, false)).await
    }

    pub(super) async fn roll_back_forced(&mut self, operation: OperationId) -> RollBackOutcome {
        self.rolled_back(roll_back(operation, true)).await
    }

    async fn rolled_back(&mut self, command: Command) -> RollBackOutcome {
        match self.ask(command).await {
            Ok(Outcome::RolledBack(outcome)) => outcome,
            other => panic!("{}: a rollback was answered with {other:?}", self.name),
        }
    }

    pub(super) async fn retry(&mut self, operation: OperationId) -> OrderOutcome {
        self.ask_about_order(Command::Retry { operation }).await
    }

    pub(super) async fn try_again(&mut self, order: &str) -> OrderOutcome {
        self.ask_about_order(Command::TryAgain { order: key(order) })
            .await
    }

    pub(super) async fn file(&self, order: &str) -> OrderFile {
        self.file_of(&key(order)).await
    }

    pub(super) async fn file_of(&self, key: &OrderKey) -> OrderFile {
        match self.store.order(key).await.unwrap() {
            Some(file) => file,
            None => panic!("{}: order {key} is not known", self.name),
        }
    }

    pub(super) async fn taken(&self, order: &str) -> i64 {
        self.file(order).await.order.taken()
    }

    pub(super) async fn standing(&self, order: &str) -> Standing {
        self.file(order).await.order.standing
    }

    pub(super) async fn operation(&self, id: OperationId) -> Operation {
        self.store.operation(id).await.unwrap().unwrap()
    }

    /// An operation's history, oldest first.
    pub(super) async fn log(&self, id: OperationId) -> Vec<LogEntry> {
        let page = PageRequest {
            after: None,
            limit: 500,
        };
        self.store.log(id, page).await.unwrap().items
    }

    pub(super) async fn status(&self, id: OperationId) -> OperationStatus {
        self.operation(id).await.status
    }

    // Reviews.

    /// The open review of an order for a reason.
    pub(super) async fn open_review(&self, order: &str, reason: ReviewReason) -> Option<Review> {
        let file = self.file(order).await;
        file.reviews
            .into_iter()
            .find(|review| review.is_open() && review.reason == reason)
    }

    pub(super) async fn expect_review(&self, order: &str, reason: ReviewReason) -> Review {
        match self.open_review(order, reason).await {
            Some(review) => review,
            None => panic!("{}: there is no open review {reason} of {order}", self.name),
        }
    }

    pub(super) async fn expect_no_review(&self, order: &str) {
        let file = self.file(order).await;
        let open: Vec<_> = file
            .reviews
            .iter()
            .filter(|review| review.is_open())
            .map(|review| review.reason)
            .collect();
        assert!(
            open.is_empty(),
            "{}: {order} has open reviews {open:?}",
            self.name
        );
    }

    /// Answers an order's open review of a reason.
    pub(super) async fn resolve(
        &mut self,
        order: &str,
        reason: ReviewReason,
        resolution: Resolution,
    ) -> ResolveOutcome {
        let review = self.expect_review(order, reason).await;
        self.resolve_with(review.id, resolution, &[]).await
    }

    pub(super) async fn resolve_with(
        &mut self,
        review: ReviewId,
        resolution: Resolution,
        to: &[(&str, i64)],
    ) -> ResolveOutcome {
        let outcome = match self.ask(resolve(review, resolution, to)).await {
            Ok(Outcome::Resolved(outcome)) => outcome,
            other => panic!("{}: {resolution} was answered with {other:?}", self.name),
        };
        // What is to follow, as the engine does it.
        match &outcome.then {
            Some(Then::TryOffer(offer)) => {
                self.try_waiting(|after| ListKey::AwaitingOffer(offer.clone(), after))
                    .await
            }
            Some(Then::EndOutage(review)) => {
                self.end_outage(*review).await;
            }
            Some(Then::EndUnpaid { review, deduct }) => {
                let end = Command::EndUnpaid {
                    review: *review,
                    deduct: *deduct,
                };
                self.ask(end).await.unwrap();
            }
            Some(Then::ProbeAccount(_) | Then::Fetch(_)) | None => {}
        }
        outcome
    }

    pub(super) async fn wide_review(&self, reason: ReviewReason) -> Option<Review> {
        let open = self.store.open_wide_reviews(reason, None, 1).await.unwrap();
        open.into_iter().next()
    }

    /// Every open review about an order, oldest first.
    pub(super) async fn open_reviews(&self) -> Vec<Review> {
        let mut open = Vec::new();
        for key in &self.known {
            let file = self.file_of(key).await;
            open.extend(file.reviews.into_iter().filter(Review::is_open));
        }
        open.sort_by_key(|review| review.id);
        open
    }

    /// Every operation of every order, oldest first.
    pub(super) async fn operations(&self) -> Vec<Operation> {
        let mut all = Vec::new();
        for key in &self.known {
            all.extend(self.file_of(key).await.operations);
        }
        all.sort_by_key(|operation| operation.id);
        all
    }

    /// Units taken by all known orders of one SKU.
    pub(super) async fn taken_of(&self, name: &str) -> i64 {
        let mut taken = 0;
        for key in &self.known {
            for line in self.file_of(key).await.order.lines {
                let of_sku = line.parts.iter().filter(|part| part.key.sku.as_str() == name);
                taken += of_sku.map(|part| part.taken).sum::<i64>();
            }
        }
        taken
    }

    pub(super) async fn review(&self, id: ReviewId) -> Review {
        self.store.review(id).await.unwrap().unwrap()
    }
}

pub(super) fn take_in(form: Form) -> TakeIn {
    let copy: OrderCopy = form.into();
    TakeIn {
        account: account(),
        copy,
        warehouse: None,
        force: false,
        remote_flag: None,
    }
}

/// A row of the service's list, unless the form says otherwise, with its flag confirmed.
pub(super) fn pulled(form: Form, flag: bool) -> TakeIn {
    TakeIn {
        remote_flag: Some(flag),
        ..take_in(form)
    }
}

pub(super) fn asked_about(form: Form, reason: ReviewReason) -> Command {
    Command::AskAbout {
        order: Box::new(pulled(form, false)),
        reason,
    }
}

pub(super) fn malformed(order: &str) -> Command {
    Command::AskAboutMalformed {
        order: key(order),
        detail: "/lineItems: is not there".to_owned(),
    }
}

/// A mode without limits.
pub(super) fn to_mode(mode: Mode) -> SetMode {
    SetMode {
        mode,
        accounts: BTreeSet::new(),
        percent: 0,
        stock_is_right: false,
    }
}

pub(super) fn single(order: &str, id: Option<&str>, name: &str, quantity: i64) -> Command {
    Command::Deduct(Deduct {
        key: key(order),
        line: id.map(line),
        sku: sku(name),
        quantity,
        warehouse: None,
    })
}

pub(super) fn refund(order: &str, name: &str, quantity: i64) -> Command {
    let line = RefundLine {
        sku: sku(name),
        quantity,
        warehouse: None,
    };
    Command::Refund(Refund {
        key: key(order),
        lines: vec![line],
        reason: "it came back".to_owned(),
    })
}

pub(super) fn roll_back(operation: OperationId, force: bool) -> Command {
    Command::RollBack(RollBack {
        operation,
        reason: "a mistake".to_owned(),
        force,
    })
}

pub(super) fn resolve(review: ReviewId, resolution: Resolution, to: &[(&str, i64)]) -> Command {
    Command::Resolve(Resolve {
        review,
        resolution,
        note: Some("looked at".to_owned()),
        components: components(to),
    })
}

pub(super) fn settle(claim: &Claim, outcome: Attempt) -> Command {
    Command::Settle(Settle {
        key: claim.key.clone(),
        token: claim.token,
        outcome,
        draw: 0.0,
        took_ms: 7,
    })
}

/// The subject of what concerns the service as a whole.
pub(super) const SERVICE: Subject = Subject::Service;
