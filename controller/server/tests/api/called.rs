//! Any operation by its method and path, and lists as one item after the other, as the client library does them.

use futures::{FutureExt, StreamExt, TryStreamExt};
use npanel_client::{Error, Method, Request, RequestBody};
use npanel_model::Secret;
use npanel_sdk_types::{CreateTenant, Tenant};
use serde_json::{Value, json};

use crate::served::Served;

fn tenant(name: &str) -> Request {
    let body = json!({"name": name, "account_limit": null});
    Request { body: Some(RequestBody::Json(body)), ..Request::new(Method::POST, "/v1/tenants") }
}

#[tokio::test]
async fn any_operation_is_called_by_its_method_and_path() {
    let served = Served::new().await;
    let client = served.client();
    let document = client.document().await.expect("the document");
    assert_eq!(document["paths"]["/v1/tenants"]["post"]["operationId"], "tenant.create");

    let made = client.call(&tenant("acme")).await.expect("made");
    assert_eq!(made["name"], "acme");
    let id = made["id"].as_str().expect("an id");
    let read = client.call(&Request::new(Method::GET, format!("/v1/tenants/{id}"))).await.expect("read");
    assert_eq!(read, made);

    let mut change = Request::new(Method::PATCH, format!("/v1/tenants/{id}"));
    change.body = Some(RequestBody::Json(json!({"name": "acme-2"})));
    change.headers.push(("if-match".to_owned(), "\"1\"".to_owned()));
    match client.call(&change).await {
        Err(Error::Refused(problem)) => assert_eq!(problem.code, "revision_mismatch"),
        other => panic!("a stale revision: {other:?}"),
    }
    let gone =
        client.call(&Request::new(Method::DELETE, format!("/v1/tenants/{id}"))).await.expect("removed");
    assert_eq!(gone, Value::Null);
}

#[tokio::test]
async fn a_call_that_is_only_looked_at_changes_nothing() {
    let served = Served::new().await;
    let client = served.client();
    assert!(matches!(client.previewing().call(&tenant("acme")).await, Err(Error::Previewed(_))));
    let found = client.list::<Tenant>(&[("name", "acme".to_owned())]).await.expect("a list");
    assert!(found.items.is_empty());
}

#[tokio::test]
async fn a_key_of_ones_own_makes_a_repetition_harmless() {
    let served = Served::new().await;
    let client = served.client();
    let mut request = tenant("acme");
    request.headers.push(("idempotency-key".to_owned(), "once".to_owned()));
    let first = client.call(&request).await.expect("made");
    assert_eq!(client.call(&request).await.expect("again")["id"], first["id"]);
    // Without one, each call is a write of its own.
    match client.call(&tenant("acme")).await {
        Err(Error::Refused(problem)) => assert_eq!(problem.status, 409),
        other => panic!("made twice: {other:?}"),
    }
}

#[tokio::test]
async fn a_key_is_changed_for_an_access_token_and_a_wrong_one_is_refused_in_its_words() {
    let served = Served::new().await;
    let client = served.client();
    let (id, secret) =
        served.fleet.admin.strip_prefix("npk_").and_then(|key| key.split_once('.')).expect("a key");
    let id = id.parse().expect("an id");
    let token = client.access_token(id, &Secret::new(secret), Some("tenant.list")).await.expect("a token");
    assert_eq!((token.token_type.as_str(), token.scope.as_deref()), ("Bearer", Some("tenant.list")));
    match client.access_token(id, &Secret::new("A".repeat(43)), None).await {
        Err(Error::Refused(problem)) => {
            assert_eq!((problem.status, problem.code.as_str()), (401, "invalid_client"));
            assert!(problem.detail.contains("API key") && !problem.request_id.is_empty(), "{problem:?}");
        }
        other => panic!("a wrong secret: {other:?}"),
    }
    let fields =
        [("grant_type", "client_credentials"), ("client_id", &id.to_string()), ("client_secret", secret)];
    let mut request = Request::new(Method::POST, "/v1/oauth/token");
    request.body = Some(RequestBody::Form(fields.map(|(name, value)| (name.into(), value.into())).into()));
    request.is_anonymous = true;
    assert_eq!(client.call(&request).await.expect("a token")["token_type"], "Bearer");
}

async fn with_tenants(served: &Served, names: &[&str]) {
    for name in names {
        let body = CreateTenant::new(name.parse().expect("a name"));
        served.client().create::<Tenant>(&body, npanel_client::Wait::No).await.expect("a tenant");
    }
}

#[tokio::test]
async fn a_list_is_read_item_by_item_through_all_its_pages() {
    let served = Served::new().await;
    with_tenants(&served, &["a-one", "b-two", "c-three", "d-four"]).await;
    let client = served.client();
    let all = client.list_all::<Tenant>(&[]).await.expect("all");
    assert_eq!(all.len(), 5, "those, and the platform");
    let by_pages = client.stream::<Tenant>(&[("limit", "2".to_owned())]);
    let by_pages: Vec<Tenant> = by_pages.try_collect().await.expect("all");
    assert_eq!(by_pages, all);
    let mut request = Request::new(Method::GET, "/v1/tenants");
    request.query.push(("limit".to_owned(), "1".to_owned()));
    let raw: Vec<Value> = client.call_paged(&request).expect("a request").try_collect().await.expect("all");
    let ids = |raw: &[Value]| {
        raw.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(ids(&raw), all.iter().map(|one| one.id.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_page_is_asked_for_when_the_one_before_was_read_and_a_cancelled_read_loses_nothing() {
    let served = Served::new().await;
    with_tenants(&served, &["a-one", "b-two"]).await;
    let client = served.client();
    let mut tenants = client.stream::<Tenant>(&[("limit", "1".to_owned())]);
    // Polled once, and no more waited for: the request is under way.
    assert!(tenants.next().now_or_never().is_none());
    let first = tenants.next().await.expect("one").expect("read");
    // What is made now is seen by a page that was not asked for yet.
    with_tenants(&served, &["c-late"]).await;
    let mut rest = Vec::new();
    while let Some(tenant) = tenants.try_next().await.expect("read") {
        rest.push(tenant);
    }
    assert_eq!(rest.len(), 3, "{rest:?}");
    assert!(rest.iter().all(|tenant| tenant.id != first.id));
    assert_eq!(rest.last().expect("one").name.as_str(), "c-late");
}

#[tokio::test]
async fn a_stream_that_is_refused_says_so_and_ends() {
    let served = Served::new().await;
    let mut tenants = served.client().stream::<Tenant>(&[("limit", "1000000".to_owned())]);
    assert!(matches!(tenants.next().await, Some(Err(Error::Refused(_)))));
    assert!(tenants.next().await.is_none());
}
