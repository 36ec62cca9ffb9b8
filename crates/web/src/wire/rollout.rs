//! The mode, and the orders seen in shadow.

use jiff::Timestamp;
use saldo_domain::ids::AccountId;
use saldo_domain::rollout::{Mode, Rollout, ShadowOrder, Verdict, Would};
use serde::Serialize;
use utoipa::ToSchema;

use super::words::{ModeWord, VerdictWord, WouldWord};

/// How far Saldo is switched on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Mode)]
pub struct ModeBody<'a> {
    /// The mode.
    #[schema(value_type = ModeWord)]
    pub mode: Mode,
    /// In `partial`: accounts that are on.
    #[schema(value_type = Vec<Uuid>)]
    pub accounts: Vec<AccountId>,
    /// In `partial`: the share of the other accounts' orders that is on, 0 to 100.
    pub percent: u8,
    /// Pulled orders bought before this moment belong to the old way: written when Saldo was last switched on.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub start_from: Option<Timestamp>,
    /// When it was last changed; none while it is the configured one.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub changed_at: Option<Timestamp>,
    /// Who changed it: a key's name, or `configuration`.
    pub changed_by: &'a str,
}

impl<'a> ModeBody<'a> {
    pub(crate) fn new(rollout: &'a Rollout) -> Self {
        Self {
            mode: rollout.mode,
            accounts: rollout.accounts.iter().copied().collect(),
            percent: rollout.percent,
            start_from: rollout.start_from,
            changed_at: Some(rollout.changed_at).filter(|moment| *moment != Timestamp::UNIX_EPOCH),
            changed_by: &rollout.changed_by,
        }
    }
}

/// What Saldo in shadow would have done, beside what the orders service shows was done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShadowReport)]
pub struct ShadowReportBody<'a> {
    /// Orders first heard of at or after this moment.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Orders first heard of until this moment.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Orders that were seen.
    pub orders: u64,
    /// Orders where Saldo would have acted as the old way.
    pub same: u64,
    /// Orders where it would not.
    pub differs: u64,
    /// Orders where it is too early to tell.
    pub undecided: u64,
    /// The same in a sentence.
    pub summary: String,
    /// Those asked for, the newest first; without `verdict`, those that differ.
    pub items: Vec<ShadowOrderBody<'a>>,
    /// Ask for this as `cursor` for the next page; none after the last.
    #[schema(required)]
    pub next_cursor: Option<&'a str>,
}

/// One order in shadow.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShadowOrder)]
pub struct ShadowOrderBody<'a> {
    /// The account.
    #[schema(value_type = Uuid)]
    pub token_id: AccountId,
    /// The order.
    pub order_id: &'a str,
    /// When Saldo first heard of it.
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: Timestamp,
    /// What Saldo would have done.
    #[schema(value_type = WouldWord)]
    pub would: Would,
    /// The lines that it would have taken, or why not.
    #[schema(value_type = Value)]
    pub details: &'a serde_json::Value,
    /// The orders service's flag, once it was compared.
    #[schema(required)]
    pub remote_flag: Option<bool>,
    /// When it was last compared.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub compared_at: Option<Timestamp>,
    /// Whether the old way did the same.
    #[schema(value_type = VerdictWord)]
    pub verdict: Verdict,
}

impl<'a> ShadowOrderBody<'a> {
    pub(crate) fn new(order: &'a ShadowOrder) -> Self {
        Self {
            token_id: order.key.account,
            order_id: order.key.order.as_str(),
            seen_at: order.seen_at,
            would: order.would,
            details: &order.details,
            remote_flag: order.remote_flag,
            compared_at: order.compared_at,
            verdict: order.verdict,
        }
    }
}
