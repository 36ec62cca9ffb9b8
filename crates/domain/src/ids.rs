//! Ids: ours are `UUIDv7`, those from Allegro are checked text.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limits::FOREIGN_ID_BYTES_MAX;
use crate::text::{Sku, TextError};

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            #[must_use]
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// One Allegro seller account; the orders service calls it `token_id`.
    AccountId
);
uuid_id!(
    /// One operation of ours.
    OperationId
);
uuid_id!(
    /// One line of an operation's history.
    LogEntryId
);
uuid_id!(
    /// One question for a person.
    ReviewId
);
uuid_id!(
    /// One run of reconciliation.
    RunId
);
uuid_id!(
    /// One difference between the ledger and the orders service.
    DiscrepancyId
);
uuid_id!(
    /// One condition that someone must hear about.
    AlertId
);
uuid_id!(
    /// One message about alerts.
    MessageId
);
uuid_id!(
    /// One report.
    ReportId
);
uuid_id!(
    /// The fencing token of one claim of a delivery: new for every claim, so a stale one never matches.
    LeaseToken
);

macro_rules! foreign_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks an id that came from outside. It is compared byte by byte.
            ///
            /// # Errors
            /// When it is empty, too long, or has anything but letters, digits and `-._:@`, which is all that
            /// Allegro uses, and all that is safe in a path.
            pub fn parse(text: &str) -> Result<Self, TextError> {
                if text.is_empty() || text.len() > FOREIGN_ID_BYTES_MAX {
                    return Err(TextError(format!(
                        concat!($what, " must have 1 to {} characters"), FOREIGN_ID_BYTES_MAX
                    )));
                }
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:@".contains(&byte);
                if !text.bytes().all(allowed) || text.bytes().all(|byte| byte == b'.') {
                    return Err(TextError(
                        concat!($what, " may have letters, digits and -._:@ only").to_owned()
                    ));
                }
                Ok(Self(Arc::from(text)))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;
            fn try_from(text: String) -> Result<Self, TextError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }
    };
}

foreign_id!(
    /// An Allegro checkout form's id. Unique within an account.
    OrderId, "an order id"
);
foreign_id!(
    /// The id of one line item, unique over all accounts at Allegro: what a deduction is remembered by.
    LineItemId, "a line item id"
);
foreign_id!(
    /// An Allegro offer's id.
    OfferId, "an offer id"
);

/// The namespace of ids made for lines that came without one.
const MADE_UP_LINES: Uuid = Uuid::from_u128(0x5a1d_0000_0000_5000_8000_6c69_6e65_6964);

impl LineItemId {
    /// The id of a line that was given without one, made from account, order and SKU, so that the same line
    /// given again is the same line.
    #[must_use]
    pub fn made_up(order: &OrderKey, sku: &Sku) -> Self {
        Self::made_up_for(order, sku.as_str())
    }

    /// The id of a line that has neither an id nor a SKU, made from whatever tells it apart in its order.
    #[must_use]
    pub fn made_up_for(order: &OrderKey, what: &str) -> Self {
        let name = format!("{}\0{}\0{}", order.account, order.order, what);
        let uuid = Uuid::new_v5(&MADE_UP_LINES, name.as_bytes());
        Self(Arc::from(format!("made-{uuid}").as_str()))
    }
}

/// What names one order: order ids are unique only within an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderKey {
    /// The account.
    pub account: AccountId,
    /// The order within it.
    pub order: OrderId,
}

impl fmt::Display for OrderKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of account {}", self.order, self.account)
    }
}

/// Where new ids come from: passed in, so that a seed gives the same history every time.
pub trait IdSource {
    /// A new `UUIDv7` of this moment, greater than all that this source gave before.
    fn next(&mut self, now: Timestamp) -> Uuid;
}

/// Ids from a counter: the same ones on every run. For simulations and tests.
#[derive(Debug, Clone, Default)]
pub struct CountedIds(u64);

impl IdSource for CountedIds {
    fn next(&mut self, now: Timestamp) -> Uuid {
        self.0 += 1;
        uuid_v7(now, self.0)
    }
}

/// A `UUIDv7` (RFC 9562) from a moment and 62 bits that tell ids of one moment apart.
#[must_use]
pub fn uuid_v7(now: Timestamp, distinct: u64) -> Uuid {
    let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let [_, _, time @ ..] = milliseconds.to_be_bytes();
    let mut random = [0_u8; 10];
    random[2..].copy_from_slice(&distinct.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(
        u64::from_be_bytes([0, 0, time[0], time[1], time[2], time[3], time[4], time[5]]),
        &random,
    )
    .into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_source_grow() {
        let mut ids = CountedIds::default();
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let first = ids.next(now);
        let second = ids.next(now);
        assert!(first < second);
        assert_eq!(first.get_version_num(), 7);
    }

    #[test]
    fn foreign_ids_that_could_break_a_path_are_refused() {
        for bad in [
            "",
            "a/b",
            "a b",
            "..",
            "a?b",
            "a%2f",
            "\u{202e}x",
            &"x".repeat(129),
        ] {
            assert!(OrderId::parse(bad).is_err(), "{bad:?}");
        }
        assert!(OrderId::parse("29738e61-7f6a-11f1-ac45-09db60ede9d6").is_ok());
    }

    #[test]
    fn a_made_up_line_id_depends_on_account_order_and_sku() {
        let key = |order: &str| OrderKey {
            account: AccountId::new(Uuid::nil()),
            order: OrderId::parse(order).unwrap(),
        };
        let sku = Sku::parse("A").unwrap();
        assert_eq!(
            LineItemId::made_up(&key("1"), &sku),
            LineItemId::made_up(&key("1"), &sku)
        );
        assert_ne!(
            LineItemId::made_up(&key("1"), &sku),
            LineItemId::made_up(&key("2"), &sku)
        );
    }
}
