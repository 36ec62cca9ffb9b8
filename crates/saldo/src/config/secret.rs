//! Text that must not be printed.

use std::fmt;

use saldo_orders_service::SecretText;
use serde::Deserialize;

/// A secret of the configuration. Its `Debug` says only whether there is one.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// Whether nothing was set.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A secret, for tests.
    #[cfg(test)]
    pub(crate) fn new(secret: &str) -> Self {
        Self(secret.to_owned())
    }

    /// The secret, for the channel that needs it.
    pub(crate) fn for_channel(&self) -> saldo_notify::Secret {
        saldo_notify::Secret::new(self.0.clone())
    }

    /// The secret, for the one who signs with it.
    pub(crate) fn for_signing(&self) -> SecretText {
        SecretText::new(self.0.clone())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "[empty]" } else { "[hidden]" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", Secret("open sesame".to_owned())), "[hidden]");
    }
}
