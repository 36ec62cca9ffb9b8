//! One account's turn: some pages of its list.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use saldo_domain::ids::AccountId;
use saldo_domain::rollout::Rollout;
use saldo_orders_service::{ORDERS_PER_PAGE, Page, PageQuery};
use saldo_store::StoreError;
use tokio::time::Instant;

use super::land::{Landed, Lander};
use crate::reading::Reader;
use crate::service::StockSynchronizationService;
use crate::watermarks;

/// Pages read in one turn; then other accounts have theirs.
const PAGES_MAX: usize = 10;
/// Flags asked for in one turn.
const FLAGS_MAX: usize = 300;
/// How long a turn goes on to further pages.
const TURN: Duration = Duration::from_secs(30);
/// How often a list is read again in full although it seems unchanged, in seconds.
const READ_AGAIN_SECONDS: u64 = 600;

/// What is remembered of one account between its turns. A restart begins again at the watermark.
pub(super) struct Polled {
    pub(super) due_at: Instant,
    pub(super) failures: u32,
    pass: Option<Pass>,
    quiet: Option<Quiet>,
}

impl Default for Polled {
    fn default() -> Self {
        Self {
            due_at: Instant::now(),
            failures: 0,
            pass: None,
            quiet: None,
        }
    }
}

/// A pass over the list from a moment on, the oldest first.
#[derive(Clone)]
struct Pass {
    from: Option<Timestamp>,
    /// How many orders the list had.
    total: u64,
    /// The rows before this one are still to be read.
    below: u64,
    /// Whether an order could not be taken in: the watermark stays before it.
    is_held: bool,
    /// Whether rows were counted and not shown: the watermark stays before them.
    is_short: bool,
}

/// A list that was read to its end: while it has as many orders, its newest page tells whether anything changed.
#[derive(Clone)]
struct Quiet {
    from: Option<Timestamp>,
    total: u64,
    /// Whether rows of it were counted and not shown: then the watermark stays where it is.
    is_short: bool,
    until: Instant,
}

/// How a turn ended.
pub(super) enum Ended {
    /// There is more to read now.
    More,
    /// The list was read to its end.
    Done,
    /// It could not be read.
    Failed(String),
}

/// Reads some pages of an account's list.
pub(super) async fn turn(
    service: &StockSynchronizationService,
    rollout: &Rollout,
    account: AccountId,
    polled: &mut Polled,
) -> Result<Ended, StoreError> {
    let began = Instant::now();
    let reader = Reader::new(service.core());
    let mut turn = Turn {
        lander: Lander {
            service,
            reader: &reader,
            rollout,
            account,
            failures: polled.failures,
        },
        flags: 0,
    };
    if polled.pass.is_none() {
        if let Some(quiet) = polled.quiet.take() {
            match turn.look(quiet).await? {
                Ok(Some(quiet)) => {
                    polled.quiet = Some(quiet);
                    return Ok(Ended::Done);
                }
                Ok(None) => {}
                Err(why) => return Ok(Ended::Failed(why)),
            }
        }
        polled.pass = match turn.begin().await? {
            Ok(pass) => Some(pass),
            Err(why) => return Ok(Ended::Failed(why)),
        };
    }
    let Some(mut pass) = polled.pass.take() else {
        return Ok(Ended::Done);
    };
    for _ in 0..PAGES_MAX {
        if pass.below == 0 {
            break;
        }
        if turn.flags >= FLAGS_MAX || began.elapsed() >= TURN {
            break;
        }
        match turn.page(&mut pass).await? {
            Ok(()) => {}
            Err(why) => return Ok(Ended::Failed(why)),
        }
    }
    if pass.below > 0 {
        polled.pass = Some(pass);
        return Ok(Ended::More);
    }
    if pass.is_held {
        return Ok(Ended::Failed("some orders could not be taken in yet".to_owned()));
    }
    let core = service.core();
    let now = core.now();
    watermarks::change(core, account, |mark| mark.last_pass_at = Some(now)).await?;
    polled.quiet = Some(Quiet {
        from: pass.from,
        total: pass.total,
        is_short: pass.is_short,
        until: Instant::now() + Duration::from_secs(READ_AGAIN_SECONDS),
    });
    Ok(Ended::Done)
}

/// Whether a page has fewer rows than its place in the list says.
fn is_short(page: &Page, offset: u64) -> bool {
    let rows = (page.orders.len() + page.unreadable.len()) as u64;
    rows < ORDERS_PER_PAGE.min(page.total.saturating_sub(offset))
}

struct Turn<'t> {
    lander: Lander<'t>,
    /// Flags asked for.
    flags: usize,
}

impl Turn<'_> {
    async fn list(&self, offset: u64, from: Option<Timestamp>) -> Result<Page, String> {
        let Lander { reader, account, .. } = &self.lander;
        let query = PageQuery {
            from,
            ..PageQuery::at(offset)
        };
        let page = reader.list_page(*account, query).await;
        page.map_err(|error| error.to_string())
    }

    /// Looks at the newest page of a list that was read to its end; none when more than that page changed.
    async fn look(&mut self, quiet: Quiet) -> Result<Result<Option<Quiet>, String>, StoreError> {
        if Instant::now() >= quiet.until {
            return Ok(Ok(None));
        }
        let page = match self.list(0, quiet.from).await {
            Ok(page) => page,
            Err(why) => return Ok(Err(why)),
        };
        let total = page.total;
        let landed = self.land(page).await?;
        let is_all_new = total.checked_sub(quiet.total) == Some(landed.new);
        if landed.is_held || !is_all_new {
            return Ok(Ok(None));
        }
        if !quiet.is_short {
            self.move_watermark(landed.newest).await?;
        }
        Ok(Ok(Some(Quiet { total, ..quiet })))
    }

    /// Begins a pass where everything before has landed. The newest page is taken in at once, so that a backlog does
    /// not keep new orders waiting.
    async fn begin(&mut self) -> Result<Result<Pass, String>, StoreError> {
        let core = self.lander.service.core();
        let landed = watermarks::of(core, self.lander.account).await?.landed;
        let overlap = SignedDuration::from_hours(core.settings.overlap_days.clamp(0, 36_500) * 24);
        let from = landed.map(|landed| landed.checked_sub(overlap).unwrap_or(Timestamp::MIN));
        let page = match self.list(0, from).await {
            Ok(page) => page,
            Err(why) => return Ok(Err(why)),
        };
        let (total, is_short) = (page.total, is_short(&page, 0));
        let is_all = !page.has_next && !is_short;
        let landed = self.land(page).await?;
        if is_all && !landed.is_held {
            self.move_watermark(landed.newest).await?;
        }
        Ok(Ok(Pass {
            from,
            total,
            below: if is_all { 0 } else { total },
            is_held: is_all && landed.is_held,
            is_short: false,
        }))
    }

    /// Reads the next page of a pass. New orders move all rows on; then it is read again from where the rows are.
    async fn page(&mut self, pass: &mut Pass) -> Result<Result<(), String>, StoreError> {
        let offset = pass.below.saturating_sub(ORDERS_PER_PAGE);
        let page = match self.list(offset, pass.from).await {
            Ok(page) => page,
            Err(why) => return Ok(Err(why)),
        };
        if page.total > pass.total {
            pass.below += page.total - pass.total;
            pass.total = page.total;
            return Ok(Ok(()));
        }
        // Rows that went away have moved the others back: what is read is older than it need be.
        pass.below = pass.below.saturating_sub(pass.total - page.total);
        pass.total = page.total;
        if is_short(&page, offset) {
            let account = self.lander.account;
            tracing::warn!(%account, offset, "a page of the list lacks rows that the list counts; it is read again later");
            pass.is_short = true;
        }
        let landed = self.land(page).await?;
        pass.is_held |= landed.is_held;
        pass.below = pass.below.min(offset);
        if !pass.is_held && !pass.is_short {
            self.move_watermark(landed.newest).await?;
        }
        Ok(Ok(()))
    }

    async fn land(&mut self, page: Page) -> Result<Landed, StoreError> {
        let landed = self.lander.land(page).await?;
        self.flags += landed.flags;
        Ok(landed)
    }

    /// Everything bought until then has landed. It never goes back.
    async fn move_watermark(&self, newest: Option<Timestamp>) -> Result<(), StoreError> {
        let core = self.lander.service.core();
        let Some(newest) = newest else { return Ok(()) };
        watermarks::change(core, self.lander.account, |mark| {
            mark.landed = mark.landed.max(Some(newest));
        })
        .await
    }
}
