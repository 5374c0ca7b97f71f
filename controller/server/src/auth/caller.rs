//! The caller of a request.

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
}

impl Caller {
    #[cfg(test)]
    pub(crate) fn for_tests(is_platform: bool) -> Self {
        Self { key_id: ApiKeyId::generate(), tenant_id: TenantId::generate(), is_platform }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        // The gate is in front of every route; without it, nobody is let in.
        parts.extensions.get::<Self>().cloned().ok_or_else(Failure::unauthenticated)
    }
}
