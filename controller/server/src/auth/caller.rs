//! The caller of a request.

use aws_lc_rs::hmac;
use axum::extract::FromRequestParts;
use http::request::Parts;
use npanel_model::{ApiKeyId, TenantId};

use crate::http::Failure;

/// Who calls, as the gate found out.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The API key.
    pub(crate) key_id: ApiKeyId,
    /// The tenant whose subtree it sees.
    pub(crate) tenant_id: TenantId,
    /// Whether that is the whole fleet, nodes included.
    pub(crate) is_platform: bool,
    /// Keyed by the API key's own text: a digest of a body that holds a password must not help to guess it.
    mac: hmac::Key,
}

impl Caller {
    pub(super) fn new(key_id: ApiKeyId, tenant_id: TenantId, is_platform: bool, key_text: &str) -> Self {
        Self { key_id, tenant_id, is_platform, mac: hmac::Key::new(hmac::HMAC_SHA256, key_text.as_bytes()) }
    }

    #[cfg(test)]
    pub(crate) fn for_tests(is_platform: bool) -> Self {
        Self::new(ApiKeyId::generate(), TenantId::generate(), is_platform, "k")
    }

    /// The keyed digest of a request, by which a repetition is told from another request.
    pub(crate) fn digest(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.mac);
        for part in [method.as_bytes(), path.as_bytes(), body] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().to_vec()
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        // The gate is in front of every route; without it, nobody is let in.
        parts.extensions.get::<Self>().cloned().ok_or_else(Failure::unauthenticated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_every_part_and_on_the_key() {
        let caller = |key: &str| Caller::new(ApiKeyId::generate(), TenantId::generate(), false, key);
        let (one, same, other) = (caller("a"), caller("a"), caller("b"));
        let digest = one.digest("POST", "/v1/plans", b"{}");
        assert_eq!(digest, same.digest("POST", "/v1/plans", b"{}"));
        assert_ne!(digest, other.digest("POST", "/v1/plans", b"{}"));
        assert_ne!(digest, one.digest("POST", "/v1/plan", b"s{}"));
        assert_ne!(digest, one.digest("POST", "/v1/plans", b"{ }"));
    }
}
