//! What a suspended tenant's users and keys can still do: sign in, look, have their data, and change what is their own.

use axum::body::Body;
use http::{Method, Request, header};
use serde_json::{Value, json};

use crate::{
    support::{Answer, Fleet, JSON, Reseller, id},
    users::signed_in,
};

const PASSWORD: &str = "correct horse battery";

async fn sign_in(fleet: &Fleet, login: &str, password: &str) -> Answer {
    let body = json!({"login": login, "password": password}).to_string();
    let request = Request::post("/v1/sessions").header(header::CONTENT_TYPE, JSON);
    fleet.send(request.body(Body::from(body)).expect("a request")).await
}

async fn put(fleet: &Fleet, path: &str, key: &str, body: &Value) -> Answer {
    let request = Fleet::request(Method::PUT, path, key).header(header::CONTENT_TYPE, JSON);
    fleet.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

fn token(answer: &Answer) -> String {
    answer.expect(201)["token"].as_str().expect("a token").to_owned()
}

/// A suspended tenant, one of its accounts, and what somebody was signed in by before.
async fn suspended(fleet: &Fleet) -> (Reseller, String, String) {
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", None).await);
    let (_, before) = signed_in(fleet, &of.key, "ann@acme.example", "reseller", json!({})).await;
    let path = format!("/v1/tenants/{}/suspend", of.tenant);
    fleet.post(&path, &fleet.admin, &json!({"reason": "unpaid"})).await.expect(200);
    (of, account, before)
}

async fn export(fleet: &Fleet, account: &str, key: &str) -> u16 {
    let request = Fleet::request(Method::POST, &format!("/v1/accounts/{account}/export"), key);
    fleet.open(request.body(Body::empty()).expect("a request")).await.status().as_u16()
}

/// Reads go on, writes are refused, and each can have what is held on them.
async fn looks_and_changes_nothing(fleet: &Fleet, account: &str, key: &str) {
    let shown = fleet.get(&format!("/v1/accounts/{account}"), key).await.expect(200);
    assert_eq!(shown["suspension"]["of"], "tenant");
    let plan = json!({"name": "new", "disk_mb": 1, "php_version": "8.2"});
    fleet.post("/v1/plans", key, &plan).await.problem(403, "tenant_suspended");
    fleet.delete(&format!("/v1/accounts/{account}"), key).await.problem(403, "tenant_suspended");
    assert_eq!(export(fleet, account, key).await, 200);
}

#[tokio::test]
async fn who_is_signed_in_when_the_tenant_is_suspended_looks_and_changes_nothing() {
    let fleet = Fleet::new().await;
    let (of, account, before) = suspended(&fleet).await;
    looks_and_changes_nothing(&fleet, &account, &before).await;
    looks_and_changes_nothing(&fleet, &account, &of.key).await;
}

#[tokio::test]
async fn who_signs_in_meanwhile_looks_and_changes_what_is_their_own() {
    let fleet = Fleet::new().await;
    let (of, account, _) = suspended(&fleet).await;
    let session = token(&sign_in(&fleet, "ann@acme.example", PASSWORD).await);
    looks_and_changes_nothing(&fleet, &account, &session).await;
    let change = json!({"current": PASSWORD, "new": "another horse battery"});
    put(&fleet, "/v1/me/password", &session, &change).await.expect(200);
    let own = fleet.first("/v1/sessions?alive=true", &session).await;
    // Nobody else is let in, though.
    let user = json!({"login": "bob@acme.example", "name": "Bob", "role": "reseller", "password": PASSWORD});
    fleet.post("/v1/users", &session, &user).await.problem(403, "tenant_suspended");
    fleet.delete(&format!("/v1/sessions/{own}"), &session).await.expect(204);
    // When it is lifted, all is as it was.
    let lift = format!("/v1/tenants/{}/unsuspend", of.tenant);
    fleet.post(&lift, &fleet.admin, &Value::Null).await.expect(200);
    let session = token(&sign_in(&fleet, "ann@acme.example", "another horse battery").await);
    let plan = json!({"name": "new", "disk_mb": 1, "php_version": "8.2"});
    fleet.post("/v1/plans", &session, &plan).await.expect(201);
}

#[tokio::test]
async fn an_access_token_of_a_suspended_tenant_can_no_more_than_its_key() {
    let fleet = Fleet::new().await;
    let (of, account, _) = suspended(&fleet).await;
    let (key, secret) = of.key.strip_prefix("npk_").and_then(|key| key.split_once('.')).expect("a key");
    let form = format!("grant_type=client_credentials&client_id={key}&client_secret={secret}");
    let request =
        Request::post("/v1/oauth/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = fleet.send(request.body(Body::from(form)).expect("a request")).await.expect(200);
    let token = answer["access_token"].as_str().expect("a token");
    looks_and_changes_nothing(&fleet, &account, token).await;
}
