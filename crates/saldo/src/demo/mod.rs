//! The demonstration: everything in one process, on an empty folder, over real HTTP.
//!
//! It tells in plain words what happens, and ends with the proof that both sides agree.

mod forms;

mod house;

mod story;

mod disorder;

mod proof;

pub(crate) use story::{Story, tell};
