//! What webhooks' messages are signed by, as Standard Webhooks has it.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use npanel_model::Secret;
use zeroize::Zeroizing;

use crate::secret::random_bytes;

const PREFIX: &str = "whsec_";

/// A webhook's secret: shared with whoever receives its messages.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// A new secret: 256 random bits.
    pub fn generate() -> Self {
        Self(Zeroizing::new(random_bytes().to_vec()))
    }

    /// As its receiver configures it: `whsec_` and base64.
    pub fn reveal(&self) -> Secret {
        Secret::new(format!("{PREFIX}{}", STANDARD.encode(self.0.as_slice())))
    }

    /// Its bytes, to be sealed.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// What was sealed.
    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The header `webhook-signature` of a message: HMAC-SHA256 of its id, the time of sending in seconds since 1970, and
    /// its body, with points between.
    pub fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag.as_ref()))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's own libraries.
    #[test]
    fn a_signature_is_what_standard_webhooks_has_it() {
        let bytes = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let secret = WebhookSecret::from_bytes(Zeroizing::new(bytes));
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(secret.reveal().expose(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secret = WebhookSecret::generate();
        let shown = format!("{secret:?}{:?}", secret.reveal());
        assert!(!shown.contains(secret.reveal().expose()), "{shown}");
    }
}
