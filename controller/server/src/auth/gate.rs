//! The gate in front of every route.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, header::AUTHORIZATION};
use npanel_model::{Action, ApiKeyId, Timestamp};
use npanel_pki::ApiKeyText;
use npanel_state::Login;
use tokio::{sync::Semaphore, time::timeout};
use utoipa::openapi::{OpenApi, path::Operation};

use super::Caller;
use crate::{
    agreement::{Agreement, CATCH_UP},
    http::Failure,
};

/// Which action each route stands for.
#[derive(Debug, Clone)]
pub(crate) struct RouteActions(Arc<HashMap<(Method, String), Action>>);

impl RouteActions {
    /// Reads the routes' actions from the document that they make up.
    pub(crate) fn of(document: &OpenApi) -> Self {
        let mut actions = HashMap::new();
        for (path, item) in &document.paths.paths {
            for (method, operation) in operations(item) {
                let action = operation.operation_id.as_ref().and_then(|id| id.parse().ok());
                actions.extend(action.map(|action| ((method, path.clone()), action)));
            }
        }
        Self(Arc::new(actions))
    }

    fn get(&self, method: &Method, path: &str) -> Option<Action> {
        // A HEAD is answered by the route of GET.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.0.get(&(method.clone(), path.to_owned())).copied()
    }
}

/// The operations of a path, with their methods.
pub(crate) fn operations(item: &utoipa::openapi::PathItem) -> impl Iterator<Item = (Method, &Operation)> {
    let all = [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// How many unknown keys are looked for at a time.
const LOOKS_AT_ONCE: usize = 64;

/// What the gate needs.
#[derive(Clone)]
pub(crate) struct Gate {
    agreement: Arc<dyn Agreement>,
    actions: RouteActions,
    second_look: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new(agreement: Arc<dyn Agreement>, actions: RouteActions) -> Self {
        Self { agreement, actions, second_look: Arc::new(Semaphore::new(LOOKS_AT_ONCE)) }
    }
}

/// Lets a request in whose API key is good and covers the route's action, and tells the route who calls.
pub(crate) async fn authorise(
    State(gate): State<Gate>,
    matched: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(action) = gate.actions.get(request.method(), matched.as_str()) else {
        return Failure::method_not_allowed().into_response();
    };
    match admit(&gate, action, request.headers()).await {
        Ok(caller) => {
            tracing::Span::current().record("api_key", caller.key_id.to_string());
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(action);
            next.run(request).await
        }
        Err(failure) => failure.into_response(),
    }
}

async fn admit(gate: &Gate, action: Action, headers: &HeaderMap) -> Result<Caller, Failure> {
    let text = bearer(headers).ok_or_else(Failure::unauthenticated)?;
    let shown: ApiKeyText = text.parse().map_err(|_| Failure::unauthenticated())?;
    let login = find(gate, shown.id).await?.ok_or_else(Failure::unauthenticated)?;
    let is_expired = login.key.expires_at.is_some_and(|at| at <= Timestamp::now());
    if !shown.secret.hash().matches(&login.secret_hash) || is_expired {
        return Err(Failure::unauthenticated());
    }
    let is_covered = login.key.actions.iter().any(|pattern| pattern.matches(action));
    if !is_covered || (is_for_platform(action) && !login.is_platform) {
        return Err(Failure::forbidden(action));
    }
    Ok(Caller { key_id: login.key.id, tenant_id: login.key.tenant_id, is_platform: login.is_platform })
}

/// The key. One that is not known here is looked for once more when this controller has all that was acknowledged: another may
/// have just made it, or this one has just joined and has nothing yet. Who cannot find out does not say that the key is bad: a
/// client would give up. So many look at a time, and share the leader's answer: a stranger's inventions must not become work for it.
async fn find(gate: &Gate, id: ApiKeyId) -> Result<Option<Arc<Login>>, Failure> {
    let found = gate.agreement.reader().login(id).await?;
    if found.is_some() {
        return Ok(found);
    }
    let Ok(_permit) = gate.second_look.try_acquire() else { return Err(Failure::key_not_looked_for()) };
    match timeout(CATCH_UP, gate.agreement.linearize()).await {
        Ok(Ok(())) => Ok(gate.agreement.reader().login(id).await?),
        Ok(Err(_)) | Err(_) => Err(Failure::key_not_known_yet()),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Whether only the platform's own keys may take the action, whatever their patterns say: machines belong to
/// no tenant.
fn is_for_platform(action: Action) -> bool {
    use Action as A;
    match action {
        A::NodeGet | A::NodeList | A::NodeStatus | A::NodeUpdate => true,
        A::NodeRevoke | A::NodeReplace | A::NodeDelete => true,
        A::NodeEnrol | A::ControllerJoin | A::ControllerRemove | A::ClusterUpdate => true,
        A::ClusterBackup | A::ClusterRestore | A::ControllerReplace => true,
        A::PlacementExplain => false,
        A::TokenCreate | A::TokenGet | A::TokenList | A::TokenDelete | A::ClusterStatus => true,
        A::SecretsStatus | A::SecretsRotate => true,
        A::CaStatus | A::CaRotate | A::CaRetire | A::IdentityRenew => true,
        A::TenantCreate | A::TenantGet | A::TenantList | A::TenantUpdate | A::TenantDelete => false,
        A::PlanCreate | A::PlanGet | A::PlanList | A::PlanUpdate | A::PlanDelete => false,
        A::AccountCreate | A::AccountGet | A::AccountList | A::AccountUpdate | A::AccountDelete => false,
        A::AccountSuspend | A::AccountUnsuspend | A::DomainSuspend | A::DomainUnsuspend => false,
        A::DomainCreate | A::DomainGet | A::DomainList | A::DomainUpdate | A::DomainDelete => false,
        A::DatabaseCreate | A::DatabaseGet | A::DatabaseList | A::DatabaseDelete => false,
        A::DatabaseSetPassword | A::DatabaseSetPrivileges => false,
        A::DatabaseUserCreate | A::DatabaseUserGet | A::DatabaseUserList | A::DatabaseUserDelete => false,
        A::ZoneCreate | A::ZoneGet | A::ZoneList | A::ZoneDelete => false,
        A::RecordAdd | A::RecordGet | A::RecordList | A::RecordUpdate | A::RecordDelete => false,
        A::ApiKeyCreate | A::ApiKeyGet | A::ApiKeyList | A::ApiKeyUpdate | A::ApiKeyDelete => false,
        A::OperationGet | A::OperationList | A::NodeEventList | A::EventList => false,
        A::WebhookCreate | A::WebhookGet | A::WebhookList | A::WebhookUpdate | A::WebhookDelete => false,
        A::AuditList | A::AuditKey | A::AuditCheckpoint | A::AuditListCheckpoints => false,
        A::AuditProve | A::AuditVerify => false,
        A::CronSetJobs | A::CronGetJobs | A::CronListJobs => false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let value = |text: &&str| (AUTHORIZATION, HeaderValue::from_str(text).expect("a header"));
        let mut headers = HeaderMap::new();
        for (name, value) in values.iter().map(value) {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn only_one_bearer_credential_is_taken() {
        assert_eq!(bearer(&headers(&["Bearer npk_x"])), Some("npk_x"));
        assert_eq!(bearer(&headers(&["bearer npk_x"])), Some("npk_x"));
        for values in [&[][..], &["npk_x"], &["Basic npk_x"], &["Bearer a", "Bearer b"]] {
            assert_eq!(bearer(&headers(values)), None, "{values:?}");
        }
    }
}
