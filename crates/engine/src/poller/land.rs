//! Taking in what a page of the list shows: what is new or changed, and nothing else.

use std::collections::BTreeSet;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use jiff::{SignedDuration, Timestamp};
use saldo_domain::decide::{Command, Outcome, TakeIn};
use saldo_domain::discrepancy::DiscrepancyKind;
use saldo_domain::form::{FormStatus, OrderCopy, first_problem, parse_form};
use saldo_domain::ids::{AccountId, OrderKey};
use saldo_domain::reconcile::{Flag, Local, Remote, Shown, Word, look};
use saldo_domain::review::ReviewReason;
use saldo_domain::rollout::Rollout;
use saldo_domain::view::OrderFile;
use saldo_orders_service::{ListedOrder, Page};
use saldo_store::StoreError;

use crate::api::Event;
use crate::reading::{ReadError, Reader};
use crate::service::StockSynchronizationService;
use crate::{modes, shadow};

/// Flags asked for at once; the gate bounds it further.
const TOGETHER: usize = 8;
/// Turns in a row that may fail before a few orders that cannot be asked about are kept as wishes.
const FAILURES_BORNE: u32 = 2;
/// How many are a few.
const FEW: usize = 5;
/// Wishes, the oldest first, among which those are looked for that were kept before.
const WISHES_LOOKED_AT: usize = 1_000;

/// What became of a page.
#[derive(Debug, Default)]
pub(super) struct Landed {
    /// The latest purchase on it.
    pub(super) newest: Option<Timestamp>,
    /// Orders that were not known before.
    pub(super) new: u64,
    /// Flags asked for.
    pub(super) flags: usize,
    /// Whether some order could not be taken in, nor kept otherwise.
    pub(super) is_held: bool,
}

/// What is to be done with a row.
enum Wanted {
    /// Nothing: all that it tells is known.
    Nothing,
    /// Take it in; nothing rests on its flag.
    TakeIn(OrderCopy),
    /// Ask for its flag first.
    Confirm(OrderCopy),
    /// Ask for a copy that may be believed, and take that in.
    Fetch,
    /// Put it before a person: it cannot be read.
    Ask(String),
}

/// What came of the questions about one row.
enum Asked {
    Command(Command),
    /// The order is wished for: it is fetched later.
    Kept,
    Nothing,
    Failed(ReadError),
}

/// Takes in pages of one account.
pub(super) struct Lander<'t> {
    pub(super) service: &'t StockSynchronizationService,
    pub(super) reader: &'t Reader,
    pub(super) rollout: &'t Rollout,
    pub(super) account: AccountId,
    /// How many turns in a row have failed.
    pub(super) failures: u32,
}

impl Lander<'_> {
    /// Takes in what a page shows.
    pub(super) async fn land(&self, page: Page) -> Result<Landed, StoreError> {
        let core = self.service.core();
        // A date that cannot be right must not carry the watermark beyond all that is to come.
        let latest = core
            .now()
            .checked_add(SignedDuration::from_hours(24))
            .unwrap_or(Timestamp::MAX);
        let mut landed = Landed {
            newest: page
                .orders
                .iter()
                .filter_map(|order| order.listed_at)
                .filter(|moment| *moment <= latest)
                .max(),
            ..Landed::default()
        };
        for row in &page.unreadable {
            tracing::warn!(account = %self.account, row = row.position, row.reason, "a row of the list cannot be read, and is left out");
        }
        let keys: Vec<OrderKey> = page.orders.iter().map(|order| self.key(order)).collect();
        let files = core.store.order_files(&keys).await?;
        let mut wanted = Vec::new();
        let mut shadows = Vec::new();
        let mut new = BTreeSet::new();
        for ((order, key), file) in page.orders.into_iter().zip(keys).zip(files) {
            if file.is_none() {
                new.insert(key.clone());
            }
            if file.as_ref().is_some_and(shadow::may_be_in_shadow) {
                shadows.push((key.clone(), order.flag));
            }
            let one = self.wanted(&key, file.as_ref(), order, page.suspect);
            if !matches!(one, Wanted::Nothing) {
                wanted.push((key, one));
            }
        }
        shadow::compare(core, self.reader, &shadows).await?;
        landed.flags = wanted
            .iter()
            .filter(|(_, one)| matches!(one, Wanted::Confirm(_)))
            .count();
        let asked: Vec<BoxFuture<'_, (OrderKey, Asked)>> = wanted
            .into_iter()
            .map(|(key, one)| self.ask(key, one).boxed())
            .collect();
        let asked: Vec<(OrderKey, Asked)> = futures::stream::iter(asked).buffered(TOGETHER).collect().await;
        let commands = self.sort(asked, &mut new, &mut landed).await?;
        landed.new = new.len() as u64;
        self.execute(commands, &mut landed).await?;
        Ok(landed)
    }

    fn key(&self, order: &ListedOrder) -> OrderKey {
        OrderKey {
            account: self.account,
            order: order.order_id.clone(),
        }
    }

    fn wanted(&self, key: &OrderKey, file: Option<&OrderFile>, row: ListedOrder, suspect: bool) -> Wanted {
        let core = self.service.core();
        let copy = match row.copy {
            Ok(copy) => copy,
            Err(_) if file.is_some() => return Wanted::Nothing,
            // Stored before the beginning, it was bought before: it is the old way's, whatever it says.
            Err(_) if modes::is_before(core, self.rollout, key, row.stored_at) => return Wanted::Nothing,
            Err(problems) => return Wanted::Ask(first_problem(&problems)),
        };
        let is_ours = modes::is_ours(core, self.rollout, key, copy.bought_at);
        let sides = look(
            file,
            Shown::Copy(&copy),
            is_ours,
            core.settings.deduct_when_bought,
            (Flag::Listed(row.flag), Word::Listed),
        );
        let kinds = |kind: DiscrepancyKind| sides.asked.has(kind) || sides.answered.has(kind);
        match (sides.local, sides.remote) {
            // It is recorded either way; only what may be deducted, or compared, needs its flag.
            (Local::Unknown | Local::Outside, _) if file.is_none() => {
                if self.needs_flag(key, &copy, is_ours) {
                    Wanted::Confirm(copy)
                } else {
                    Wanted::TakeIn(copy)
                }
            }
            // It could not be read before.
            (Local::Unknown, _) => Wanted::Confirm(copy),
            // A list that does not look right moves nothing by itself.
            (_, Remote::Cancelled) if suspect => Wanted::Nothing,
            (Local::AwaitsPayment | Local::Waiting, Remote::Cancelled) => Wanted::TakeIn(copy),
            // Whose it is, a person is asked already, or has said.
            _ if file.is_some_and(is_held_elsewhere) => Wanted::Nothing,
            (Local::AwaitsPayment | Local::Waiting, _) if row.flag && !kinds(DiscrepancyKind::RemoteOnly) => {
                Wanted::Confirm(copy)
            }
            (Local::AwaitsPayment, Remote::Ready | Remote::OtherLines) => Wanted::Confirm(copy),
            (Local::Deducted, Remote::Cancelled) => {
                let is_asked = kinds(DiscrepancyKind::CancelledAfterShipment)
                    || kinds(DiscrepancyKind::CancelledAfterDeduction);
                if is_asked {
                    Wanted::Nothing
                } else {
                    Wanted::TakeIn(copy)
                }
            }
            (Local::Deducted, Remote::OtherLines) if !kinds(DiscrepancyKind::QuantityMismatch) => {
                if core.live_orders() == Some(true) {
                    Wanted::Fetch
                } else {
                    Wanted::TakeIn(copy)
                }
            }
            (Local::Deducted, _) if file.is_some_and(|file| !file.order.form_seen) => Wanted::Confirm(copy),
            (Local::Deducted | Local::GivenBack | Local::Outside, _) if sides.tells_news => {
                Wanted::TakeIn(copy)
            }
            _ => Wanted::Nothing,
        }
    }

    fn needs_flag(&self, key: &OrderKey, copy: &OrderCopy, is_ours: bool) -> bool {
        let is_over =
            copy.status == FormStatus::Cancelled || copy.fulfillment_cancelled || copy.fulfilled_by_allegro;
        let is_watched = self.rollout.acting(key) == saldo_domain::rollout::Acting::Shadow;
        !is_over && (is_ours || is_watched)
    }

    /// Asks what a row needs.
    async fn ask(&self, key: OrderKey, wanted: Wanted) -> (OrderKey, Asked) {
        let asked = match wanted {
            Wanted::Nothing => Asked::Nothing,
            Wanted::TakeIn(copy) => Asked::Command(self.take_in(copy, None)),
            Wanted::Ask(detail) => Asked::Command(Command::AskAboutMalformed {
                order: key.clone(),
                detail,
            }),
            Wanted::Confirm(copy) => match self.reader.read_flag(&key).await {
                Ok(flag) => Asked::Command(self.take_in(copy, Some(flag))),
                Err(error) if error.is_permanent() => Asked::Command(Command::AskAboutMalformed {
                    order: key.clone(),
                    detail: format!("the orders service refuses to tell its flag: {error}"),
                }),
                Err(error) => Asked::Failed(error),
            },
            Wanted::Fetch => self.fetch(&key).await,
        };
        (key, asked)
    }

    async fn fetch(&self, key: &OrderKey) -> Asked {
        match self.reader.find_order(key).await {
            Ok((Some(form), source)) => match parse_form(&form, source) {
                Ok(copy) => Asked::Command(self.take_in(copy, None)),
                Err(_) => Asked::Nothing,
            },
            Ok((None, _)) => Asked::Nothing,
            Err(error) => Asked::Failed(error),
        }
    }

    fn take_in(&self, copy: OrderCopy, remote_flag: Option<bool>) -> Command {
        Command::TakeIn(TakeIn {
            account: self.account,
            copy,
            warehouse: None,
            force: false,
            remote_flag,
        })
    }

    /// One order whose question fails while others are answered is kept as a wish, and holds nobody up. When all
    /// fail, the service does, and the page is read again; a few that fail again and again are kept as well. What is
    /// kept is no longer new.
    async fn sort(
        &self,
        mut asked: Vec<(OrderKey, Asked)>,
        new: &mut BTreeSet<OrderKey>,
        landed: &mut Landed,
    ) -> Result<Vec<(OrderKey, Command)>, StoreError> {
        let core = self.service.core();
        let some_answered = asked
            .iter()
            .any(|(_, asked)| matches!(asked, Asked::Command(Command::TakeIn(order)) if order.remote_flag.is_some()));
        let failed = asked
            .iter()
            .filter(|(_, asked)| matches!(asked, Asked::Failed(_)))
            .count();
        let is_stubborn = self.failures > FAILURES_BORNE && failed <= FEW;
        let wished = match failed {
            0 => Vec::new(),
            _ => core.store.wishes(WISHES_LOOKED_AT).await?,
        };
        for (key, asked) in &mut asked {
            if let Asked::Failed(error) = asked {
                let is_wished = wished.contains(key);
                if (is_wished || some_answered || is_stubborn) && matches!(error, ReadError::Failed(_)) {
                    tracing::info!(order = %key, %error, "an order cannot be asked about now; the wish is kept");
                    if !is_wished {
                        core.store.put_wish(key, core.now()).await?;
                    }
                    new.remove(key);
                    *asked = Asked::Kept;
                } else {
                    landed.is_held = true;
                }
            }
        }
        Ok(asked
            .into_iter()
            .filter_map(|(key, asked)| match asked {
                Asked::Command(command) => Some((key, command)),
                Asked::Kept | Asked::Nothing | Asked::Failed(_) => None,
            })
            .collect())
    }

    async fn execute(
        &self,
        commands: Vec<(OrderKey, Command)>,
        landed: &mut Landed,
    ) -> Result<(), StoreError> {
        if commands.is_empty() {
            return Ok(());
        }
        let core = self.service.core();
        let (keys, requests): (Vec<OrderKey>, Vec<_>) = commands
            .into_iter()
            .map(|(key, command)| (key, core.request(command)))
            .unzip();
        let mut refused = Vec::new();
        for (key, outcome) in keys.into_iter().zip(core.store.execute_all(requests).await) {
            match outcome {
                Ok(Outcome::Order(outcome)) => {
                    if let Some(id) = outcome.operation {
                        core.tell(Event::Operation { id });
                    }
                    if let Some(id) = outcome.review {
                        core.tell(Event::Review { id });
                    }
                }
                Ok(other) => {
                    return Err(StoreError::Defect(format!(
                        "a pulled order was answered by {other:?}"
                    )));
                }
                // It stands otherwise by now than when it was looked at: the wish asks for its flag.
                Err(StoreError::Refused(refusal)) if refusal.code == "flag_unconfirmed" => {
                    tracing::info!(order = %key, reason = %refusal, "a pulled order needs its flag; the wish is kept");
                    core.store.put_wish(&key, core.now()).await?;
                }
                Err(StoreError::Refused(refusal)) => {
                    tracing::warn!(order = %key, reason = %refusal, "a pulled order cannot be taken in");
                    refused.push(core.request(Command::AskAboutMalformed {
                        order: key,
                        detail: refusal.detail,
                    }));
                }
                Err(error) => {
                    tracing::warn!(order = %key, %error, "a pulled order could not be stored; trying again");
                    landed.is_held = true;
                }
            }
        }
        if !refused.is_empty() {
            let asked = core.store.execute_all(refused).await;
            landed.is_held |= asked.iter().any(Result::is_err);
        }
        core.tell(Event::Status);
        core.wake.notify_one();
        Ok(())
    }
}

/// Whether another account holds a line of an order that waits here, or of which only single lines are known.
fn is_held_elsewhere(file: &OrderFile) -> bool {
    let is_settled = file.order.form_seen && file.order.touched;
    let is_answered = file.order.answered.contains(&ReviewReason::OtherAccount);
    !is_settled && (is_answered || file.open_review(ReviewReason::OtherAccount).is_some())
}
