//! The accounts and orders a simulator begins with, all following from one seed.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::{Builder, Uuid};

use crate::flags::{FlagTotals, Flags};
use crate::forms::{Form, SeededForm};
use crate::limits::ORDERS_MAX;
use crate::options::SimulatorOptions;
use crate::orders::{Order, Orders, StoredCopy};
use crate::world::{Account, World, WorldError};

/// A day long before any order, at which every account was connected.
const CONNECTED_AT_S: i64 = 1_746_090_000;
/// A day long after any order, at which the accounts expire.
const EXPIRES_AT_S: i64 = 2_051_222_400;

/// Every tenth order shares the time of its neighbour, because the service has no tie-breaker.
const TIE_EVERY: u32 = 10;

fn second(at_s: i64) -> Timestamp {
    Timestamp::from_second(at_s).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The dates of an account, as a freshly connected one has them.
pub(crate) fn account(
    token_id: Uuid,
    user_id: &str,
    account_name: &str,
    totals: &Arc<FlagTotals>,
) -> Account {
    Account {
        token_id,
        user_id: user_id.to_owned(),
        account_name: account_name.to_owned(),
        expires_at: second(EXPIRES_AT_S),
        is_active: true,
        created_at: second(CONNECTED_AT_S),
        updated_at: second(CONNECTED_AT_S),
        orders: Orders::default(),
        flags: Flags::new(totals.clone()),
        offer_stock: HashMap::new(),
    }
}

/// The world at the start of a simulator.
pub(crate) fn world(
    options: &SimulatorOptions,
    totals: &Arc<FlagTotals>,
    now: Timestamp,
) -> Result<World, WorldError> {
    let total = u64::from(options.accounts) * u64::from(options.orders_per_account);
    if total > ORDERS_MAX as u64 {
        return Err(WorldError::TooManyOrders);
    }
    let mut generator = ChaCha8Rng::seed_from_u64(options.seed);
    let mut world = World::default();
    let newest_at = options.newest_order_at.unwrap_or(now);
    for number in 1..=options.accounts {
        let token_id = uuid(&mut generator);
        let mut account = account(token_id, &options.user_id, &format!("account-{number}"), totals);
        // The oldest comes first, as a service that watched the journal would have stored them.
        for age in (0..options.orders_per_account).rev() {
            let order = order(options, &mut generator, newest_at, age);
            account.orders.put(order);
        }
        world.insert(account)?;
    }
    Ok(world)
}

fn uuid(generator: &mut ChaCha8Rng) -> Uuid {
    let mut bytes = [0; 16];
    generator.fill_bytes(&mut bytes);
    Builder::from_random_bytes(bytes).into_uuid()
}

fn order(options: &SimulatorOptions, generator: &mut ChaCha8Rng, newest_at: Timestamp, age: u32) -> Order {
    let step = if age % TIE_EVERY == 1 { age - 1 } else { age };
    let spacing_ms = options.order_spacing_ms.saturating_mul(i64::from(step));
    let bought_at = newest_at
        .checked_sub(SignedDuration::from_millis(spacing_ms))
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let bought_at = Timestamp::from_millisecond(bought_at.as_millisecond()).unwrap_or(bought_at);
    let draw: f64 = generator.random();
    let is_unfinished = draw < options.unfinished_share;
    let is_cancelled = !is_unfinished && draw < options.unfinished_share + options.cancelled_share;
    let is_bought: bool = generator.random();
    let status = match (is_unfinished, is_cancelled, is_bought) {
        (true, _, true) => "BOUGHT",
        (true, _, false) => "FILLED_IN",
        (false, true, _) => "CANCELLED",
        (false, false, _) => "READY_FOR_PROCESSING",
    };
    let stored = SeededForm {
        seed: generator.random(),
        bought_at,
        status,
        has_two_lines: generator.random::<f64>() < options.two_line_share,
        has_moved_on: false,
        sku_count: options.sku_count,
        lines_without_sku_share: options.lines_without_sku_share,
    };
    let has_moved_on = generator.random::<f64>() < options.moved_on_share && is_unfinished;
    let live = if has_moved_on {
        SeededForm {
            status: "READY_FOR_PROCESSING",
            has_moved_on,
            ..stored
        }
    } else {
        stored
    };
    Order {
        order_id: stored.order_id().to_string().into(),
        db_id: uuid(generator),
        stored: Some(StoredCopy {
            form: Form::Seeded(stored),
            order_date: Some(bought_at),
            created_at: bought_at,
            is_deleted: generator.random::<f64>() < options.deleted_share,
        }),
        live: Some(Form::Seeded(live)),
    }
}
