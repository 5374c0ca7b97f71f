//! The caller of a request.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use npanel_model::{Action, TenantId};
use npanel_proto::command::principal;
use npanel_state::{Access, Credential, Purview, Who};

use crate::http::Failure;

/// Who calls, as the gate found out.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// What was shown.
    pub(crate) credential: Credential,
    /// The tenant whose subtree the caller acts in.
    pub(crate) tenant_id: TenantId,
    /// Whether that is the whole fleet, nodes included.
    pub(crate) is_platform: bool,
    access: Arc<Access>,
}

impl Caller {
    pub(crate) fn new(credential: Credential, access: Arc<Access>) -> Self {
        let tenant_id = access.purview.tenant_id;
        let is_platform = access.allowance.is_platform && access.purview.accounts.is_none();
        Self { credential, tenant_id, is_platform, access }
    }

    /// Who it is.
    pub(crate) fn who(&self) -> Who {
        self.access.who
    }

    /// What the caller sees.
    pub(crate) fn purview(&self) -> Purview {
        self.access.purview.clone()
    }

    /// All that the credential opens.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// Whether the caller may take the action.
    pub(crate) fn may(&self, action: Action) -> bool {
        self.access.allowance.covers(action)
    }

    /// As commands name who asks.
    pub(crate) fn principal(&self) -> principal::Who {
        match self.credential {
            Credential::ApiKey(id) => principal::Who::ApiKeyId(id.to_bytes()),
            Credential::Session(id) => principal::Who::SessionId(id.to_bytes()),
        }
    }

    #[cfg(test)]
    pub(crate) fn for_tests(is_platform: bool) -> Self {
        let (id, tenant) = (npanel_model::ApiKeyId::generate(), TenantId::generate());
        let allowance = npanel_model::Allowance {
            role: None,
            actions: vec![npanel_model::ActionPattern::everything()],
            narrowed_to: None,
            is_platform,
            is_confined: false,
            only_looks: false,
        };
        let access = Access {
            who: Who::ApiKey(id),
            purview: tenant.into(),
            allowance,
            networks: Vec::new(),
            expires_at: None,
            secrets: Vec::new(),
            request_limits: Vec::new(),
        };
        Self::new(Credential::ApiKey(id), Arc::new(access))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        // The gate is in front of every route; without it, nobody is let in.
        parts.extensions.get::<Self>().cloned().ok_or_else(Failure::unauthenticated)
    }
}
