//! What can be asked, and what is answered.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::delivery::{Claim, Outcome as AttemptOutcome};
use crate::form::OrderCopy;
use crate::ids::{AccountId, LeaseToken, LineItemId, OperationId, OrderKey, ReviewId};
use crate::operation::Operation;
use crate::review::{Resolution, ReviewReason, Subject};
use crate::rollout::{Mode, Rollout};
use crate::stock::{Component, OfferKey, StockKey};
use crate::text::{Sku, Warehouse};
use crate::view::{DueRequest, ListKey, Place};

/// Everything that changes state.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Take in a copy of an order.
    TakeIn(TakeIn),
    /// Take a single line's stock.
    Deduct(Deduct),
    /// Bring some of an order's stock back.
    Refund(Refund),
    /// Try again what an order waits for (stock, a mapping).
    TryAgain {
        /// Which order.
        order: OrderKey,
    },
    /// Try again a bounded number of the orders that wait for a SKU or an offer.
    Waiting(ListKey),
    /// Undo an operation.
    RollBack(RollBack),
    /// Try an operation's delivery now, and with fresh retries when it had failed.
    Retry {
        /// Which operation.
        operation: OperationId,
    },
    /// Answer a review.
    Resolve(Resolve),
    /// Goods came in.
    Receive(Receipt),
    /// Goods were counted.
    Count(Count),
    /// A stock list was brought over: a count of everything at once.
    Import(Count),
    /// Make an order known that was deducted before Saldo was there.
    Adopt(Adopt),
    /// Goods went from one warehouse to another.
    Transfer(Transfer),
    /// Say what an offer stands for.
    Map(Map),
    /// Claim deliveries.
    Claim(ClaimRequest),
    /// Report how a claimed delivery ended.
    Settle(Settle),
    /// Give up what has waited through an outage for too long, a bounded number at a time.
    GiveUp {
        /// The account that cannot be reached, or all.
        account: Option<AccountId>,
        /// Owed since before this moment.
        before: Timestamp,
    },
    /// Take up again what was given up, a bounded number at a time; closes the review after the last.
    EndOutage {
        /// The outage's review.
        review: ReviewId,
    },
    /// Put orders that have waited for payment since before a moment before a person, in one review an account, a
    /// bounded number at a time.
    AskAboutUnpaid {
        /// The moment.
        before: Timestamp,
    },
    /// Do with the orders of a `stuck_unpaid` review what the person said, a bounded number at a time.
    EndUnpaid {
        /// The review.
        review: ReviewId,
        /// Whether to deduct them; otherwise they are called off.
        deduct: bool,
    },
    /// Only keep the idempotency key: for what is asked of many rows at once, or of none.
    Remember,
    /// Close a `stuck_unpaid` review under which no order waits any more.
    CloseUnpaid {
        /// The review.
        review: ReviewId,
    },
    /// Put a pulled order before a person, instead of moving its stock: it is too old to be dealt with without asking,
    /// or automatic fixes are off. Reasons: missed, cancelled after deduction, quantity mismatch.
    AskAbout {
        /// The copy.
        order: Box<TakeIn>,
        /// Why.
        reason: ReviewReason,
    },
    /// Put an order before a person whose copy at the service cannot be read. A later copy that can be read closes
    /// the review.
    AskAboutMalformed {
        /// Which order.
        order: OrderKey,
        /// What is wrong with the copy.
        detail: String,
    },
    /// Put a deducted order before a person that the service does not show. Any later copy closes the review.
    AskAboutMissing {
        /// Which order.
        order: OrderKey,
    },
    /// Send an order's level once more: the service was seen to hold another flag. Nothing happens while a delivery is
    /// owed already, or where Saldo has no opinion.
    Redeliver {
        /// Which order.
        order: OrderKey,
    },
    /// Switch the mode.
    SetMode(SetMode),
    /// Close the open review of a reason and a subject that is no order, because its cause is gone.
    CloseWidely {
        /// The reason.
        reason: ReviewReason,
        /// The account, or the service.
        subject: Subject,
    },
}

impl Command {
    /// What is wanted, in a word, for traces.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TakeIn(_) => "take_in",
            Self::Deduct(_) => "deduct",
            Self::Refund(_) => "refund",
            Self::TryAgain { .. } => "try_again",
            Self::Waiting(_) => "waiting",
            Self::RollBack(_) => "roll_back",
            Self::Retry { .. } => "retry",
            Self::Resolve(_) => "resolve",
            Self::Receive(_) => "receive",
            Self::Count(_) => "count",
            Self::Import(_) => "import",
            Self::Adopt(_) => "adopt",
            Self::Transfer(_) => "transfer",
            Self::Map(_) => "map",
            Self::Claim(_) => "claim",
            Self::Settle(_) => "settle",
            Self::GiveUp { .. } => "give_up",
            Self::EndOutage { .. } => "end_outage",
            Self::AskAboutUnpaid { .. } => "ask_about_unpaid",
            Self::EndUnpaid { .. } => "end_unpaid",
            Self::Remember => "remember",
            Self::CloseUnpaid { .. } => "close_unpaid",
            Self::AskAbout { .. } => "ask_about",
            Self::AskAboutMalformed { .. } => "ask_about_malformed",
            Self::AskAboutMissing { .. } => "ask_about_missing",
            Self::Redeliver { .. } => "redeliver",
            Self::SetMode(_) => "set_mode",
            Self::CloseWidely { .. } => "close_widely",
        }
    }
}

/// The mode to switch to.
#[derive(Debug, Clone, PartialEq)]
pub struct SetMode {
    /// The mode.
    pub mode: Mode,
    /// For [`Mode::Partial`]: accounts that are on.
    pub accounts: BTreeSet<AccountId>,
    /// For [`Mode::Partial`]: the share of the other accounts' orders that is on, 0 to 100.
    pub percent: u8,
    /// A person's word that the stock here is right: switching on from off or shadow is refused without it, unless
    /// stock was counted or imported since the mode was last changed.
    pub stock_is_right: bool,
}

/// A copy of an order to take in.
#[derive(Debug, Clone, PartialEq)]
pub struct TakeIn {
    /// The account.
    pub account: AccountId,
    /// The copy.
    pub copy: OrderCopy,
    /// Where to take the stock from; the default warehouse when not given.
    pub warehouse: Option<Warehouse>,
    /// A person's word that an order which was given back shall be deducted again.
    pub force: bool,
    /// The service's flag, confirmed by the flags call; only for orders that were pulled.
    pub remote_flag: Option<bool>,
}

/// A single line to deduct.
#[derive(Debug, Clone, PartialEq)]
pub struct Deduct {
    /// The order.
    pub key: OrderKey,
    /// The line item, where it is known.
    pub line: Option<LineItemId>,
    /// The SKU.
    pub sku: Sku,
    /// Units.
    pub quantity: i64,
    /// Where to take it from; the default warehouse when not given.
    pub warehouse: Option<Warehouse>,
}

/// Stock of an order to bring back.
#[derive(Debug, Clone, PartialEq)]
pub struct Refund {
    /// The order.
    pub key: OrderKey,
    /// What came back; SKUs are distinct within a warehouse.
    pub lines: Vec<RefundLine>,
    /// Why.
    pub reason: String,
}

/// One SKU that came back.
#[derive(Debug, Clone, PartialEq)]
pub struct RefundLine {
    /// The SKU.
    pub sku: Sku,
    /// Units.
    pub quantity: i64,
    /// To which warehouse; where it was taken from when not given.
    pub warehouse: Option<Warehouse>,
}

/// An operation to undo.
#[derive(Debug, Clone, PartialEq)]
pub struct RollBack {
    /// Which operation.
    pub operation: OperationId,
    /// Why.
    pub reason: String,
    /// Even when the goods were sent, or the order was cancelled.
    pub force: bool,
}

/// An answer to a review.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolve {
    /// Which review.
    pub review: ReviewId,
    /// The answer.
    pub resolution: Resolution,
    /// What the person wrote.
    pub note: Option<String>,
    /// For `map_sku`: what the offer stands for.
    pub components: Vec<Component>,
}

/// Goods that came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// What, where, how many.
    pub lines: Vec<StockLine>,
    /// The delivery note, or the like.
    pub reference: Option<String>,
}

/// Goods that were counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Count {
    /// What, where, and how many there are.
    pub lines: Vec<StockLine>,
    /// Why.
    pub reason: String,
}

/// An order that the old way has deducted, before Saldo was there.
#[derive(Debug, Clone, PartialEq)]
pub struct Adopt {
    /// The order.
    pub key: OrderKey,
    /// What the old way took, as far as it tells: for people, and for a flag that is handed over.
    pub lines: Vec<AdoptedLine>,
    /// Whether the orders service has confirmed its flag to the old way; none when that is not known.
    pub flag_confirmed: Option<bool>,
    /// Whether Saldo is to send its flag instead of the old way.
    pub hand_over: bool,
    /// Where it was read, for the log.
    pub source: Option<String>,
}

/// What the old way took of one SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptedLine {
    /// The SKU.
    pub sku: Sku,
    /// Units.
    pub quantity: i64,
    /// From where; the default warehouse when not given.
    pub warehouse: Option<Warehouse>,
}

/// A quantity of a SKU in a warehouse.
#[derive(Debug, Clone, PartialEq)]
pub struct StockLine {
    /// What and where.
    pub key: StockKey,
    /// Units.
    pub quantity: i64,
}

/// Goods that went from one warehouse to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// What.
    pub sku: Sku,
    /// From where.
    pub from: Warehouse,
    /// To where.
    pub to: Warehouse,
    /// Units.
    pub quantity: i64,
}

/// What an offer stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// The offer.
    pub key: OfferKey,
    /// SKUs and units of each.
    pub components: Vec<Component>,
}

/// Deliveries to claim.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimRequest {
    /// Which ones.
    pub orders: ClaimOrders,
}

/// Which deliveries to claim.
#[derive(Debug, Clone, PartialEq)]
pub enum ClaimOrders {
    /// Those of these orders that are due.
    These(Vec<OrderKey>),
    /// Those that are due, accounts taking turns.
    Due(DueRequest),
}

/// How a claimed delivery ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Settle {
    /// Whose flag.
    pub key: OrderKey,
    /// The fencing token of the claim.
    pub token: LeaseToken,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// A number from 0 to below 1, drawn for the jitter of the next wait.
    pub draw: f64,
    /// How long the attempt took, in milliseconds.
    pub took_ms: u64,
}

/// The caller's idempotency key with a hash of what it asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerKey {
    /// The key, within the caller's scope.
    pub key: String,
    /// A hash of the request.
    pub fingerprint: String,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// To what concerns one order.
    Order(OrderOutcome),
    /// To what concerns several orders.
    Orders(OrdersOutcome),
    /// To [`Command::RollBack`].
    RolledBack(RollBackOutcome),
    /// To [`Command::Resolve`].
    Resolved(ResolveOutcome),
    /// To a receipt, a count or a transfer.
    Document(DocumentOutcome),
    /// To [`Command::Import`].
    Imported(ImportOutcome),
    /// To [`Command::Adopt`].
    Adopted(AdoptOutcome),
    /// To [`Command::Claim`]; never recorded.
    #[serde(skip)]
    Claimed(Vec<Claim>),
    /// To [`Command::Settle`]; never recorded.
    #[serde(skip)]
    Settled(SettleOutcome),
    /// To what concerns an outage.
    Outage(OutageOutcome),
    /// To [`Command::SetMode`]: what is in force now.
    Rollout(Rollout),
    /// Done, and nothing to tell.
    Done,
}

/// How an order stands after a request, as the caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncStatus {
    /// The service has confirmed, or nothing is owed.
    Completed,
    /// Recorded; it waits for what the operation names.
    Pending,
    /// Given up, before a person.
    Failed,
    /// Never ours to deduct, or cancelled.
    Skipped,
    /// Another form answers for it.
    Merged,
    /// Undone.
    RolledBack,
    /// Left to the old way, because Saldo is off: whoever asked for it must hear that nothing was deducted.
    ModeOff,
}

/// How one order stands after a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderOutcome {
    /// The order; for a merged one, still the one that was asked about.
    pub key: OrderKey,
    /// How it stands.
    pub status: SyncStatus,
    /// Whether it was known already and nothing changed.
    pub duplicate: bool,
    /// The operation that answers.
    pub operation: Option<OperationId>,
    /// What is in the way, for people.
    pub error: Option<String>,
    /// The review it waits for.
    pub review: Option<ReviewId>,
    /// The order whose delivery is due now: worth an immediate attempt.
    pub deliver: Option<OrderKey>,
    /// The operation that answers as it was stored, where this decision had it at hand: saves a read.
    #[serde(skip)]
    pub image: Option<Box<Operation>>,
}

/// How several orders stand.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OrdersOutcome {
    /// Orders whose delivery is due now.
    pub deliver: Vec<OrderKey>,
    /// How many were tried.
    pub tried: usize,
    /// Whether more may remain: ask again, after `last` where there is one.
    pub more: bool,
    /// The place of the last order that was tried, in lists that it may still stand in.
    pub last: Option<Place>,
}

/// What a rollback restored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RollBackOutcome {
    /// The operation that was undone.
    pub operation: OperationId,
    /// The operation that undid it, where stock had been moved.
    pub undone_by: Option<OperationId>,
    /// What went back.
    pub restored: Vec<Restored>,
    /// Whether the orders service must now be told otherwise.
    pub owed: bool,
    /// The order whose delivery is due now.
    pub deliver: Option<OrderKey>,
}

/// A quantity that went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The SKU.
    pub sku: Sku,
    /// The warehouse.
    pub warehouse: Warehouse,
    /// Units.
    pub quantity: i64,
}

/// What the answer to a review led to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResolveOutcome {
    /// The review.
    pub review: ReviewId,
    /// Whether it had been closed before and nothing changed.
    pub duplicate: bool,
    /// How its order stands now.
    pub order: Option<OrderOutcome>,
    /// Further orders to try again: those of the offer that was mapped, or of the outage.
    pub then: Option<Then>,
}

/// What is to follow an answer, in further transactions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Try again the orders that wait for this offer.
    TryOffer(OfferKey),
    /// Take up again what was given up under this review.
    EndOutage(ReviewId),
    /// Ask the service about the account now.
    ProbeAccount(AccountId),
    /// Deduct, or call off, the orders that stood unpaid under this review.
    EndUnpaid {
        /// The review.
        review: ReviewId,
        /// Whether to deduct them.
        deduct: bool,
    },
    /// Fetch this order from the orders service again, and take it in.
    Fetch(OrderKey),
}

/// What a stock document did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentOutcome {
    /// The operation; none when nothing changed (a count that agreed).
    pub operation: Option<OperationId>,
    /// SKUs that there is more of now: orders may wait for them.
    pub grown: Vec<StockKey>,
}

/// What a stock list did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImportOutcome {
    /// The operations, each with a bounded number of lines; none when everything agreed.
    pub operations: Vec<OperationId>,
    /// Lines of SKUs that were never held there.
    pub new: usize,
    /// Lines that found more than was known.
    pub raised: usize,
    /// Lines that found less than was known.
    pub lowered: usize,
    /// Lines that agreed.
    pub same: usize,
    /// SKUs that there is more of now: orders may wait for them.
    pub grown: Vec<StockKey>,
}

/// What became of an order that the old way has deducted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdoptOutcome {
    /// The order.
    pub key: OrderKey,
    /// What became of it.
    pub adoption: Adoption,
    /// The operation that a repeat is answered with.
    pub operation: Option<OperationId>,
    /// What is in the way, for people.
    pub detail: Option<String>,
    /// The order whose delivery is due now.
    pub deliver: Option<OrderKey>,
}

/// What became of an order that the old way has deducted, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adoption {
    /// It is known from now on, and nothing moves.
    Adopted,
    /// It is known from now on, and Saldo sends its flag.
    HandedOver,
    /// It was known already; nothing changed.
    Known,
    /// Saldo has taken its stock itself; nothing changed.
    Conflict,
}

impl Adoption {
    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adopted => "adopted",
            Self::HandedOver => "handed_over",
            Self::Known => "known",
            Self::Conflict => "conflict",
        }
    }
}

/// What became of a reported attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettleOutcome {
    /// The token was not the delivery's: nothing was changed.
    Stale,
    /// It was recorded.
    Recorded {
        /// Whether nothing more is owed now.
        finished: bool,
        /// When it is due again, where something is still owed.
        due_at: Option<Timestamp>,
        /// Operations that moved on by it.
        operations: Vec<OperationId>,
    },
}

/// What was done about an outage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OutageOutcome {
    /// Operations that were moved.
    pub moved: usize,
    /// Whether more may remain: ask again.
    pub more: bool,
    /// The review of the outage, where there is one.
    pub review: Option<ReviewId>,
}
