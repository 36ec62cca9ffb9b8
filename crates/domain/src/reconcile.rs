//! What follows from how one order stands here and at the orders service: the table of section 7.
//!
//! [`about_copy`] looks at the order itself, [`about_flag`] at its stock flag. Either may ask for more certainty first:
//! a list that shows a flag, or that fails to show an order, is only a hint. [`look()`] finds how an order stands.

mod look;

pub use look::{Shown, look};

use crate::discrepancy::{DiscrepancyKind, DiscrepancyResolution};

/// How an order stands here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Local {
    /// Nothing is known of it, and it would be taken in.
    Unknown,
    /// It is none of Saldo's, and nothing of it was ever moved: of the old way, from before the beginning, cancelled,
    /// merged, Allegro's own, settled elsewhere.
    Outside,
    /// It waits for payment.
    AwaitsPayment,
    /// It waits for stock or for a person, and nothing of it was ever moved.
    Waiting,
    /// Stock is taken for it.
    Deducted,
    /// Stock was taken for it, and all of it was given back.
    GivenBack,
}

impl Local {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Outside,
        Self::AwaitsPayment,
        Self::Waiting,
        Self::Deducted,
        Self::GivenBack,
    ];
}

/// How an order stands at the service, its flag apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remote {
    /// It is not shown.
    Absent,
    /// Its copy cannot be read.
    Unreadable,
    /// It is not paid.
    Unpaid,
    /// It is ready, with the lines that are known here, or of an older copy.
    Ready,
    /// It is ready, with other lines than are known here.
    OtherLines,
    /// It is cancelled.
    Cancelled,
}

impl Remote {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Absent,
        Self::Unreadable,
        Self::Unpaid,
        Self::Ready,
        Self::OtherLines,
        Self::Cancelled,
    ];
}

/// What is known of an order's flag at the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flag {
    /// Nothing.
    Unread,
    /// What a list shows: a false may only mean that it could not be read.
    Listed(bool),
    /// What the flags call says.
    Confirmed(bool),
}

/// On whose word the copy rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// A list that looks right.
    Listed,
    /// A list that does not.
    Suspect,
    /// The service was asked for this order alone, and answered what it has stored.
    Single,
    /// The service was asked for this order alone, and asked Allegro.
    Live,
}

/// For how long an order was missing at the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// This is the first complete pass that lacks it, or the first that counts.
    AtFirst,
    /// A complete pass lacked it before, and a person was to be asked only later.
    NotForLong,
    /// A complete pass lacked it before, and that was long enough ago.
    ForLong,
}

/// Everything that one comparison depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    /// How it stands here.
    pub local: Local,
    /// How it stands there.
    pub remote: Remote,
    /// Its flag there.
    pub flag: Flag,
    /// On whose word the copy rests.
    pub word: Word,
    /// Whether goods were sent, as either side knows.
    pub sent: bool,
    /// Whether the copy tells something that intake has not seen.
    pub tells_news: bool,
    /// Whether an operation of it is under way: a delivery is owed or being made.
    pub under_way: bool,
    /// Kinds that a person is being asked about.
    pub asked: Kinds,
    /// Kinds that a person has answered, with nothing to move.
    pub answered: Kinds,
    /// For how long it was missing, where it is.
    pub missing: Missing,
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Whether anything is done; otherwise differences are only reported.
    pub auto_fix: bool,
    /// Whether the order is younger than `auto_fix_threshold_hours`.
    pub young: bool,
    /// Whether the service can ask Allegro for a single order.
    pub live: bool,
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds(u16);

impl Kinds {
    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        DiscrepancyKind::ALL.into_iter().fold(Self::default(), Self::with)
    }

    /// With one more.
    #[must_use]
    pub const fn with(self, kind: DiscrepancyKind) -> Self {
        Self(self.0 | 1 << kind as u16)
    }

    /// Whether it holds a kind.
    #[must_use]
    pub const fn has(self, kind: DiscrepancyKind) -> bool {
        self.0 & (1 << kind as u16) != 0
    }
}

/// What is to be done next about one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing: both sides agree, or Saldo has no opinion.
    Agreed,
    /// Take the copy in: it tells something, and moves no stock.
    Note,
    /// Ask the flags call, and compare again.
    ConfirmFlag,
    /// Ask for this order alone, and compare again.
    FetchCopy,
    /// A difference.
    Found(Difference),
}

/// A difference, and what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Which one.
    pub kind: DiscrepancyKind,
    /// What becomes of it.
    pub resolution: DiscrepancyResolution,
    /// What is to be done for that.
    pub action: Action,
}

/// What is done about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// Take the copy in: the rules of intake put it right, or put it before a person.
    TakeIn,
    /// Send the level again.
    Redeliver,
    /// Put it before a person.
    Ask,
}

/// What follows from the order itself.
#[must_use]
pub fn about_copy(sides: &Sides, bounds: &Bounds) -> Step {
    let step = match (sides.local, sides.remote) {
        (Local::Unknown, remote) => unknown(remote, sides, bounds),
        (Local::AwaitsPayment | Local::Waiting, remote) => waiting(remote, sides, bounds),
        (Local::Deducted, remote) => deducted(remote, sides, bounds),
        (Local::Outside | Local::GivenBack, _) => note(sides, bounds),
    };
    // Nothing is done on the word of a list that does not look right.
    match step {
        Step::Note if sides.word == Word::Suspect => Step::Agreed,
        Step::Found(difference) if sides.word == Word::Suspect && difference.action != Action::None => {
            Step::FetchCopy
        }
        step => step,
    }
}

/// What follows from its stock flag. Saldo has an opinion on it only where it moved stock.
#[must_use]
pub fn about_flag(sides: &Sides, bounds: &Bounds) -> Step {
    let level = match sides.local {
        Local::Deducted => true,
        Local::GivenBack => false,
        Local::Unknown | Local::Outside | Local::AwaitsPayment | Local::Waiting => return Step::Agreed,
    };
    let kind = DiscrepancyKind::NotDelivered;
    match sides.flag {
        Flag::Unread => Step::Agreed,
        // Such a list shows defaults: it may hide a difference as well as show one.
        Flag::Listed(flag) if flag == level && sides.word == Word::Suspect => Step::ConfirmFlag,
        Flag::Listed(flag) | Flag::Confirmed(flag) if flag == level => Step::Agreed,
        _ if sides.under_way => found(kind, DiscrepancyResolution::Watched, Action::None),
        Flag::Listed(_) => Step::ConfirmFlag,
        Flag::Confirmed(_) if !bounds.auto_fix => found(kind, DiscrepancyResolution::Reported, Action::None),
        Flag::Confirmed(_) => found(kind, DiscrepancyResolution::AutoFixed, Action::Redeliver),
    }
}

/// Whether what follows from the order itself settles its flag too: moving its stock has its level sent.
#[must_use]
pub const fn settles_flag(about_copy: Step) -> bool {
    matches!(
        about_copy,
        Step::Found(Difference {
            resolution: DiscrepancyResolution::AutoFixed,
            action: Action::TakeIn,
            ..
        })
    )
}

fn unknown(remote: Remote, sides: &Sides, bounds: &Bounds) -> Step {
    match remote {
        // It was unreadable before, and can be read now: its review closes.
        Remote::Unpaid | Remote::Cancelled
            if sides.asked.has(DiscrepancyKind::Malformed) && bounds.auto_fix =>
        {
            Step::Note
        }
        Remote::Absent | Remote::Cancelled => Step::Agreed,
        Remote::Unreadable => ask(DiscrepancyKind::Malformed, sides, bounds, Action::Ask),
        Remote::Unpaid if matches!(sides.flag, Flag::Listed(true) | Flag::Confirmed(true)) => {
            missed(sides, bounds)
        }
        // What is unpaid is remembered by the poller.
        Remote::Unpaid => Step::Agreed,
        Remote::Ready | Remote::OtherLines => missed(sides, bounds),
    }
}

fn waiting(remote: Remote, sides: &Sides, bounds: &Bounds) -> Step {
    match remote {
        // It calls off what waits, and moves nothing.
        Remote::Cancelled if bounds.auto_fix => Step::Note,
        Remote::Absent | Remote::Unreadable | Remote::Cancelled => still_asked(sides),
        _ if matches!(sides.flag, Flag::Listed(true) | Flag::Confirmed(true)) => missed(sides, bounds),
        Remote::Ready | Remote::OtherLines if sides.local == Local::AwaitsPayment => missed(sides, bounds),
        Remote::Unpaid | Remote::Ready | Remote::OtherLines => still_asked(sides),
    }
}

/// Kinds that an order which nothing was taken for can be before a person for.
const ASKED_WHILE_WAITING: [DiscrepancyKind; 3] = [
    DiscrepancyKind::RemoteOnly,
    DiscrepancyKind::MissedOrder,
    DiscrepancyKind::Malformed,
];

/// What is before a person stays a difference until the answer.
fn still_asked(sides: &Sides) -> Step {
    ASKED_WHILE_WAITING
        .into_iter()
        .find(|kind| sides.asked.has(*kind))
        .map_or(Step::Agreed, |kind| {
            found(kind, DiscrepancyResolution::Review, Action::None)
        })
}

/// Ready there, and not deducted here.
fn missed(sides: &Sides, bounds: &Bounds) -> Step {
    if sides.local != Local::Unknown
        && let Step::Found(difference) = still_asked(sides)
    {
        return Step::Found(difference);
    }
    match sides.flag {
        Flag::Unread | Flag::Listed(_) => Step::ConfirmFlag,
        // Intake asks the person.
        Flag::Confirmed(true) => ask(DiscrepancyKind::RemoteOnly, sides, bounds, Action::TakeIn),
        Flag::Confirmed(false) if sides.remote == Remote::Unpaid => Step::Agreed,
        Flag::Confirmed(false) if sides.local == Local::Waiting => Step::Agreed,
        Flag::Confirmed(false) => fix(DiscrepancyKind::MissedOrder, sides, bounds),
    }
}

fn deducted(remote: Remote, sides: &Sides, bounds: &Bounds) -> Step {
    match remote {
        Remote::Absent => absent(sides, bounds),
        Remote::Cancelled if sides.sent => {
            // Intake asks the person.
            let kind = DiscrepancyKind::CancelledAfterShipment;
            ask(kind, sides, bounds, Action::TakeIn)
        }
        Remote::Cancelled if sides.answered.has(DiscrepancyKind::CancelledAfterDeduction) => Step::Agreed,
        Remote::Cancelled => fix(DiscrepancyKind::CancelledAfterDeduction, sides, bounds),
        Remote::OtherLines => other_lines(sides, bounds),
        Remote::Unreadable | Remote::Unpaid | Remote::Ready => note(sides, bounds),
    }
}

fn other_lines(sides: &Sides, bounds: &Bounds) -> Step {
    let kind = DiscrepancyKind::QuantityMismatch;
    if sides.answered.has(kind) && !sides.tells_news {
        return Step::Agreed;
    }
    if matches!(sides.word, Word::Listed | Word::Suspect) && bounds.live {
        return Step::FetchCopy;
    }
    if sides.word == Word::Live && !sides.sent {
        return fix(kind, sides, bounds);
    }
    ask(kind, sides, bounds, Action::Ask)
}

fn absent(sides: &Sides, bounds: &Bounds) -> Step {
    let kind = DiscrepancyKind::MissingRemotely;
    match sides.word {
        // Such a list proves nothing, and asking for all that it lacks would never end.
        Word::Suspect => Step::Agreed,
        Word::Listed => Step::FetchCopy,
        Word::Single | Word::Live => match sides.missing {
            _ if sides.answered.has(kind) => Step::Agreed,
            Missing::ForLong => ask(kind, sides, bounds, Action::Ask),
            Missing::AtFirst | Missing::NotForLong if sides.asked.has(kind) => {
                found(kind, DiscrepancyResolution::Review, Action::None)
            }
            Missing::AtFirst | Missing::NotForLong => {
                found(kind, DiscrepancyResolution::Watched, Action::None)
            }
        },
    }
}

/// A copy that changes no stock and still tells something.
const fn note(sides: &Sides, bounds: &Bounds) -> Step {
    let is_readable = !matches!(sides.remote, Remote::Absent | Remote::Unreadable);
    if is_readable && sides.tells_news && bounds.auto_fix {
        Step::Note
    } else {
        Step::Agreed
    }
}

/// Puts right what may be put right without asking; asks about the rest.
fn fix(kind: DiscrepancyKind, sides: &Sides, bounds: &Bounds) -> Step {
    if bounds.young && bounds.auto_fix && !sides.under_way && !sides.asked.has(kind) {
        return found(kind, DiscrepancyResolution::AutoFixed, Action::TakeIn);
    }
    ask(kind, sides, bounds, Action::Ask)
}

/// Puts it before a person, unless it is, or was answered.
fn ask(kind: DiscrepancyKind, sides: &Sides, bounds: &Bounds, action: Action) -> Step {
    if sides.asked.has(kind) {
        return found(kind, DiscrepancyResolution::Review, Action::None);
    }
    if sides.answered.has(kind) {
        return Step::Agreed;
    }
    if !bounds.auto_fix {
        return found(kind, DiscrepancyResolution::Reported, Action::None);
    }
    if sides.under_way {
        return found(kind, DiscrepancyResolution::Watched, Action::None);
    }
    found(kind, DiscrepancyResolution::Review, action)
}

const fn found(kind: DiscrepancyKind, resolution: DiscrepancyResolution, action: Action) -> Step {
    Step::Found(Difference {
        kind,
        resolution,
        action,
    })
}

#[cfg(test)]
mod tests;
