//! Names of goods and places: text that was checked once, at the edge.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::{SKU_CHARACTERS_MAX, WAREHOUSE_CHARACTERS_MAX};

/// Why a text was refused. The message is meant for the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TextError(pub String);

fn checked(text: &str, what: &str, characters_max: usize) -> Result<Arc<str>, TextError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(TextError(format!("{what} must not be empty")));
    }
    if text.chars().count() > characters_max {
        return Err(TextError(format!(
            "{what} must have at most {characters_max} characters"
        )));
    }
    if text.chars().any(char::is_control) {
        return Err(TextError(format!("{what} must not contain control characters")));
    }
    Ok(Arc::from(text))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $characters_max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Trims and checks a text.
            ///
            /// # Errors
            /// When it is empty, too long, or contains control characters.
            pub fn parse(text: &str) -> Result<Self, TextError> {
                checked(text, $what, $characters_max).map(Self)
            }

            /// The text.
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
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// A stock keeping unit, compared byte by byte after trimming. Two that differ only in case or Unicode
    /// form are two SKUs; `saldo doctor` points out such pairs.
    Sku, "a SKU", SKU_CHARACTERS_MAX
);
name!(
    /// A named place that holds stock.
    Warehouse, "a warehouse", WAREHOUSE_CHARACTERS_MAX
);

/// Cuts a text to a number of characters and replaces control characters, for messages that are stored.
#[must_use]
pub fn one_line(text: &str, characters_max: usize) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(characters_max)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sku_is_trimmed_and_compared_byte_by_byte() {
        let sku = Sku::parse("  KUB-330-GRA ").unwrap();
        assert_eq!(sku.as_str(), "KUB-330-GRA");
        assert_ne!(sku, Sku::parse("kub-330-gra").unwrap());
    }

    #[test]
    fn empty_long_and_control_texts_are_refused() {
        for bad in ["", "   ", "a\0b", "a\nb", &"x".repeat(4096)] {
            assert!(Sku::parse(bad).is_err(), "{bad:?}");
        }
    }
}
