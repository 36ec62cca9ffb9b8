//! Comparing one order: asking for the certainty that its decision needs, and making the command that follows.

use jiff::{SignedDuration, Timestamp};
use saldo_domain::decide::{Command, TakeIn};
use saldo_domain::discrepancy::{DiscrepancyKind, Found};
use saldo_domain::form::{OrderCopy, Source, first_problem, parse_form};
use saldo_domain::ids::{AccountId, OrderKey};
use saldo_domain::reconcile::{
    Action, Bounds, Difference, Flag, Local, Missing, Remote, Shown, Sides, Step, Word, about_copy,
    about_flag, look, settles_flag,
};
use saldo_domain::review::ReviewReason;
use saldo_domain::rollout::{Acting, Rollout};
use saldo_domain::view::OrderFile;
use saldo_orders_service::{ListedOrder, stored_at};
use serde_json::Value;

use crate::engine::Core;
use crate::modes;
use crate::reading::{ReadError, Reader};

/// Questions about one order at the most: each makes the next answer more certain.
const QUESTIONS_MAX: usize = 4;

/// One order as both sides show it.
pub(super) struct Row {
    pub(super) key: OrderKey,
    pub(super) file: Option<OrderFile>,
    /// What the service shows; none when it does not show the order.
    pub(super) copy: Option<Result<OrderCopy, String>>,
    pub(super) flag: Flag,
    pub(super) word: Word,
    /// When the service first stored it.
    pub(super) stored_at: Option<Timestamp>,
    /// When the list was asked for that shows it; none when it was asked for singly.
    pub(super) listed_since: Option<Timestamp>,
    pub(super) missing: Missing,
}

impl Row {
    /// A row of the service's list, which was asked for at that moment.
    pub(super) fn listed(account: AccountId, listed: ListedOrder, word: Word, since: Timestamp) -> Self {
        let order = listed.order_id;
        let copy = listed.copy.map_err(|problems| first_problem(&problems));
        Self {
            copy: Some(copy),
            flag: Flag::Listed(listed.flag),
            stored_at: listed.stored_at,
            listed_since: Some(since),
            ..Self::absent(OrderKey { account, order }, word)
        }
    }

    /// The service's answer to a single question.
    pub(super) fn shown(key: OrderKey, form: &Value, source: Source, word: Word) -> Self {
        let copy = parse_form(form, source).map_err(|problems| first_problem(&problems));
        Self {
            copy: Some(copy),
            stored_at: stored_at(form),
            ..Self::absent(key, word)
        }
    }

    /// An order that the service does not show.
    pub(super) const fn absent(key: OrderKey, word: Word) -> Self {
        Self {
            key,
            file: None,
            copy: None,
            flag: Flag::Unread,
            word,
            stored_at: None,
            listed_since: None,
            missing: Missing::AtFirst,
        }
    }

    /// When it was bought. Of a copy that cannot be read it is known that it was bought before it was stored.
    fn bought_at(&self) -> Option<Timestamp> {
        let known = self.file.as_ref().and_then(|file| file.order.bought_at);
        match &self.copy {
            Some(Ok(copy)) => copy.bought_at.or(known),
            Some(Err(_)) => known.or(self.stored_at),
            None => known,
        }
    }
}

/// What a comparison came to.
#[derive(Default)]
pub(super) struct Compared {
    /// A copy that tells something and moves nothing.
    pub(super) note: Option<Command>,
    /// The differences, each with what is to be done.
    pub(super) found: Vec<(Found, Option<Command>)>,
    /// Why it could not be compared to the end.
    pub(super) unread: Option<ReadError>,
    /// Whether the list showed no flag where the flags call found one.
    pub(super) list_lied: bool,
}

/// What all comparisons of a run share.
pub(super) struct Comparer<'r> {
    pub(super) core: &'r Core,
    pub(super) reader: &'r Reader,
    pub(super) rollout: &'r Rollout,
    pub(super) auto_fix: bool,
    /// What was bought after this moment the poller takes in by itself, if it pulls.
    pub(super) pulled_after: Option<Timestamp>,
}

impl Comparer<'_> {
    /// Compares one order, asking for what the decision needs.
    pub(super) async fn compare(&self, row: &mut Row) -> Compared {
        let mut compared = Compared::default();
        let about = match self.settle(row, &mut compared, about_copy).await {
            Ok(step) => step,
            Err(error) => {
                compared.unread = Some(error);
                return compared;
            }
        };
        match about {
            Step::Note => compared.note = self.take_in(row).map(Command::TakeIn),
            Step::Found(difference) => compared.found.push(self.found(row, difference)),
            Step::Agreed | Step::ConfirmFlag | Step::FetchCopy => {}
        }
        if settles_flag(about) {
            return compared;
        }
        match self.settle(row, &mut compared, about_flag).await {
            Ok(Step::Found(difference)) => compared.found.push(self.found(row, difference)),
            Ok(_) => {}
            Err(error) => compared.unread = Some(error),
        }
        compared
    }

    /// Asks until a question is decided.
    async fn settle(
        &self,
        row: &mut Row,
        compared: &mut Compared,
        decide: fn(&Sides, &Bounds) -> Step,
    ) -> Result<Step, ReadError> {
        for _ in 0..QUESTIONS_MAX {
            let step = decide(&self.sides(row), &self.bounds(row));
            match step {
                Step::ConfirmFlag => {
                    let flag = self.reader.read_flag(&row.key).await?;
                    if flag && row.flag == Flag::Listed(false) {
                        compared.list_lied |= !self.was_sent_meanwhile(row).await;
                    }
                    row.flag = Flag::Confirmed(flag);
                }
                Step::FetchCopy => self.fetch(row).await?,
                Step::Agreed | Step::Note | Step::Found(_) => return Ok(step),
            }
        }
        debug_assert!(false, "questions about {} do not end", row.key);
        Ok(Step::Agreed)
    }

    /// Whether Saldo itself has set a flag since the list was asked for that shows it false: that list was right. The
    /// order is compared as it stands by then.
    async fn was_sent_meanwhile(&self, row: &mut Row) -> bool {
        let files = self.core.store.order_files(std::slice::from_ref(&row.key)).await;
        let file = match files {
            Ok(mut files) => files.pop().flatten(),
            Err(error) => {
                tracing::debug!(order = %row.key, %error, "an order could not be looked at again");
                None
            }
        };
        let was_sent = row.listed_since.is_some()
            && file.as_ref().is_some_and(|file| {
                let is_since = file.order.flag_confirmed_at >= row.listed_since;
                let is_being_sent = file.delivery.is_some() && file.order.level();
                is_being_sent || (file.order.flag_confirmed == Some(true) && is_since)
            });
        if was_sent {
            row.file = file;
        }
        was_sent
    }

    async fn fetch(&self, row: &mut Row) -> Result<(), ReadError> {
        let (form, source) = self.reader.find_order(&row.key).await?;
        let word = match source {
            Source::Live => Word::Live,
            Source::Posted | Source::Listed | Source::Searched => Word::Single,
        };
        let fetched = match form {
            Some(form) => Row::shown(row.key.clone(), &form, source, word),
            None => Row::absent(row.key.clone(), word),
        };
        row.copy = fetched.copy;
        row.word = word;
        row.stored_at = row.stored_at.or(fetched.stored_at);
        Ok(())
    }

    fn sides(&self, row: &Row) -> Sides {
        let shown = match &row.copy {
            None => Shown::Absent,
            Some(Err(_)) => Shown::Unreadable,
            Some(Ok(copy)) => Shown::Copy(copy),
        };
        let is_ours = modes::is_ours(self.core, self.rollout, &row.key, row.bought_at());
        let deduct_when_bought = self.core.settings.deduct_when_bought;
        let sides = look(
            row.file.as_ref(),
            shown,
            is_ours,
            deduct_when_bought,
            (row.flag, row.word),
        );
        Sides {
            missing: row.missing,
            ..sides
        }
    }

    fn bounds(&self, row: &Row) -> Bounds {
        // Where Saldo is off or only watches, it changes and sends nothing.
        let acts = self.rollout.acting(&row.key) == Acting::On;
        Bounds {
            auto_fix: self.auto_fix && acts,
            young: self.is_young(row) || self.is_the_pollers(row),
            live: self.core.live_orders() == Some(true),
        }
    }

    /// Counted from the latest of bought, first stored there, and our last change of it.
    fn is_young(&self, row: &Row) -> bool {
        let changed_at = row.file.as_ref().map(|file| file.order.updated_at);
        let latest = row.bought_at().max(row.stored_at).max(changed_at);
        let hours = self.core.settings.reconciliation.auto_fix_threshold_hours;
        latest.is_some_and(|latest| {
            self.core.now().duration_since(latest) < SignedDuration::from_hours(hours.clamp(0, 876_000))
        })
    }

    /// Whether the poller has still to come to an order, at whatever age: which of both is there first must make no
    /// difference.
    fn is_the_pollers(&self, row: &Row) -> bool {
        let is_after = |moment| row.bought_at().is_some_and(|bought_at| bought_at > moment);
        row.file.is_none() && self.pulled_after.is_some_and(is_after)
    }

    fn found(&self, row: &Row, difference: Difference) -> (Found, Option<Command>) {
        let sides = self.sides(row);
        let found = Found {
            key: row.key.clone(),
            kind: difference.kind,
            local: local_words(&sides, row.file.as_ref()),
            remote: remote_words(&sides, row),
            resolution: difference.resolution,
            review: None,
        };
        (found, self.command(row, difference))
    }

    fn command(&self, row: &Row, difference: Difference) -> Option<Command> {
        let order = row.key.clone();
        match (difference.action, difference.kind) {
            (Action::None, _) => None,
            (Action::Redeliver, _) => Some(Command::Redeliver { order }),
            (Action::TakeIn, _) => self.take_in(row).map(Command::TakeIn),
            (Action::Ask, DiscrepancyKind::MissingRemotely) => Some(Command::AskAboutMissing { order }),
            (Action::Ask, DiscrepancyKind::Malformed) => {
                let detail = match &row.copy {
                    Some(Err(detail)) => detail.clone(),
                    _ => String::new(),
                };
                Some(Command::AskAboutMalformed { order, detail })
            }
            (Action::Ask, kind) => {
                let reason = match kind {
                    DiscrepancyKind::MissedOrder => ReviewReason::MissedOrder,
                    DiscrepancyKind::CancelledAfterDeduction => ReviewReason::CancelledAfterDeduction,
                    _ => ReviewReason::QuantityMismatch,
                };
                let order = Box::new(self.take_in(row)?);
                Some(Command::AskAbout { order, reason })
            }
        }
    }

    fn take_in(&self, row: &Row) -> Option<TakeIn> {
        let copy = row.copy.as_ref()?.as_ref().ok()?.clone();
        let remote_flag = match row.flag {
            Flag::Confirmed(flag) => Some(flag),
            Flag::Unread | Flag::Listed(_) => None,
        };
        Some(TakeIn {
            account: row.key.account,
            copy,
            warehouse: None,
            force: false,
            remote_flag,
        })
    }
}

/// How it stands here, for people.
fn local_words(sides: &Sides, file: Option<&OrderFile>) -> String {
    let taken = file.map_or(0, |file| file.order.taken());
    match sides.local {
        Local::Unknown => "not known".to_owned(),
        Local::Outside => "not Saldo's".to_owned(),
        Local::AwaitsPayment => "waits for payment".to_owned(),
        Local::Waiting => "waits for stock or for a person".to_owned(),
        Local::Deducted => format!("deducted, {taken} units"),
        Local::GivenBack => "given back".to_owned(),
    }
}

/// How it stands there, for people.
fn remote_words(sides: &Sides, row: &Row) -> String {
    let order = match sides.remote {
        Remote::Absent => "not there",
        Remote::Unreadable => "cannot be read",
        Remote::Unpaid => "not paid",
        Remote::Ready => "ready",
        Remote::OtherLines => "ready, other lines",
        Remote::Cancelled if sides.sent => "cancelled, goods sent",
        Remote::Cancelled => "cancelled",
    };
    match row.flag {
        Flag::Unread => order.to_owned(),
        Flag::Listed(flag) => format!("{order}, flag {flag} as listed"),
        Flag::Confirmed(flag) => format!("{order}, flag {flag}"),
    }
}
