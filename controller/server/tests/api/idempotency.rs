//! Requests that are made twice.

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Fleet, JSON, id};

async fn post(fleet: &Fleet, path: &str, key: &str, body: &Value) -> Answer {
    let request = Fleet::request(Method::POST, path, &fleet.admin)
        .header("content-type", JSON)
        .header("idempotency-key", key);
    fleet.send(request.body(Body::from(body.to_string())).expect("a request")).await
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
