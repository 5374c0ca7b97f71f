//! The gate in front of every route.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, header::AUTHORIZATION};
use npanel_model::{Action, Realm, Timestamp};
use npanel_pki::{ApiKeyText, SecretHash, SessionText};
use npanel_state::{Access, Credential};
use tokio::{sync::Semaphore, time::timeout};
use utoipa::openapi::{OpenApi, path::Operation};

use super::Caller;
use crate::{
    agreement::{Agreement, CATCH_UP},
    http::{Client, Failure},
    rates::Rates,
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
                actions.extend(action_of(operation).map(|action| ((method, path.clone()), action)));
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

/// The action that a key must cover: the one that the operation says it stands for (`x-action`), or its id.
pub(crate) fn action_of(operation: &Operation) -> Option<Action> {
    let said = operation.extensions.as_ref().and_then(|said| said.get("x-action")?.as_str());
    said.or(operation.operation_id.as_deref())?.parse().ok()
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

/// How many unknown credentials are looked for at a time.
const LOOKS_AT_ONCE: usize = 64;

/// What the gate needs.
#[derive(Clone)]
pub(crate) struct Gate {
    agreement: Arc<dyn Agreement>,
    actions: RouteActions,
    second_look: Arc<Semaphore>,
    rates: Rates,
}

impl Gate {
    pub(crate) fn new(agreement: Arc<dyn Agreement>, actions: RouteActions, rates: Rates) -> Self {
        Self { agreement, actions, second_look: Arc::new(Semaphore::new(LOOKS_AT_ONCE)), rates }
    }

    /// Counts what is not good against the address that it comes from: a few may be mistakes, many are guesses. Who has guessed
    /// too often is told to wait, and nothing is looked for on its account. A good key is let in whatever others at its address do.
    fn count_failure(&self, client: Option<IpAddr>) -> Result<(), Failure> {
        client.map_or(Ok(()), |client| self.rates.of_failure(client)).map_err(Failure::failed_too_often)
    }

    fn unauthenticated(&self, client: Option<IpAddr>) -> Failure {
        self.count_failure(client).err().unwrap_or_else(Failure::unauthenticated)
    }
}

/// Lets a request in whose credential is good and covers the route's action, and tells the route who calls. A public route needs
/// none.
pub(crate) async fn authorise(
    State(gate): State<Gate>,
    matched: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(action) = gate.actions.get(request.method(), matched.as_str()) else {
        return Failure::method_not_allowed().into_response();
    };
    request.extensions_mut().insert(action);
    if action.realm() == Realm::Public {
        return next.run(request).await;
    }
    match admit(&gate, action, request.headers(), Client::of(&request)).await {
        Ok(caller) => {
            tracing::Span::current().record("caller", caller.who().to_string());
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(failure) => failure.into_response(),
    }
}

/// A credential as it was shown.
pub(crate) struct Shown {
    credential: Credential,
    secret: SecretHash,
}

impl Shown {
    /// Reads what is of one of the kinds that are shown here. Each has its prefix: none is taken for another.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let text = bearer(headers)?;
        if let Ok(key) = text.parse::<ApiKeyText>() {
            return Some(Self::of_key(&key));
        }
        let session: SessionText = text.parse().ok()?;
        Some(Self { credential: Credential::Session(session.id), secret: session.secret.hash() })
    }

    /// An API key.
    pub(crate) fn of_key(key: &ApiKeyText) -> Self {
        Self { credential: Credential::ApiKey(key.id), secret: key.secret.hash() }
    }

    /// Whether its secret is one of those on file, and it has not ended.
    pub(crate) fn opens(&self, access: &Access, now: Timestamp) -> bool {
        // Each is compared, so that the time does not tell which.
        let counts = |until: Option<Timestamp>| until.is_none_or(|until| until > now);
        let matching =
            access.secrets.iter().filter(|secret| self.secret.matches(&secret.hash) && counts(secret.until));
        matching.count() > 0 && access.is_alive(now)
    }
}

async fn admit(
    gate: &Gate,
    action: Action,
    headers: &HeaderMap,
    from: Option<IpAddr>,
) -> Result<Caller, Failure> {
    let shown = Shown::read(headers).ok_or_else(|| gate.unauthenticated(from))?;
    let access = find(gate, shown.credential, from).await?.ok_or_else(Failure::unauthenticated)?;
    if !shown.opens(&access, Timestamp::now()) {
        return Err(gate.unauthenticated(from));
    }
    let is_from_there = |address: IpAddr| access.networks.iter().any(|network| network.contains(address));
    if !access.networks.is_empty() && !from.is_some_and(is_from_there) {
        return Err(Failure::elsewhere());
    }
    if !access.allowance.covers(action) {
        return Err(Failure::forbidden(action));
    }
    Ok(Caller::new(shown.credential, access))
}

/// What the credential opens. One that is not known here is looked for once more when this controller has all that was
/// acknowledged: another may have just made it, or this one has just joined and has nothing yet. Who cannot find out does not say
/// that the credential is bad: a client would give up. So many look at a time, and share the leader's answer: a stranger's
/// inventions must not become work for it.
async fn find(
    gate: &Gate,
    credential: Credential,
    client: Option<IpAddr>,
) -> Result<Option<Arc<Access>>, Failure> {
    let found = gate.agreement.reader().access(credential).await?;
    if found.is_some() {
        return Ok(found);
    }
    // Before the look, which is work for the leader.
    gate.count_failure(client)?;
    let Ok(_permit) = gate.second_look.try_acquire() else { return Err(Failure::key_not_looked_for()) };
    match timeout(CATCH_UP, gate.agreement.linearize()).await {
        Ok(Ok(())) => Ok(gate.agreement.reader().access(credential).await?),
        Ok(Err(_)) | Err(_) => Err(Failure::key_not_known_yet()),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
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
