//! Counts of calls, and which PATCH calls overlap.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::edge::Clock;
use crate::flags::EndedAtUs;
use crate::routes::Endpoint;

type OrderKey = (Uuid, Box<str>);

/// Counts of calls, and the PATCH calls under way. Bounded by the calls that are open at one time.
#[derive(Default)]
pub(crate) struct Calls {
    counts: [AtomicU64; Endpoint::ALL.len()],
    under_way: Mutex<HashMap<OrderKey, u32>>,
    overlap_max: AtomicU32,
}

impl Calls {
    pub(crate) fn count(&self, endpoint: Endpoint) {
        if let Some(counter) = self.counts.get(endpoint as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Marks a PATCH as under way until the guard is dropped.
    pub(crate) fn begin_patch(self: &Arc<Self>, token_id: Uuid, order_id: &str, clock: &Clock) -> CallGuard {
        let key: OrderKey = (token_id, order_id.into());
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let count = under_way.entry(key.clone()).or_insert(0);
        *count += 1;
        self.overlap_max.fetch_max(*count, Ordering::Relaxed);
        drop(under_way);
        CallGuard {
            calls: self.clone(),
            key,
            clock: clock.clone(),
            ended_at_us: EndedAtUs::default(),
        }
    }

    pub(crate) fn view(&self) -> Value {
        let counts: Map<String, Value> = Endpoint::ALL
            .iter()
            .zip(&self.counts)
            .map(|(endpoint, count)| (name_of(*endpoint), Value::from(count.load(Ordering::Relaxed))))
            .collect();
        json!({
            "calls": counts,
            "patches_under_way": self.patches_under_way(),
            "overlapping_patches_max": self.overlap_max.load(Ordering::Relaxed),
        })
    }

    /// PATCH calls that were received and have not ended.
    pub(crate) fn patches_under_way(&self) -> u32 {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .sum()
    }

    pub(crate) fn overlapping_patches_max(&self) -> u32 {
        self.overlap_max.load(Ordering::Relaxed)
    }
}

fn name_of(endpoint: Endpoint) -> String {
    let name = serde_json::to_value(endpoint).unwrap_or_default();
    name.as_str().unwrap_or_default().to_owned()
}

/// A PATCH call under way. It ends when its answer is handed over or when the caller hangs up.
pub(crate) struct CallGuard {
    calls: Arc<Calls>,
    key: OrderKey,
    clock: Clock,
    pub(crate) ended_at_us: EndedAtUs,
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.ended_at_us
            .store(self.clock.now().as_microsecond(), Ordering::Release);
        let mut under_way = self
            .calls
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = under_way.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.key);
            }
        }
    }
}
