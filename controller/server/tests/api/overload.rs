//! More is asked than a controller takes at once.

use axum::body::Body;
use http::{Method, header};
use npanel_consensus::{Place, Standing};
use npanel_model::ApiKeyId;
use npanel_pki::ApiKeyText;
use npanel_state::Credential;
use serde_json::json;

use crate::support::{Fleet, JSON};

fn key_id(key: &str) -> Credential {
    Credential::ApiKey(key.parse::<ApiKeyText>().expect("a key").id)
}

/// Takes all the places that this key gets.
fn flood(fleet: &Fleet, key: Credential) -> Vec<Place<Credential>> {
    std::iter::from_fn(|| fleet.services.requests.enter(key, 0, Standing::Ordinary).ok()).collect()
}

#[tokio::test]
async fn a_key_that_asks_for_too_much_is_told_so_and_leaves_room_to_others() {
    let fleet = Fleet::new().await;
    let (loud, quiet) = (fleet.reseller("loud").await, fleet.reseller("quiet").await);
    let taken = flood(&fleet, key_id(&loud.key));
    assert!(taken.len() >= 1000, "an ordinary client has room: {}", taken.len());
    let refused = fleet.get("/v1/plans", &loud.key).await;
    refused.problem(429, "too_many_requests");
    assert_eq!(refused.header("retry-after"), "1");
    let body = json!({"name": "p2", "disk_mb": 1, "domains": 1, "databases": 1, "php_version": "8.2"});
    fleet.post("/v1/plans", &loud.key, &body).await.problem(429, "too_many_requests");
    fleet.post("/v1/plans", &quiet.key, &body).await.expect(201);
    fleet.get("/v1/plans", &fleet.admin).await.expect(200);
    let usage = fleet.services.requests.usage();
    assert_eq!((usage.refused_share, usage.refused_full, usage.used.count), (2, 0, taken.len()));
    drop(taken);
    fleet.post("/v1/plans", &loud.key, &body).await.expect(201);
    assert_eq!(fleet.services.requests.usage().used.count, 0, "who was answered has no place any more");
}

#[tokio::test]
async fn an_administrator_finds_a_place_when_there_is_none_for_others() {
    let fleet = Fleet::new().await;
    let acme = fleet.reseller("acme").await;
    let mut taken = Vec::new();
    while let Ok(place) =
        fleet.services.requests.enter(Credential::ApiKey(ApiKeyId::generate()), 0, Standing::Ordinary)
    {
        taken.push(place);
    }
    let refused = fleet.get("/v1/plans", &acme.key).await;
    refused.problem(503, "overloaded");
    assert_eq!(refused.header("retry-after"), "1");
    fleet.get("/v1/plans", &fleet.admin).await.expect(200);
    fleet.delete(&format!("/v1/plans/{}", acme.plan), &fleet.admin).await.expect(204);
}

#[tokio::test]
async fn bodies_are_bounded_before_they_are_read() {
    let fleet = Fleet::new().await;
    let acme = fleet.reseller("acme").await;
    let most = fleet.services.requests.usage().most.bytes;
    let large = fleet.services.requests.enter(key_id(&acme.key), most / 2, Standing::Ordinary);
    let body = json!({"name": "p2", "disk_mb": 1, "domains": 1, "databases": 1, "php_version": "8.2"});
    fleet.post("/v1/plans", &acme.key, &body).await.problem(429, "too_many_requests");
    fleet.get("/v1/plans", &acme.key).await.expect(200);
    drop(large.expect("a place"));
    fleet.post("/v1/plans", &acme.key, &body).await.expect(201);
}

#[tokio::test]
async fn a_body_that_does_not_come_gives_its_place_up() {
    let fleet = Fleet::new().await;
    let acme = fleet.reseller("acme").await;
    fleet.get("/v1/plans", &acme.key).await.expect(200);
    // All that is waited for from here on is time.
    tokio::time::pause();
    let request = Fleet::request(Method::POST, "/v1/plans", &acme.key).header(header::CONTENT_TYPE, JSON);
    let never = Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    fleet.send(request.body(never).expect("a request")).await.problem(408, "body_too_slow");
    assert_eq!(fleet.services.requests.usage().used.count, 0);
}
