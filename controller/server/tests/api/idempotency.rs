//! Requests that are made twice.

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use crate::{
    filled::{Filled, writes},
    support::{Answer, Fleet, JSON, id},
};

async fn send(fleet: &Fleet, method: &Method, path: &str, key: &str, body: &Value) -> Answer {
    let request = Fleet::request(method.clone(), path, &fleet.admin)
        .header("content-type", JSON)
        .header("idempotency-key", key);
    fleet.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

async fn post(fleet: &Fleet, path: &str, key: &str, body: &Value) -> Answer {
    send(fleet, &Method::POST, path, key, body).await
}

#[tokio::test]
async fn a_repeated_write_happens_once() {
    let fleet = Fleet::new().await;
    let body = json!({"name": "acme"});
    let first = id(&post(&fleet, "/v1/tenants", "k1", &body).await);
    assert_eq!(id(&post(&fleet, "/v1/tenants", "k1", &body).await), first);
    post(&fleet, "/v1/tenants", "k2", &body).await.problem(409, "name_taken");
}

#[tokio::test]
async fn an_idempotency_key_is_for_one_request() {
    let fleet = Fleet::new().await;
    id(&post(&fleet, "/v1/tenants", "k1", &json!({"name": "acme"})).await);
    let other = post(&fleet, "/v1/tenants", "k1", &json!({"name": "emca"})).await;
    other.problem(422, "idempotency_key_reused");
    let long = "x".repeat(256);
    for key in ["", &long] {
        let answer = post(&fleet, "/v1/tenants", key, &json!({"name": "x"})).await;
        assert_eq!(answer.problem(400, "invalid_header").as_deref(), Some("Idempotency-Key"));
    }
}

#[tokio::test]
async fn a_secret_is_shown_once() {
    let fleet = Fleet::new().await;
    for (path, secret, body) in [
        ("/v1/tokens", "token", json!({"role": "node", "uses": 1, "ttl_seconds": 900})),
        ("/v1/api-keys", "key", json!({"name": "ci", "actions": ["*"]})),
        ("/v1/webhooks", "secret", json!({"url": "https://example.com/", "events": ["*"]})),
    ] {
        let first = post(&fleet, path, path, &body).await;
        let again = post(&fleet, path, path, &body).await;
        assert!(first.expect(201)[secret].is_string(), "{path}");
        assert!(again.expect(201).get(secret).is_none(), "{path}");
        assert_eq!(id(&first), id(&again), "{path}");
        let read = fleet.get(first.header("location"), &fleet.admin).await.expect(200);
        assert!(read.get(secret).is_none(), "{path}");
    }
}

#[tokio::test]
async fn requests_of_one_trace_are_not_taken_for_repetitions() {
    let fleet = Fleet::new().await;
    for name in ["a", "b"] {
        let request = Fleet::request(Method::POST, "/v1/tenants", &fleet.admin)
            .header("content-type", JSON)
            .header("x-request-id", "01901111-2222-7333-8444-555555555555");
        let body = json!({"name": name}).to_string();
        fleet.send(request.body(Body::from(body)).expect("a request")).await.expect(201);
    }
}

#[tokio::test]
async fn a_repeated_deletion_gets_the_first_answer() {
    let fleet = Fleet::new().await;
    let reseller = fleet.reseller("acme").await;
    let account = id(&fleet.account(&reseller, "alice", None).await);
    let remove = async || {
        let request = Fleet::request(Method::DELETE, &format!("/v1/accounts/{account}"), &reseller.key)
            .header("idempotency-key", "k1");
        fleet.send(request.body(Body::empty()).expect("a request")).await
    };
    let (first, again) = (remove().await.expect(202), remove().await.expect(202));
    assert_eq!(first["id"], again["id"]);
    fleet.delete(&format!("/v1/accounts/{account}"), &reseller.key).await.problem(409, "deleting");
}

/// What both answers say: the second without what is shown once.
fn alike(first: &Answer, again: &Answer) -> bool {
    let body = |answer: &Answer| {
        let mut body = if answer.text.is_empty() { Value::Null } else { answer.json() };
        if let Some(fields) = body.as_object_mut() {
            // What is shown once, and what is of the moment of the answer.
            for field in ["token", "key", "password", "secret", "applied_index", "status_since"] {
                fields.remove(field);
            }
        }
        body
    };
    let headers =
        |answer: &Answer| ["location", "npanel-operation", "etag"].map(|name| answer.header(name).to_owned());
    first.status == again.status && headers(first) == headers(again) && body(first) == body(again)
}

async fn repeats(method: &Method, route: &str, operation: &str) {
    let mut filled = Filled::new().await;
    filled.let_all_go().await;
    if operation == "ca.retire" {
        post(&filled.fleet, "/v1/ca/rotate", "before", &json!({})).await.expect(200);
    }
    let (path, body) = (filled.path(route), filled.body(operation));
    let fleet = &filled.fleet;
    let first = send(fleet, method, &path, "k", &body).await;
    assert!(first.status.is_success(), "{operation}: {first:?}");
    let index = |answer: &Answer| answer.header("npanel-index").parse::<u64>().expect("an index");
    let state = fleet.agreement.content().await;
    let again = send(fleet, method, &path, "k", &body).await;
    assert!(alike(&first, &again), "{operation}: {first:?} and then {again:?}");
    assert!(index(&again) >= index(&first), "{operation}");
    // Time goes on: the clock is in the cluster's row.
    let cluster = format!("Text({:?})", b"cluster");
    let now = fleet.agreement.content().await.into_iter();
    let changed: Vec<_> = now.filter(|row| !state.contains(row) && !row.starts_with(&cluster)).collect();
    assert!(changed.is_empty(), "{operation} happened twice: {changed:?}");
    // A route that takes a body minds it, to its last byte.
    if body != Value::Null {
        let text = body.to_string() + " ";
        let request = Fleet::request(method.clone(), &path, &fleet.admin)
            .header("content-type", JSON)
            .header("idempotency-key", "k");
        let other = fleet.send(request.body(Body::from(text)).expect("a request")).await;
        other.problem(422, "idempotency_key_reused");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_happens_once_however_often_it_is_asked_for() {
    let all = writes().into_iter().map(|(method, route, operation)| {
        tokio::spawn(async move { repeats(&method, &route, &operation).await })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.expect("it happens once");
    }
}

#[tokio::test]
async fn an_idempotency_key_is_its_routes() {
    let fleet = Fleet::new().await;
    let tenant = id(&post(&fleet, "/v1/tenants", "k", &json!({"name": "acme"})).await);
    let plan = json!({"name": "basic", "disk_mb": 1, "php_version": "8.2"});
    id(&post(&fleet, "/v1/plans", "k", &plan).await);
    let (path, change) = (format!("/v1/tenants/{tenant}"), json!({"name": "emca"}));
    let other = send(&fleet, &Method::PATCH, &path, "k", &change).await;
    assert_eq!(other.expect(200)["name"], "emca");
}

#[tokio::test]
async fn an_idempotency_key_is_its_tenants_whoever_of_it_asks() {
    let fleet = Fleet::new().await;
    let (one, other) = (fleet.reseller("acme").await, fleet.reseller("other").await);
    let second = fleet.key(&one.key, &one.tenant, &["*"]).await;
    let plan = json!({"name": "big", "disk_mb": 1, "php_version": "8.2"});
    let make = async |key: &str| {
        let request = Fleet::request(Method::POST, "/v1/plans", key)
            .header("content-type", JSON)
            .header("idempotency-key", "k");
        id(&fleet.send(request.body(Body::from(plan.to_string())).expect("a request")).await)
    };
    let first = make(&one.key).await;
    assert_eq!(make(&second).await, first);
    assert_ne!(make(&other.key).await, first);
}

#[tokio::test]
async fn what_has_gone_since_is_not_made_again() {
    let filled = Filled::new().await;
    let (fleet, account) = (&filled.fleet, &filled.ids["accounts"]);
    let user = json!({"account_id": account, "name": "new"});
    id(&post(fleet, "/v1/database-users", "k", &user).await);
    id(&post(fleet, "/v1/databases", "k", &user).await);
    let password = format!("/v1/database-users/{}/password", filled.ids["database-users"]);
    send(fleet, &Method::PUT, &password, "k", &json!({})).await.expect(200);
    let set = format!("/v1/zones/{}/record-sets/{}", filled.zone, filled.ids["record-sets"]);
    send(fleet, &Method::PATCH, &set, "k", &json!({"ttl_seconds": 60})).await.expect(200);
    let removal = format!("/v1/accounts/{account}");
    let removed = send(fleet, &Method::DELETE, &removal, "k", &Value::Null).await;
    removed.expect(202);
    fleet.agreement.report("converged", "removed").await;
    fleet.get(&removal, &fleet.admin).await.problem(404, "not_found");
    for (method, path, body) in [
        (Method::POST, "/v1/database-users", user.clone()),
        (Method::POST, "/v1/databases", user.clone()),
        (Method::PUT, &password, json!({})),
        (Method::PATCH, &set, json!({"ttl_seconds": 60})),
    ] {
        send(fleet, &method, path, "k", &body).await.problem(410, "gone_since");
        send(fleet, &method, path, "k2", &body).await.problem(404, "not_found");
    }
    let again = send(fleet, &Method::DELETE, &removal, "k", &Value::Null).await;
    assert_eq!(again.expect(202)["id"], removed.json()["id"]);
    let other = json!({"account_id": account, "name": "other"});
    post(fleet, "/v1/databases", "k", &other).await.problem(422, "idempotency_key_reused");
}
