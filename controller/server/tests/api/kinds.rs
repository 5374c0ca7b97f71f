//! A credential of one kind in the place of another.

use axum::body::Body;
use http::{Request, header};
use serde_json::{Value, json};

use crate::{
    support::{Answer, Fleet, JSON},
    users::signed_in,
};

/// What a fleet gives out, each good in its own place.
struct Credentials {
    key: String,
    session: String,
    bootstrap: String,
}

impl Credentials {
    async fn of(fleet: &Fleet) -> Self {
        let (_, session) = signed_in(fleet, &fleet.admin, "a@example.com", "administrator", json!({})).await;
        let token = json!({"role": "controller", "uses": 5, "ttl_seconds": 900});
        let token = fleet.post("/v1/tokens", &fleet.admin, &token).await.expect(201);
        let bootstrap = token["token"].as_str().expect("a token").to_owned();
        Self { key: fleet.admin.clone(), session, bootstrap }
    }
}

/// Its id and secret, without what says of which kind it is.
fn bare(credential: &str) -> &str {
    credential.split_once('_').map_or(credential, |(_, rest)| rest)
}

async fn open(fleet: &Fleet, request: http::request::Builder, body: String) -> Answer {
    fleet.send(request.body(Body::from(body)).expect("a request")).await
}

#[tokio::test]
async fn a_credential_opens_nothing_under_the_name_of_another_kind() {
    let fleet = Fleet::new().await;
    let all = Credentials::of(&fleet).await;
    for good in [&all.key, &all.session] {
        fleet.get("/v1/plans", good).await.expect(200);
    }
    let (key, session, bootstrap) = (bare(&all.key), bare(&all.session), bare(&all.bootstrap));
    for wrong in [
        all.bootstrap.clone(),
        format!("npk_{session}"),
        format!("npk_{bootstrap}"),
        format!("nps_{key}"),
        format!("nps_{bootstrap}"),
        key.to_owned(),
        session.to_owned(),
    ] {
        fleet.get("/v1/plans", &wrong).await.problem(401, "unauthenticated");
        let body = json!({"name": "basic", "disk_mb": 1, "php_version": "8.2"});
        fleet.post("/v1/plans", &wrong, &body).await.problem(401, "unauthenticated");
    }
    assert_eq!(fleet.get("/v1/plans", &all.key).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn only_a_key_is_an_oauth_client_and_only_a_password_signs_in() {
    let fleet = Fleet::new().await;
    let all = Credentials::of(&fleet).await;
    for wrong in [&all.session, &all.bootstrap] {
        let (id, secret) = bare(wrong).split_once('.').unwrap_or(("x", wrong));
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let request = Request::post("/v1/oauth/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = open(&fleet, request, form).await;
        assert_eq!(answer.expect(401)["error"], "invalid_client");
    }
    for wrong in [&all.key, &all.session, &all.bootstrap] {
        let body: Value = json!({"login": "a@example.com", "password": wrong});
        let request = Request::post("/v1/sessions").header(header::CONTENT_TYPE, JSON);
        open(&fleet, request, body.to_string()).await.problem(401, "unauthenticated");
    }
}
