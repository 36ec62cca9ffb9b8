//! The tokens that the orders service accepts: HS256 with the claim `user_id`, a text.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::credentials::SecretText;

/// How long a token is good for. Short, as it cannot be taken back.
const LIFETIME_SECONDS: i64 = 600;
/// How long before its end it is replaced, so that it does not end on its way.
const MARGIN_SECONDS: i64 = 60;
/// Shown in the service's log. It must be a text, or the service refuses the token.
const USERNAME: &str = "saldo";

#[derive(Serialize)]
struct Claims<'a> {
    user_id: &'a str,
    username: &'a str,
    exp: i64,
}

/// A token for `user_id`, good from `now`.
pub(crate) fn mint(
    secret: &SecretText,
    user_id: &str,
    now: Timestamp,
) -> Result<String, jsonwebtoken::errors::Error> {
    let exp = now.as_second().saturating_add(LIFETIME_SECONDS);
    let claims = Claims {
        user_id,
        username: USERNAME,
        exp,
    };
    let key = EncodingKey::from_secret(secret.reveal().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
}

/// When a token minted at `now` is to be replaced.
pub(crate) fn remint_second(now: Timestamp) -> i64 {
    now.as_second().saturating_add(LIFETIME_SECONDS - MARGIN_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation};

    #[test]
    fn a_token_carries_the_claims_that_the_service_needs() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let token = mint(&SecretText::new("open sesame"), "seller-1", now).unwrap();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        let key = DecodingKey::from_secret(b"open sesame");
        let claims: serde_json::Value = jsonwebtoken::decode(&token, &key, &validation).unwrap().claims;
        let expected =
            serde_json::json!({"user_id": "seller-1", "username": "saldo", "exp": 1_800_000_600_i64});
        assert_eq!(claims, expected);
    }
}
