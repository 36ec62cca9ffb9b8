//! A value that is read from the store every other second, and not for every request.

use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};

/// Younger than this, a value is used as it is.
const FRESH: SignedDuration = SignedDuration::from_secs(1);
/// From this age on nobody uses it any more: everyone waits for the new one. Between the two, the first who asks
/// fetches the new one while the others still use the old.
const STALE: SignedDuration = SignedDuration::from_secs(2);

/// A cached value.
pub(crate) struct Cached<T> {
    current: RwLock<Option<Stamped<T>>>,
    loading: tokio::sync::Mutex<()>,
}

struct Stamped<T> {
    value: Arc<T>,
    at: Timestamp,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self {
            current: RwLock::new(None),
            loading: tokio::sync::Mutex::new(()),
        }
    }
}

impl<T> Cached<T> {
    /// The value, at most two seconds old.
    pub(crate) async fn get<E>(
        &self,
        now: Timestamp,
        load: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        if let Some(value) = self.younger_than(now, FRESH) {
            return Ok(value);
        }
        let old = self.younger_than(now, STALE);
        let _loading = match (self.loading.try_lock(), old) {
            (Ok(loading), _) => loading,
            (Err(_), Some(old)) => return Ok(old),
            (Err(_), None) => self.loading.lock().await,
        };
        if let Some(value) = self.younger_than(now, FRESH) {
            return Ok(value);
        }
        self.load(now, load).await
    }

    /// The value, read anew unless that was done within the last moments: for one who did not find something in
    /// it that may have been added since.
    pub(crate) async fn look_again<E>(
        &self,
        now: Timestamp,
        load: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        let _loading = self.loading.lock().await;
        match self.younger_than(now, SignedDuration::from_millis(200)) {
            Some(value) => Ok(value),
            None => self.load(now, load).await,
        }
    }

    /// Makes the next one read it anew.
    pub(crate) fn forget(&self) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn load<E>(&self, now: Timestamp, load: impl Future<Output = Result<T, E>>) -> Result<Arc<T>, E> {
        let value = Arc::new(load.await?);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Some(Stamped {
            value: value.clone(),
            at: now,
        });
        Ok(value)
    }

    /// The value if it is young enough. A clock that was set back makes it old.
    fn younger_than(&self, now: Timestamp, age: SignedDuration) -> Option<Arc<T>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let stamped = current.as_ref()?;
        let young = now >= stamped.at && now.duration_since(stamped.at) < age;
        young.then(|| stamped.value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(cached: &Cached<u32>, at_ms: i64, new: u32) -> u32 {
        let now = Timestamp::from_millisecond(at_ms).unwrap();
        *cached.get(now, async { Ok::<_, ()>(new) }).await.unwrap()
    }

    #[tokio::test]
    async fn a_value_is_kept_for_a_second() {
        let cached = Cached::default();
        assert_eq!(get(&cached, 0, 1).await, 1);
        assert_eq!(get(&cached, 999, 2).await, 1);
        assert_eq!(get(&cached, 1_000, 3).await, 3);
        assert_eq!(get(&cached, 500, 4).await, 4, "the clock was set back");
    }

    #[tokio::test]
    async fn whoever_misses_something_makes_it_look_again() {
        let cached = Cached::default();
        assert_eq!(get(&cached, 0, 1).await, 1);
        let now = Timestamp::from_millisecond(200).unwrap();
        assert_eq!(
            *cached.look_again(now, async { Ok::<_, ()>(2) }).await.unwrap(),
            2
        );
        assert_eq!(
            *cached.look_again(now, async { Ok::<_, ()>(3) }).await.unwrap(),
            2
        );
    }

    #[tokio::test]
    async fn a_stale_value_is_not_used_when_the_new_one_cannot_be_read() {
        let cached = Cached::default();
        get(&cached, 0, 1).await;
        let later = Timestamp::from_second(2).unwrap();
        assert_eq!(
            cached.get(later, async { Err::<u32, _>("down") }).await,
            Err("down")
        );
    }
}
