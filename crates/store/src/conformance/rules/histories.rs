//! Random histories.
use std::future::Future;
use crate::{Rules, Store};
pub(super) async fn exercise<F, Fut, S>(_make: &F)
where F: Fn(Rules) -> Fut, Fut: Future<Output = S>, S: Store {}
