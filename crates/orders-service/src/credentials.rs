//! How Saldo proves to the orders service who it is.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use reqwest::header::HeaderValue;

use crate::error::ErrorClass;
use crate::failure::Failure;
use crate::jwt;
use crate::options::OptionsError;

/// Text that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    pub(crate) fn hide_in(&self, words: &str, instead: &str) -> String {
        if self.0.is_empty() {
            words.to_owned()
        } else {
            words.replace(&self.0, instead)
        }
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[hidden]")
    }
}

/// What the user gave.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// The service's `JWT_SECRET_KEY`: Saldo mints its own short-lived tokens.
    SharedSecret {
        /// The secret.
        secret: SecretText,
        /// Whose accounts are meant: the service compares it with the owner of each account.
        user_id: String,
    },
    /// A ready token, sent as it is until the service refuses it.
    Token(SecretText),
}

/// A minted token and the time it is good for.
struct Minted {
    header: HeaderValue,
    from: Timestamp,
    until_second: i64,
}

/// Gives out the header of each request. Minting costs more than the rest of a call, so a token is kept.
pub(crate) struct Bearer {
    credentials: Credentials,
    /// The header of a ready token.
    fixed: Option<HeaderValue>,
    minted: Mutex<Option<Minted>>,
}

impl Bearer {
    pub(crate) fn new(credentials: Credentials) -> Result<Self, OptionsError> {
        let fixed = match &credentials {
            Credentials::SharedSecret { secret, user_id } => {
                if secret.reveal().is_empty() || user_id.is_empty() {
                    return Err(OptionsError::Credentials(
                        "the secret and the user id must not be empty",
                    ));
                }
                None
            }
            Credentials::Token(token) => {
                let unusable =
                    OptionsError::Credentials("the token must be visible characters without blanks");
                if token.reveal().is_empty() || !token.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(unusable);
                }
                Some(header_of(token.reveal()).ok_or(unusable)?)
            }
        };
        Ok(Self {
            credentials,
            fixed,
            minted: Mutex::new(None),
        })
    }

    /// The `Authorization` header to send at `now`.
    pub(crate) fn header(&self, now: Timestamp) -> Result<HeaderValue, Failure> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let mut minted = self.minted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = minted.as_ref().filter(|kept| kept.is_good(now)) {
            return Ok(kept.header.clone());
        }
        let fresh = self.mint(now)?;
        let header = fresh.header.clone();
        *minted = Some(fresh);
        Ok(header)
    }

    /// Drops a minted token that the service refused: it may have been minted while the clock was wrong.
    pub(crate) fn forget(&self) {
        *self.minted.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What must never be shown.
    pub(crate) fn secret(&self) -> &SecretText {
        match &self.credentials {
            Credentials::SharedSecret { secret, .. } => secret,
            Credentials::Token(token) => token,
        }
    }

    fn mint(&self, now: Timestamp) -> Result<Minted, Failure> {
        let cannot = || {
            Failure::new(
                ErrorClass::Credentials,
                "a token for the orders service could not be made",
            )
        };
        let Credentials::SharedSecret { secret, user_id } = &self.credentials else {
            return Err(cannot());
        };
        let token = jwt::mint(secret, user_id, now).map_err(|_| cannot())?;
        let header = header_of(&token).ok_or_else(cannot)?;
        Ok(Minted {
            header,
            from: now,
            until_second: jwt::remint_second(now),
        })
    }
}

impl Minted {
    /// Not after its end, and not before its start: then the clock was set back.
    fn is_good(&self, now: Timestamp) -> bool {
        now >= self.from && now.as_second() < self.until_second
    }
}

fn header_of(token: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn minting() -> Bearer {
        let secret = SecretText::new("open sesame");
        Bearer::new(Credentials::SharedSecret {
            secret,
            user_id: "seller-1".to_owned(),
        })
        .unwrap()
    }

    #[test]
    fn a_token_is_kept_until_a_minute_before_its_end() {
        let bearer = minting();
        let first = bearer.header(at(1_000)).unwrap();
        assert_eq!(bearer.header(at(1_539)).unwrap(), first);
        assert_ne!(bearer.header(at(1_540)).unwrap(), first);
    }

    #[test]
    fn a_clock_set_back_and_a_refusal_lead_to_a_new_token() {
        let bearer = minting();
        let first = bearer.header(at(1_000)).unwrap();
        assert_ne!(bearer.header(at(999)).unwrap(), first);
        let again = bearer.header(at(999)).unwrap();
        bearer.forget();
        assert_ne!(bearer.header(at(1_000)).unwrap(), again);
    }

    #[test]
    fn a_ready_token_is_sent_as_it_is() {
        let bearer = Bearer::new(Credentials::Token(SecretText::new("ready"))).unwrap();
        assert_eq!(bearer.header(at(0)).unwrap(), "Bearer ready");
        bearer.forget();
        assert_eq!(bearer.header(at(i64::from(u32::MAX))).unwrap(), "Bearer ready");
    }

    #[test]
    fn unusable_credentials_are_refused() {
        for token in ["", "two words", "line\nbreak", "ż"] {
            assert!(
                Bearer::new(Credentials::Token(SecretText::new(token))).is_err(),
                "{token:?}"
            );
        }
        let empty = Credentials::SharedSecret {
            secret: SecretText::new(""),
            user_id: "seller-1".to_owned(),
        };
        assert!(Bearer::new(empty).is_err());
    }

    #[test]
    fn nothing_secret_is_printed() {
        let secret = SecretText::new("open sesame");
        let given = Credentials::SharedSecret {
            secret,
            user_id: "seller-1".to_owned(),
        };
        assert!(!format!("{given:?}").contains("sesame"));
        assert!(!format!("{:?}", minting().header(at(0)).unwrap()).contains("eyJ"));
    }
}
