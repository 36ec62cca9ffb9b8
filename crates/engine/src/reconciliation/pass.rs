//! One account's pass: every page of its list, and the ledger's orders that the list did not show.
//!
//! The service lists the newest first, and so does the ledger: both are walked in step, page by page, and only what
//! stands at another place in the other list is kept meanwhile.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use jiff::{SignedDuration, Timestamp};
use saldo_domain::discrepancy::{Run, Watermark};
use saldo_domain::ids::{AccountId, OrderId, OrderKey};
use saldo_domain::reconcile::{Flag, Word};
use saldo_domain::rollout::Rollout;
use saldo_domain::view::OrderFile;
use saldo_orders_service::{ORDERS_PER_PAGE, Page, PageQuery};
use saldo_store::StoreError;
use saldo_store::reconciliations::{BoughtOrder, BoughtRange};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::act::{self, Tallied};
use super::compare::{Compared, Comparer, Row};
use super::{FULL_PASS_HOURS, Place, Under, place_json, stopping};
use crate::api::ReconciliationProgress;
use crate::reading::{ReadError, Reader};
use crate::service::StockSynchronizationService;
use crate::settings::Settings;
use crate::{modes, shadow, watermarks};

/// Orders that are asked about at once; the gate bounds it further.
const TOGETHER: usize = 8;
/// Pauses between the tries to read a page, in seconds.
const PAUSES_SECONDS: [u64; 3] = [2, 10, 30];
/// The same while somebody waits for a run that has not reached anybody yet.
const BRIEF_PAUSES_SECONDS: [u64; 1] = [1];
/// Rows, counted in whole pages, of which the ids are remembered: an order that comes again soon is the same one.
const RECENT_ROWS: u64 = 3 * ORDERS_PER_PAGE;
/// How often a list may get shorter while it is read, before it is given up.
const SHRUNK_MAX: u32 = 100;
/// Rows that a list may have beyond its total before it is taken for one without end.
const BEYOND_TOTAL_MAX: u64 = 1_000;
/// Orders of the ledger that are read ahead at once.
const WALKED_TOGETHER: usize = 200;
/// Orders that the list did not show, kept and asked for singly. Of more, nothing is concluded.
pub(super) const ABSENT_MAX: usize = 1_000;
/// Orders kept that the list showed before the ledger's walk came to them. Of more, some are asked for singly.
const SHOWN_EARLY_MAX: usize = 1_000;
/// How often it is kept where a run is that finds nothing. After a crash, what was compared since then is compared once
/// more.
const KEPT_EVERY: Duration = Duration::from_millis(250);
/// A list with less than so many tenths of the orders of the last full one is suspect.
const SHRUNK_TENTHS: u64 = 9;

/// Where a pass is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct AccountPlace {
    /// Bought at or after this moment.
    pub(super) from: Option<Timestamp>,
    /// Whether it is the whole list.
    is_full: bool,
    /// Rows of a page: the same to the end, as pages of another size may show rows in another order.
    #[serde(default = "usual_page_rows")]
    page_rows: u64,
    /// The next row of the list.
    pub(super) offset: u64,
    /// Rows of the list in all, as the last page said.
    total: Option<u64>,
    /// Orders compared.
    checked: u64,
    /// How often the list got shorter.
    shrunk: u32,
    /// Orders that the list showed before the ledger's walk came to them.
    shown_early: BTreeSet<OrderId>,
    /// The last order of the ledger that was walked over.
    walked: Option<(Timestamp, OrderId)>,
    /// Orders of the ledger that the list has not shown.
    pub(super) absent: BTreeSet<OrderId>,
    /// There were more of these than are kept.
    pub(super) absent_overflow: bool,
    /// The list does not look right.
    pub(super) is_suspect: bool,
    /// Orders that could not be compared to the end.
    #[serde(default)]
    pub(super) unread: u64,
}

/// One account's pass.
pub(super) struct Pass<'r> {
    pub(super) service: &'r StockSynchronizationService,
    pub(super) run: &'r mut Run,
    place: &'r mut Place,
    pub(super) account: AccountId,
    under: &'r Under,
    pub(super) reader: Reader,
    pub(super) rollout: Rollout,
    pub(super) at: AccountPlace,
    watermark: Watermark,
    /// Whether any discrepancy was open when the pass began, so that some may be closed.
    pub(super) closes: bool,
    /// Ids of the last pages.
    recent: VecDeque<BTreeSet<OrderId>>,
    /// When the page that is compared was asked for.
    page_asked_at: Timestamp,
    /// Orders of the ledger, read ahead.
    ahead: VecDeque<BoughtOrder>,
    is_walked_to_the_end: bool,
    /// When it was last kept where it is, and how many differences were found by then.
    kept: Option<(Instant, u64)>,
    /// The run as it is stored.
    stored: Run,
}

/// What a page led to.
enum Read {
    Page(Page),
    /// It is to be read again from an earlier row.
    Again,
    /// It cannot be read.
    Not(String),
}

impl<'r> Pass<'r> {
    /// Begins, or goes on where the run's place says.
    pub(super) async fn begin(
        service: &'r StockSynchronizationService,
        run: &'r mut Run,
        place: &'r mut Place,
        account: AccountId,
        under: &'r Under,
    ) -> Result<Self, StoreError> {
        let core = service.core();
        let watermark = watermarks::of(core, account).await?;
        let at = match place.account.take() {
            Some(at) => at,
            None => first_place(run, &watermark, core.now(), &core.settings),
        };
        Ok(Self {
            rollout: modes::in_force(core).await?,
            reader: Reader::new(core),
            closes: !core.store.open_discrepancies().await?.is_empty(),
            stored: run.clone(),
            service,
            run,
            place,
            account,
            under,
            at,
            watermark,
            recent: VecDeque::new(),
            page_asked_at: core.now(),
            ahead: VecDeque::new(),
            is_walked_to_the_end: false,
            kept: None,
        })
    }

    /// Reads the list to its end and compares; says why where it cannot.
    pub(super) async fn go(&mut self) -> Result<Result<(), String>, StoreError> {
        loop {
            let page = match self.read_page().await? {
                Read::Page(page) => page,
                Read::Again => continue,
                Read::Not(why) => return Ok(Err(why)),
            };
            let is_limited = self.limit_reached(page.orders.len());
            let rows = (page.orders.len() + page.unreadable.len()) as u64;
            // A last page with fewer rows than it should have hides some: they are asked for singly.
            let is_last = !page.has_next && self.at.offset + rows.max(self.at.page_rows) >= page.total;
            if rows == 0 && !is_last {
                return Ok(Err(format!(
                    "the list ended after {} of {} orders; what it lacks is not concluded from",
                    self.at.offset, page.total
                )));
            }
            let oldest = page.orders.iter().filter_map(|order| order.listed_at).min();
            self.page(page).await?;
            if !is_limited
                && !is_last
                && let Some(oldest) = oldest
            {
                self.walk(Some(oldest)).await?;
            }
            self.at.offset += rows;
            self.checkpoint().await?;
            if is_limited {
                return Ok(self.told());
            }
            if is_last {
                break;
            }
        }
        self.walk(None).await?;
        self.absent().await?;
        self.close_vanished().await?;
        self.keep_watermark().await?;
        Ok(self.told())
    }

    fn told(&self) -> Result<(), String> {
        if self.at.unread > 0 {
            return Err(format!(
                "{} orders could not be asked about; the next run does",
                self.at.unread
            ));
        }
        Ok(())
    }

    /// How many orders may still be compared; the page is cut to it.
    fn limit_reached(&self, orders: usize) -> bool {
        let limit = self.run.scope.limit;
        limit.is_some_and(|limit| self.at.checked + orders as u64 >= limit)
    }

    async fn read_page(&mut self) -> Result<Read, StoreError> {
        let mut pauses = self.pauses().iter();
        loop {
            self.check_held()?;
            let query = PageQuery {
                offset: self.at.offset,
                rows: self.at.page_rows,
                from: self.at.from,
                to: self.run.scope.to,
            };
            self.page_asked_at = self.service.core().now();
            let answer = self.reader.list_page(self.account, query).await;
            self.run.tally.calls += self.reader.take_calls();
            let why = match answer {
                Ok(page) => {
                    self.place.is_reached = true;
                    return Ok(self.accept(page));
                }
                Err(ReadError::Stopping) => return Err(stopping()),
                Err(error) => error,
            };
            match pauses.next() {
                Some(pause) if !why.is_permanent() => {
                    tracing::info!(account = %self.account, %why, pause, "a page of the list will be read again");
                    self.pause(Duration::from_secs(*pause)).await?;
                }
                _ => {
                    return Ok(Read::Not(format!(
                        "its list could not be read from row {} on: {why}",
                        self.at.offset
                    )));
                }
            }
        }
    }

    /// A run that nobody waits for has all the time. Who waits is told at once that nobody is reached.
    fn pauses(&self) -> &'static [u64] {
        if !self.under.is_waited_for || self.place.is_reached {
            &PAUSES_SECONDS
        } else if self.place.errors.is_empty() {
            &BRIEF_PAUSES_SECONDS
        } else {
            &[]
        }
    }

    /// A run that lost its lease does nothing more: another instance may run by now.
    pub(super) fn check_held(&self) -> Result<(), StoreError> {
        self.under.check(self.service.core())
    }

    /// It asks long, and somebody else may do by now what follows. Before anything is done, the store says whether the
    /// right to run is still held: what is written once more changes nothing.
    async fn confirm_held(&self, acts: bool) -> Result<(), StoreError> {
        self.check_held()?;
        if !acts {
            return Ok(());
        }
        let store = self.service.store();
        store.put_run(&self.stored, &self.under.lease).await
    }

    async fn pause(&self, pause: Duration) -> Result<(), StoreError> {
        tokio::select! {
            biased;
            () = self.service.core().stop.cancelled() => Err(stopping()),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    /// Takes notice of how long the list is. One that got shorter has moved rows that were not read yet to where
    /// rows were read already: it is read again from there.
    fn accept(&mut self, page: Page) -> Read {
        let before = self.at.total.replace(page.total);
        match before {
            None => self.run.tally.expected += page.total,
            Some(before) if page.total < before && self.at.offset > 0 => {
                self.at.shrunk += 1;
                self.at.offset = self.at.offset.saturating_sub(before - page.total);
                if self.at.shrunk > SHRUNK_MAX {
                    return Read::Not("its list gets shorter again and again while it is read".to_owned());
                }
                return Read::Again;
            }
            Some(_) => {}
        }
        if self.at.offset > page.total.saturating_add(BEYOND_TOTAL_MAX) {
            return Read::Not(format!("its list does not end, although it says {}", page.total));
        }
        for row in &page.unreadable {
            tracing::warn!(
                account = %self.account, row = self.at.offset + row.position as u64, row.reason,
                "a row of the list cannot be read, and is left out"
            );
        }
        self.at.is_suspect |= page.suspect;
        Read::Page(page)
    }

    /// Compares what a page shows.
    async fn page(&mut self, page: Page) -> Result<(), StoreError> {
        let limit = self.run.scope.limit.unwrap_or(u64::MAX);
        let left = usize::try_from(limit.saturating_sub(self.at.checked)).unwrap_or(usize::MAX);
        let word = if self.at.is_suspect {
            Word::Suspect
        } else {
            Word::Listed
        };
        let mut ids = BTreeSet::new();
        let mut rows = Vec::with_capacity(page.orders.len());
        for listed in page.orders {
            let order = &listed.order_id;
            let is_new = ids.insert(order.clone()) && self.recent.iter().all(|page| !page.contains(order));
            if is_new && rows.len() < left {
                rows.push(Row::listed(self.account, listed, word, self.page_asked_at));
            }
        }
        self.recent.push_back(ids);
        while self.recent.len() as u64 * self.at.page_rows > RECENT_ROWS {
            self.recent.pop_front();
        }
        self.load_files(&mut rows).await?;
        for row in &rows {
            self.was_shown(row);
        }
        self.compare_shadows(&rows).await?;
        self.compare(rows).await
    }

    pub(super) async fn load_files(&self, rows: &mut [Row]) -> Result<(), StoreError> {
        let keys: Vec<OrderKey> = rows.iter().map(|row| row.key.clone()).collect();
        let files = self.service.store().order_files(&keys).await?;
        for (row, file) in rows.iter_mut().zip(files) {
            row.file = file;
        }
        Ok(())
    }

    async fn compare_shadows(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        let seen: Vec<(OrderKey, bool)> = rows
            .iter()
            .filter(|row| row.file.as_ref().is_some_and(shadow::may_be_in_shadow))
            .filter_map(|row| match row.flag {
                Flag::Listed(flag) | Flag::Confirmed(flag) => Some((row.key.clone(), flag)),
                Flag::Unread => None,
            })
            .collect();
        shadow::compare(self.service.core(), &self.reader, &seen).await
    }

    /// Compares orders, records what differs, and does what follows.
    pub(super) async fn compare(&mut self, mut rows: Vec<Row>) -> Result<(), StoreError> {
        let mut compared = self.ask_about(&mut rows).await;
        // A list that was found to lie is believed in nothing: also where it seemed to agree.
        if compared.iter().any(|one| one.list_lied) && !self.at.is_suspect {
            tracing::warn!(account = %self.account, "the list shows false for flags that are true: it is not believed");
            self.at.is_suspect = true;
            for row in &mut rows {
                if row.word == Word::Listed {
                    row.word = Word::Suspect;
                }
            }
            compared = self.ask_about(&mut rows).await;
        }
        self.run.tally.calls += self.reader.take_calls();
        let checked = compared.iter().filter(|one| one.unread.is_none()).count() as u64;
        self.at.unread += compared.len() as u64 - checked;
        self.at.checked += checked;
        self.run.tally.checked += checked;
        let mut keys = Vec::new();
        for (row, one) in rows.iter().zip(&compared) {
            match &one.unread {
                None => keys.push(row.key.clone()),
                Some(ReadError::Stopping) => return Err(stopping()),
                Some(error) => tracing::debug!(order = %row.key, %error, "an order could not be compared"),
            }
        }
        let is_anything = |one: &Compared| one.note.is_some() || !one.found.is_empty();
        self.confirm_held(compared.iter().any(is_anything)).await?;
        let Tallied {
            found,
            fixed,
            for_review,
        } = act::follow(self.service, self.run, &self.under.lease, compared).await?;
        self.run.tally.found += found;
        self.run.tally.fixed += fixed;
        self.run.tally.for_review += for_review;
        if self.closes {
            self.close(&keys).await?;
        }
        Ok(())
    }

    /// Of these orders, what this run did not see is no difference any more.
    pub(super) async fn close(&self, orders: &[OrderKey]) -> Result<(), StoreError> {
        let core = self.service.core();
        let (run, lease) = (self.run.id, &self.under.lease);
        core.store
            .close_discrepancies(run, orders, core.now(), lease)
            .await?;
        Ok(())
    }

    /// Where the poller's backlog began when the pass did; none when nothing is pulled.
    fn pulled_after(&self) -> Option<Timestamp> {
        let is_pulling = self.service.core().settings.poll_seconds > 0;
        is_pulling.then(|| self.watermark.landed.unwrap_or(Timestamp::MIN))
    }

    async fn ask_about(&self, rows: &mut [Row]) -> Vec<Compared> {
        let comparer = Comparer {
            core: self.service.core(),
            reader: &self.reader,
            rollout: &self.rollout,
            auto_fix: self.run.scope.auto_fix,
            pulled_after: self.pulled_after(),
        };
        let comparer = &comparer;
        let asked: Vec<BoxFuture<'_, Compared>> =
            rows.iter_mut().map(|row| comparer.compare(row).boxed()).collect();
        futures::stream::iter(asked).buffered(TOGETHER).collect().await
    }

    /// The list shows an order: it is not absent, wherever the ledger's walk is.
    fn was_shown(&mut self, row: &Row) {
        let order = &row.key.order;
        let was_walked = self.at.absent.remove(order);
        let Some(known) = row.file.as_ref().filter(|file| file.order.touched) else {
            return;
        };
        let at = ledger_at(known);
        let is_passed = was_walked || self.at.walked.as_ref().is_some_and(|(walked, _)| at > *walked);
        // One of which the ledger learns now when it was bought is walked over once more, at that moment.
        let moves = known.order.bought_at.is_none();
        if (!is_passed || moves) && self.at.shown_early.len() < SHOWN_EARLY_MAX {
            self.at.shown_early.insert(order.clone());
        }
    }

    /// Walks the ledger's orders down to a moment, or to the end of the range: what was not shown by then is kept.
    async fn walk(&mut self, down_to: Option<Timestamp>) -> Result<(), StoreError> {
        loop {
            if self.ahead.is_empty() && !self.is_walked_to_the_end {
                self.read_ahead().await?;
            }
            let is_next = |next: &BoughtOrder| down_to.is_none_or(|moment| next.bought_at > moment);
            let Some(next) = self.ahead.pop_front_if(|next| is_next(next)) else {
                return Ok(());
            };
            self.at.walked = Some((next.bought_at, next.order.clone()));
            // Taken in by now, it may not have been known when the list showed it.
            let was_shown_just_now = self.recent.iter().any(|page| page.contains(&next.order));
            if self.at.shown_early.remove(&next.order) || was_shown_just_now {
                continue;
            }
            if self.at.absent.len() < ABSENT_MAX {
                self.at.absent.insert(next.order);
            } else {
                self.at.absent_overflow = true;
            }
        }
    }

    async fn read_ahead(&mut self) -> Result<(), StoreError> {
        let after = self.at.walked.clone();
        let range = BoughtRange {
            account: self.account,
            from: self.at.from,
            to: self.run.scope.to,
            after: after.map(|(bought_at, order)| BoughtOrder { bought_at, order }),
        };
        let orders = self
            .service
            .store()
            .touched_orders(&range, WALKED_TOGETHER)
            .await?;
        self.is_walked_to_the_end = orders.is_empty();
        self.ahead.extend(orders);
        Ok(())
    }

    /// Whether the list is so much shorter than the last full one that it proves nothing.
    pub(super) fn has_shrunk(&self) -> bool {
        let before = self.watermark.last_full_total;
        let total = self.at.total.unwrap_or(0);
        self.at.is_full && before.is_some_and(|before| total * 10 < before * SHRUNK_TENTHS)
    }

    pub(super) const fn total(&self) -> u64 {
        match self.at.total {
            Some(total) => total,
            None => 0,
        }
    }

    /// Something that people should know, although everything was looked at.
    pub(super) fn remark(&mut self, remark: &str) {
        tracing::warn!(account = %self.account, remark, "reconciliation");
        self.place
            .remarks
            .push(format!("account {}: {remark}", self.account));
    }

    pub(super) async fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.check_held()?;
        let core = self.service.core();
        let found = self.run.tally.found;
        let is_due = |(at, of): (Instant, u64)| at.elapsed() >= KEPT_EVERY || of != found;
        if self.kept.is_none_or(is_due) {
            self.place.account = Some(self.at.clone());
            self.run.place = place_json(self.place);
            core.store.put_run(self.run, &self.under.lease).await?;
            self.stored.clone_from(self.run);
            self.kept = Some((Instant::now(), found));
        }
        let accounts = self.place.accounts.as_ref().map_or(0, Vec::len);
        core.progress.send_replace(Some(ReconciliationProgress {
            run: self.run.id,
            scope: self.run.scope.clone(),
            started_at: self.run.started_at,
            account: Some(self.account),
            accounts_done: self.place.done,
            accounts,
            tally: self.run.tally,
        }));
        Ok(())
    }

    /// Whether the whole list was read, and every order of it compared.
    pub(super) const fn is_trusted(&self) -> bool {
        self.at.is_full && !self.at.is_suspect && self.at.unread == 0
    }

    /// Keeps that the list was read to its end.
    async fn keep_watermark(&mut self) -> Result<(), StoreError> {
        if self.at.is_suspect {
            self.remark(
                "its list did not look right; nothing was done on its word, and absence is not concluded",
            );
        }
        let core = self.service.core();
        let now = core.now();
        let is_trusted = self.is_trusted();
        let total = self.at.total;
        watermarks::change(core, self.account, |mark| {
            mark.last_pass_at = Some(now);
            if is_trusted {
                mark.last_full_pass_at = Some(now);
                mark.last_full_total = total;
            }
        })
        .await
    }
}

fn first_place(run: &Run, watermark: &Watermark, now: Timestamp, settings: &Settings) -> AccountPlace {
    let scope = &run.scope;
    let full_since = watermark.last_full_pass_at;
    let is_fresh = full_since
        .is_some_and(|at| at <= now && now.duration_since(at) < SignedDuration::from_hours(FULL_PASS_HOURS));
    let landed = watermark.landed.filter(|_| scope.since_watermark && is_fresh);
    let overlap = SignedDuration::from_hours(settings.overlap_days.clamp(0, 36_500) * 24);
    let since = landed.map(|landed| landed.checked_sub(overlap).unwrap_or(Timestamp::MIN));
    let from = scope.from.max(since);
    AccountPlace {
        is_full: from.is_none() && scope.to.is_none() && scope.limit.is_none(),
        from,
        page_rows: settings.reconciliation.batch_size.clamp(1, ORDERS_PER_PAGE),
        offset: 0,
        total: None,
        checked: 0,
        shrunk: 0,
        shown_early: BTreeSet::new(),
        walked: None,
        absent: BTreeSet::new(),
        absent_overflow: false,
        is_suspect: false,
        unread: 0,
    }
}

const fn usual_page_rows() -> u64 {
    ORDERS_PER_PAGE
}

/// What the ledger sorts its orders by.
fn ledger_at(file: &OrderFile) -> Timestamp {
    file.order.bought_at.unwrap_or(file.order.created_at)
}
