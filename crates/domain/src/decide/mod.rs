//! The one entrance for everything that changes state.
//!
//! [`decide`] turns a [`Request`] into [`Changes`] and an [`Outcome`], looking only at the loaded [`View`]. The
//! rules stand one to a file, in the order in which an order meets them.

mod command;

mod take_in;

mod old_way;

mod ask_about;

mod merge;

mod revise;

mod deduct;

mod apply;

mod level;

mod cancel;

mod claim;

mod settle;

mod outage;

mod unpaid;

mod refund;

mod roll_back;

mod retry_now;

mod redeliver;

mod resolve;

mod stock_documents;

mod import;

mod adopt;

mod set_mode;

pub use adopt::would_become;
pub use command::*;
pub use import::Difference;
pub use old_way::is_left as is_left_to_the_old_way;
pub use resolve::applies;
pub(crate) use take_in::{is_cancelled, is_newer, is_old_cancellation, lines_differ, was_never_read};

use jiff::Timestamp;

use crate::changes::Changes;
use crate::draft::Draft;
use crate::ids::IdSource;
use crate::policy::Policy;
use crate::view::{Key, RecordedAnswer, Refusal, Stop, View};

/// Decides one request.
///
/// # Errors
/// [`Stop::Missing`] names rows to load before asking again; [`Stop::Refused`] and [`Stop::Defect`] end it with
/// nothing changed.
pub fn decide(
    view: &View,
    request: &Request,
    policy: &Policy,
    ids: &mut dyn IdSource,
) -> Result<(Changes, Outcome), Stop> {
    if let Some(wanted) = &request.answer_key
        && let Some(recorded) = view.answer(&wanted.key)?
    {
        return repeat_answer(recorded, wanted);
    }
    let mut draft = Draft::new(view, request.now, policy, &request.by, ids);
    let outcome = run(&mut draft, &request.command)?;
    if let Some(wanted) = &request.answer_key {
        let json = serde_json::to_value(&outcome)
            .map_err(|error| Stop::Defect(format!("an outcome cannot be recorded: {error}")))?;
        draft.put_answer(RecordedAnswer {
            key: wanted.key.clone(),
            fingerprint: wanted.fingerprint.clone(),
            outcome: json,
            at: request.now,
        });
    }
    Ok((draft.finish()?, outcome))
}

/// The same key and body give the same answer; another body under it is a mistake of the caller.
fn repeat_answer(recorded: &RecordedAnswer, wanted: &AnswerKey) -> Result<(Changes, Outcome), Stop> {
    if recorded.fingerprint != wanted.fingerprint {
        return Err(Refusal::conflict(
            "idempotency_key_reused",
            "this Idempotency-Key was used for another request; use a new key",
        )
        .into());
    }
    let outcome = serde_json::from_value(recorded.outcome.clone())
        .map_err(|error| Stop::Defect(format!("a recorded outcome cannot be read: {error}")))?;
    Ok((Changes::default(), outcome))
}

fn run(draft: &mut Draft<'_>, command: &Command) -> Result<Outcome, Stop> {
    match command {
        Command::TakeIn(order) => take_in::take_in(draft, order).map(Outcome::Order),
        Command::Deduct(line) => old_way::deduct(draft, line).map(Outcome::Order),
        Command::Refund(refund) => refund::refund(draft, refund).map(Outcome::Order),
        Command::TryAgain { order } => retry_now::try_again(draft, order).map(Outcome::Order),
        Command::Waiting(list) => retry_now::waiting(draft, list).map(Outcome::Orders),
        Command::RollBack(request) => roll_back::roll_back(draft, request).map(Outcome::RolledBack),
        Command::Retry { operation } => retry_now::retry(draft, *operation).map(Outcome::Order),
        Command::Resolve(resolve) => resolve::resolve(draft, resolve).map(Outcome::Resolved),
        Command::Receive(receipt) => stock_documents::receive(draft, receipt).map(Outcome::Document),
        Command::Count(count) => stock_documents::count(draft, count).map(Outcome::Document),
        Command::Import(list) => import::import(draft, list).map(Outcome::Imported),
        Command::Adopt(order) => adopt::adopt(draft, order).map(Outcome::Adopted),
        Command::Transfer(transfer) => stock_documents::transfer(draft, transfer).map(Outcome::Document),
        Command::Map(mapping) => stock_documents::map(draft, mapping).map(|()| Outcome::Done),
        Command::Claim(claim) => claim::claim(draft, claim).map(Outcome::Claimed),
        Command::Settle(settle) => settle::settle(draft, settle).map(Outcome::Settled),
        Command::GiveUp { account, before } => outage::give_up(draft, *account, *before).map(Outcome::Outage),
        Command::EndOutage { review } => outage::end(draft, *review).map(Outcome::Outage),
        Command::AskAboutUnpaid { before } => unpaid::ask(draft, *before).map(Outcome::Outage),
        Command::EndUnpaid { review, deduct } => unpaid::end(draft, *review, *deduct).map(Outcome::Orders),
        Command::Remember => Ok(Outcome::Done),
        Command::CloseUnpaid { review } => unpaid::close(draft, *review).map(|()| Outcome::Done),
        Command::AskAbout { order, reason } => {
            ask_about::ask_about(draft, order, *reason).map(Outcome::Order)
        }
        Command::AskAboutMalformed { order, detail } => {
            ask_about::malformed(draft, order, detail).map(Outcome::Order)
        }
        Command::AskAboutMissing { order } => ask_about::missing(draft, order).map(Outcome::Order),
        Command::Redeliver { order } => redeliver::redeliver(draft, order).map(Outcome::Order),
        Command::SetMode(wanted) => set_mode::set_mode(draft, wanted).map(Outcome::Rollout),
        Command::CloseWidely { reason, subject } => {
            resolve::close_widely(draft, *reason, subject).map(|()| Outcome::Done)
        }
    }
}

/// The rows that a request will look at for certain: loaded for a whole batch at once, so that most decisions
/// run without stopping. Rows that turn out to be needed besides are loaded one by one.
#[must_use]
pub fn first_keys(request: &Request, policy: &Policy) -> Vec<Key> {
    let mut keys = match &request.command {
        Command::TakeIn(order) => take_in::first_keys(order, policy),
        Command::AskAbout { order: asked, .. } => take_in::first_keys(asked, policy),
        Command::AskAboutMalformed { order, .. } => vec![Key::Rollout, Key::Order(order.clone())],
        Command::AskAboutMissing { order } | Command::Redeliver { order } => vec![Key::Order(order.clone())],
        Command::SetMode(_) => vec![Key::Rollout, Key::StockCounted],
        Command::Deduct(line) => deduct::first_keys(line, policy),
        Command::Receive(receipt) => receipt
            .lines
            .iter()
            .map(|line| Key::Balance(line.key.clone()))
            .collect(),
        Command::Count(list) | Command::Import(list) => list
            .lines
            .iter()
            .map(|line| Key::Balance(line.key.clone()))
            .collect(),
        Command::Adopt(order) => vec![Key::Order(order.key.clone())],
        Command::Settle(settle) => vec![Key::Order(settle.key.clone())],
        Command::Claim(ClaimRequest {
            orders: ClaimOrders::These(orders),
            ..
        }) => orders.iter().cloned().map(Key::Order).collect(),
        _ => Vec::new(),
    };
    keys.extend(
        request
            .answer_key
            .iter()
            .map(|wanted| Key::Answer(wanted.key.clone())),
    );
    keys
}

/// A request as it reaches a store.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What to do.
    pub command: Command,
    /// The moment it is decided for.
    pub now: Timestamp,
    /// Who asked: a key's name, or `saldo`.
    pub by: String,
    /// The idempotency key, where the caller gave one.
    pub answer_key: Option<AnswerKey>,
}
