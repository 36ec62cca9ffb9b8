//! What all calls of one simulator share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::authentication::Authentication;
use crate::calls::Calls;
use crate::edge::Clock;
use crate::faults::FaultBoard;
use crate::flags::FlagTotals;
use crate::options::SimulatorOptions;
use crate::seed;
use crate::world::{World, WorldError};

/// What all calls of one simulator share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) seed: u64,
    pub(crate) sku_count: u32,
    pub(crate) user_id: String,
    pub(crate) authentication: Authentication,
    pub(crate) faults: FaultBoard,
    pub(crate) calls: Arc<Calls>,
    pub(crate) flag_totals: Arc<FlagTotals>,
    /// Held while the service's only thread is blocked, as it is while the connection leak bites.
    pub(crate) thread: tokio::sync::Mutex<()>,
    is_mended: AtomicBool,
    world: Mutex<World>,
}

impl Shared {
    pub(crate) fn new(options: SimulatorOptions) -> Result<Self, WorldError> {
        let now = options.clock.now();
        let flag_totals = Arc::new(FlagTotals::default());
        let world = seed::world(&options, &flag_totals, now)?;
        Ok(Self {
            seed: options.seed,
            sku_count: options.sku_count,
            authentication: Authentication::new(&options.jwt_secret),
            user_id: options.user_id,
            faults: FaultBoard::new(options.faults, options.seed, now),
            clock: options.clock,
            calls: Arc::default(),
            flag_totals,
            thread: tokio::sync::Mutex::default(),
            is_mended: AtomicBool::new(options.mended),
            world: Mutex::new(world),
        })
    }

    /// The world, held for short changes only: nothing waits and nothing is rendered under this lock in bulk.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_mended(&self) -> bool {
        self.is_mended.load(Ordering::Acquire)
    }

    pub(crate) fn set_mended(&self, is_mended: bool) {
        self.is_mended.store(is_mended, Ordering::Release);
    }
}
