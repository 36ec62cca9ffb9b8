//! Movements and balances: the ledger of goods.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::AccountId;
use crate::ids::{LineItemId, OfferId, OperationId};
use crate::limits::{BALANCE_MAX, COMPONENTS_MAX, QUANTITY_MAX};
use crate::text::{Sku, Warehouse};

/// One SKU in one warehouse: what a balance is kept for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StockKey {
    /// The SKU.
    pub sku: Sku,
    /// Where it lies.
    pub warehouse: Warehouse,
}

/// The quantity on hand. Always the sum of its movements (invariant 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// Of what.
    pub key: StockKey,
    /// Units on hand; below zero only where that was explicitly allowed.
    pub quantity: i64,
    /// How many movements it has: the `sequence` of the last one.
    pub movements: i64,
    /// When the last movement was written.
    pub updated_at: Timestamp,
}

/// An immutable ledger entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Of what.
    pub key: StockKey,
    /// Counts the movements of this SKU and warehouse, from 1, without gaps.
    pub sequence: i64,
    /// Units: below zero takes, above zero brings.
    pub quantity: i64,
    /// The balance after it.
    pub balance_after: i64,
    /// The operation that caused it.
    pub operation: OperationId,
    /// The order line it is for; none for receipts, counts and transfers.
    pub line: Option<LineItemId>,
    /// Whether a balance below zero was explicitly allowed for it (invariant 5).
    pub negative_allowed: bool,
    /// When it was written.
    pub at: Timestamp,
}

/// An offer of one account: what a mapping is kept for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OfferKey {
    /// The account.
    pub account: AccountId,
    /// The offer.
    pub offer: OfferId,
}

/// One SKU that a sold unit of an offer takes, and how many of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// The SKU.
    pub sku: Sku,
    /// Units of it per sold unit.
    pub units: i64,
}

/// What an offer stands for: wins over `offer.external.id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The offer.
    pub key: OfferKey,
    /// At least one; SKUs are distinct.
    pub components: Vec<Component>,
    /// When it was set.
    pub updated_at: Timestamp,
}

/// Checks the components of a mapping.
///
/// # Errors
/// A message when there are none or too many, when units are out of range, or when a SKU stands twice.
pub fn check_components(components: &[Component]) -> Result<(), String> {
    if components.is_empty() || components.len() > COMPONENTS_MAX {
        return Err(format!("a mapping must have 1 to {COMPONENTS_MAX} components"));
    }
    for (index, component) in components.iter().enumerate() {
        if !(1..=QUANTITY_MAX).contains(&component.units) {
            return Err(format!("units of {} must be 1 to {QUANTITY_MAX}", component.sku));
        }
        if components[..index].iter().any(|other| other.sku == component.sku) {
            return Err(format!("{} stands twice", component.sku));
        }
    }
    Ok(())
}

/// Adds within the bounds of a balance.
///
/// # Errors
/// When the sum leaves ±[`BALANCE_MAX`].
pub fn add(left: i64, right: i64) -> Result<i64, OutOfBounds> {
    match left.checked_add(right) {
        Some(sum) if (-BALANCE_MAX..=BALANCE_MAX).contains(&sum) => Ok(sum),
        _ => Err(OutOfBounds),
    }
}

/// A sum left the bounds of a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a balance would leave ±{BALANCE_MAX}")]
pub struct OutOfBounds;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_leaves_the_bounds_of_a_balance_is_refused() {
        assert_eq!(add(BALANCE_MAX - 1, 1), Ok(BALANCE_MAX));
        assert_eq!(add(1 - BALANCE_MAX, -1), Ok(-BALANCE_MAX));
        for (left, right) in [
            (BALANCE_MAX, 1),
            (-BALANCE_MAX, -1),
            (i64::MAX, 1),
            (i64::MIN, -1),
            (i64::MIN, 0),
        ] {
            assert_eq!(add(left, right), Err(OutOfBounds), "{left} {right}");
        }
    }
}
