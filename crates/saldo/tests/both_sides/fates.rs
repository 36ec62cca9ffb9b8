//! What happens to each order, and how it has to stand in the end.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

/// Orders, over three accounts.
pub(crate) const ORDERS: u64 = 5_000;
/// SKUs that they sell.
pub(crate) const SKUS: u64 = 20;

/// What happens to an order besides being bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// Nothing.
    Ordinary,
    /// Somebody else has deducted it, and said so.
    DeductedElsewhere,
    /// Its copy cannot be read.
    Unreadable,
    /// Its flag is cleared behind Saldo's back.
    FlagCleared,
    /// It was rolled back, and somebody sets its flag.
    FlagSet,
    /// It is cancelled.
    Cancelled,
    /// It is cancelled, and the service's copy stays as it was.
    CancelledAtAllegro,
    /// It is sent, and cancelled afterwards.
    CancelledAfterShipment,
    /// The buyer wants two of it, and single orders cannot be asked for.
    Revised,
    /// The buyer wants two of it, and single orders can be asked for.
    RevisedLater,
    /// It goes into the form of the next order, and its own vanishes.
    MergedAway,
    /// It goes into a new form together with the order before it.
    MergedInto,
    /// It vanishes at the service.
    Vanished,
    /// The service stored it days late, so that nobody has pulled it.
    Late,
}

/// How an order has to stand in the end: the units taken, the flag, and the open question about it.
pub(crate) type End = (i64, bool, Option<&'static str>);

impl Fate {
    pub(crate) const fn of(number: u64) -> Self {
        match number % 50 {
            3 => Self::DeductedElsewhere,
            7 => Self::Unreadable,
            11 | 12 => Self::FlagCleared,
            14 => Self::FlagSet,
            17 | 18 => Self::Cancelled,
            20 => Self::CancelledAtAllegro,
            23 => Self::CancelledAfterShipment,
            29 => Self::Revised,
            30 => Self::RevisedLater,
            34 => Self::MergedAway,
            35 => Self::MergedInto,
            41 => Self::Vanished,
            45 => Self::Late,
            _ => Self::Ordinary,
        }
    }

    /// Whether it is deducted before anything happens to it.
    pub(crate) const fn is_deducted_first(self) -> bool {
        !matches!(self, Self::DeductedElsewhere | Self::Unreadable | Self::Late)
    }

    pub(crate) const fn ends(self) -> &'static [End] {
        match self {
            Self::Ordinary | Self::FlagCleared => &[(1, true, None)],
            Self::DeductedElsewhere => &[(0, true, Some("remote_only"))],
            Self::Unreadable => &[(0, false, Some("malformed"))],
            Self::FlagSet | Self::Cancelled | Self::CancelledAtAllegro => &[(0, false, None)],
            Self::MergedAway | Self::MergedInto => &[(0, false, None)],
            Self::CancelledAfterShipment => &[(1, true, Some("cancelled_after_shipment"))],
            Self::Revised => &[(1, true, Some("quantity_mismatch"))],
            Self::RevisedLater => &[(2, true, None)],
            Self::Vanished => &[(1, true, Some("missing_remotely"))],
            // Where a page had hidden rows, pulling had not come further than the moment at which this was bought: it
            // is new then.
            Self::Late => &[(0, false, Some("missed_order")), (1, true, None)],
        }
    }
}

/// The account of an order, by its place: they have unequal shares.
pub(crate) const fn account_of(number: u64) -> usize {
    match number / 50 % 10 {
        0..6 => 0,
        6..9 => 1,
        _ => 2,
    }
}

pub(crate) fn sku_of(number: u64) -> String {
    format!("SKU-{}", number % SKUS)
}

/// An order's form when it was bought.
pub(crate) fn form(number: u64, order: Uuid, now: Timestamp) -> Value {
    let minutes_ago = match Fate::of(number) {
        Fate::Late => 60 * 24 * 5,
        _ => 5 + i64::try_from(number % 600).unwrap(),
    };
    let bought_at = (now - SignedDuration::from_mins(minutes_ago)).to_string();
    let quantity = match Fate::of(number) {
        Fate::Unreadable => json!("two"),
        _ => json!(1),
    };
    json!({
        "id": order,
        "status": "READY_FOR_PROCESSING",
        "fulfillment": { "status": "NEW", "shipmentSummary": { "lineItemsSent": "NONE" } },
        "lineItems": [{
            "id": Uuid::new_v5(&order, b"line"),
            "offer": { "id": "13445358955", "external": { "id": sku_of(number) } },
            "quantity": quantity,
            "boughtAt": bought_at,
        }],
        "updatedAt": bought_at,
        "revision": "r1",
    })
}

pub(crate) fn revised(mut form: Value, now: Timestamp) -> Value {
    form["lineItems"][0]["quantity"] = json!(2);
    form["revision"] = json!("r2");
    form["updatedAt"] = json!(now.to_string());
    form
}

pub(crate) fn cancelled(mut form: Value, now: Timestamp) -> Value {
    form["status"] = json!("CANCELLED");
    form["revision"] = json!("r3");
    form["updatedAt"] = json!(now.to_string());
    form
}

pub(crate) fn sent(mut form: Value) -> Value {
    form["fulfillment"] = json!({ "status": "SENT", "shipmentSummary": { "lineItemsSent": "ALL" } });
    form
}

/// The new form of two purchases that were paid together: with the lines of both.
pub(crate) fn merged(away: &Value, into: &Value, order: Uuid, now: Timestamp) -> Value {
    let mut form = into.clone();
    form["id"] = json!(order);
    form["updatedAt"] = json!(now.to_string());
    form["revision"] = json!("merged");
    let lines = form["lineItems"].as_array_mut().unwrap();
    lines.push(away["lineItems"][0].clone());
    form
}
