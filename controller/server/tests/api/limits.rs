//! Limits of plans and tenants, and suspended tenants, as callers see them.

use axum::body::Body;
use http::{Method, header};
use serde_json::{Value, json};

use crate::support::{Answer, Fleet, JSON, id};

async fn patch(fleet: &Fleet, path: &str, key: &str, body: &Value) -> Answer {
    let request = Fleet::request(Method::PATCH, path, key).header(header::CONTENT_TYPE, JSON);
    fleet.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

#[tokio::test]
async fn a_plan_says_everything_that_an_account_may_have() {
    let fleet = Fleet::new().await;
    let limits = json!({"inodes": 200_000, "bandwidth_mb_per_month": 100_000, "subdomains": 10, "mailboxes": 20,
        "ftp_users": 3, "cron_jobs": 5, "cpu_percent": 150, "memory_limit_mb": 512, "processes": 100,
        "io_mb_per_second": 20, "io_operations_per_second": 500, "php_versions": ["8.2", "8.3"]});
    let mut body = json!({"name": "starter", "disk_mb": 1000, "php_version": "8.2"});
    body.as_object_mut().expect("fields").extend(limits.as_object().expect("fields").clone());
    let plan = id(&fleet.post("/v1/plans", &fleet.admin, &body).await);
    let path = format!("/v1/plans/{plan}");
    let shown = fleet.get(&path, &fleet.admin).await.expect(200);
    for (field, value) in limits.as_object().expect("fields") {
        assert_eq!(&shown[field], value, "{field}");
    }
    let changed = patch(&fleet, &path, &fleet.admin, &json!({"processes": null, "cpu_percent": 50})).await;
    let changed = changed.expect(200);
    assert_eq!((&changed["processes"], &changed["cpu_percent"]), (&Value::Null, &json!(50)));
    assert_eq!(changed["memory_limit_mb"], 512, "what is not said stays");

    let starved = patch(&fleet, &path, &fleet.admin, &json!({"memory_limit_mb": 1})).await;
    assert_eq!(starved.problem(422, "invalid").as_deref(), Some("memory_limit_mb"));
    let other = patch(&fleet, &path, &fleet.admin, &json!({"php_versions": ["8.3"]})).await;
    assert_eq!(other.problem(422, "invalid").as_deref(), Some("php_version"));
}

#[tokio::test]
async fn a_dry_run_lists_the_accounts_that_would_have_more_than_their_plan_allows() {
    let fleet = Fleet::new().await;
    let acme = fleet.reseller("acme").await;
    let alice = id(&fleet.account(&acme, "alice", Some("alice.example")).await);
    let asked = format!("/v1/plans/{}?dry_run=true", acme.plan);
    let preview = patch(&fleet, &asked, &acme.key, &json!({"domains": 0})).await.expect(200);
    let first =
        json!([{"account_id": alice, "username": "alice", "limit": "domains", "used": 1, "allowed": 0}]);
    assert_eq!(preview["exceeding"], json!({"accounts": 1, "first": first}));
    let harmless = patch(&fleet, &asked, &acme.key, &json!({"domains": 1})).await.expect(200);
    assert_eq!(harmless.get("exceeding"), None);

    let small = json!({"name": "small", "disk_mb": 1, "domains": 0, "php_version": "8.2"});
    let small = id(&fleet.post("/v1/plans", &acme.key, &small).await);
    let path = format!("/v1/accounts/{alice}");
    let refused = patch(&fleet, &path, &acme.key, &json!({"plan_id": small})).await;
    assert_eq!(refused.problem(409, "limit_reached").as_deref(), Some("plan_id"));
    let meant = json!({"plan_id": small, "allow_exceeding": true});
    let preview = patch(&fleet, &format!("{path}?dry_run=true"), &acme.key, &meant).await.expect(200);
    assert_eq!(preview["exceeding"]["first"], first);
    patch(&fleet, &path, &acme.key, &meant).await.expect(200);
    assert_eq!(fleet.first("/v1/accounts?within_plan=false", &acme.key).await, alice);
    let within = fleet.get("/v1/accounts?within_plan=true", &acme.key).await.expect(200);
    assert_eq!(within["items"], json!([]));
}

#[tokio::test]
async fn a_tenant_shows_what_it_may_have_and_what_it_has() {
    let fleet = Fleet::new().await;
    let acme = fleet.reseller("acme").await;
    let path = format!("/v1/tenants/{}", acme.tenant);
    let limits = json!({"disk_limit_mb": 5000, "bandwidth_limit_mb_per_month": null, "domain_limit": 1,
        "mailbox_limit": 10, "database_limit": 2, "api_requests_per_minute": 600});
    fleet.account(&acme, "alice", Some("alice.example")).await.expect(201);
    let shown = patch(&fleet, &path, &fleet.admin, &limits).await.expect(200);
    for (field, value) in limits.as_object().expect("fields") {
        assert_eq!(&shown[field], value, "{field}");
    }
    let usage =
        json!({"accounts": 1, "disk_mb": 1000, "bandwidth_mb_per_month": 0, "domains": 1, "databases": 0});
    assert_eq!(shown["usage"], usage);
    let own = patch(&fleet, &path, &acme.key, &json!({"domain_limit": 9})).await;
    own.problem(403, "forbidden");
    let full = fleet.account(&acme, "bobby", Some("bobby.example")).await;
    assert_eq!(full.problem(409, "limit_reached").as_deref(), Some("tenant_id"));
}

#[tokio::test]
async fn a_suspended_tenant_reads_and_writes_nothing_and_its_accounts_say_why() {
    let fleet = Fleet::new().await;
    let (acme, rival) = (fleet.reseller("acme").await, fleet.reseller("rival").await);
    let alice = id(&fleet.account(&acme, "alice", Some("alice.example")).await);
    let path = format!("/v1/tenants/{}", acme.tenant);
    let why = json!({"reason": "unpaid invoice 4711", "kind": "billing"});
    fleet.post(&format!("{path}/suspend"), &acme.key, &why).await.problem(403, "forbidden");
    fleet.post(&format!("{path}/suspend"), &rival.key, &why).await.problem(404, "not_found");
    let unknown = json!({"kind": "weather"});
    fleet.post(&format!("{path}/suspend"), &fleet.admin, &unknown).await.problem(422, "invalid_body");
    let shown = fleet.post(&format!("{path}/suspend"), &fleet.admin, &why).await.expect(200);
    assert_eq!(shown["suspension"]["of"], "tenant");

    fleet.account(&acme, "bobby", None).await.problem(403, "tenant_suspended");
    let dry =
        patch(&fleet, &format!("/v1/plans/{}?dry_run=true", acme.plan), &acme.key, &json!({"domains": 9}))
            .await;
    dry.problem(403, "tenant_suspended");
    fleet.get("/problems/tenant_suspended", "").await;
    let account = fleet.get(&format!("/v1/accounts/{alice}"), &acme.key).await.expect(200);
    let suspension = &account["suspension"];
    assert_eq!((&suspension["of"], &suspension["kind"]), (&json!("tenant"), &json!("billing")));
    assert_eq!(
        (&suspension["reason"], &suspension["automatic"]),
        (&json!("unpaid invoice 4711"), &json!(false))
    );
    let domain = fleet.get("/v1/domains", &acme.key).await.expect(200);
    assert_eq!(domain["items"][0]["suspension"]["of"], "tenant");
    assert_eq!(fleet.first("/v1/tenants?suspended=true", &fleet.admin).await, acme.tenant);

    fleet.post(&format!("{path}/unsuspend"), &acme.key, &json!({})).await.problem(403, "tenant_suspended");
    let shown = fleet.post(&format!("{path}/unsuspend"), &fleet.admin, &json!({})).await.expect(200);
    assert_eq!(shown["suspension"], Value::Null);
    let account = fleet.get(&format!("/v1/accounts/{alice}"), &acme.key).await.expect(200);
    assert_eq!(account["suspension"], Value::Null);
    fleet.account(&acme, "bobby", None).await.expect(201);
}

#[tokio::test]
async fn a_tenant_asks_as_often_as_it_was_given_with_all_its_keys_together() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let second = fleet.key(&of.key, &of.tenant, &["plan.*"]).await;
    let path = format!("/v1/tenants/{}", of.tenant);
    patch(&fleet, &path, &fleet.admin, &json!({"api_requests_per_minute": 5})).await.expect(200);
    for key in [&of.key, &second, &of.key, &second, &of.key] {
        fleet.get("/v1/plans", key).await.expect(200);
    }
    let refused = fleet.get("/v1/plans", &second).await;
    refused.problem(429, "rate_limited");
    assert!(!refused.header("retry-after").is_empty());
    fleet.get("/v1/plans", &fleet.admin).await.expect(200);
    patch(&fleet, &path, &fleet.admin, &json!({"api_requests_per_minute": null})).await.expect(200);
    fleet.get("/v1/plans", &second).await.expect(200);
}
