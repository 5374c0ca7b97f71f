//! Changing what exists: entity tags, merge patches, suspension.

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Fleet, JSON, Reseller, id};

async fn write(
    fleet: &Fleet,
    method: Method,
    path: &str,
    tag: Option<&str>,
    body: &Value,
    of: &Reseller,
) -> Answer {
    let mut request = Fleet::request(method, path, &of.key).header("content-type", JSON);
    if let Some(tag) = tag {
        request = request.header("if-match", tag);
    }
    fleet.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

async fn patch(fleet: &Fleet, path: &str, body: &Value, of: &Reseller) -> Answer {
    write(fleet, Method::PATCH, path, None, body, of).await
}

#[tokio::test]
async fn a_stale_entity_tag_is_refused_and_nothing_changed() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", Some("example.com")).await);
    let (database, user) = fleet.shop(&account, &of.key).await;
    let first = async |path: &str| fleet.first(path, &of.key).await;
    let (domain, zone, key) =
        (first("/v1/domains").await, first("/v1/zones").await, first("/v1/api-keys").await);
    let set = first(&format!("/v1/zones/{zone}/record-sets")).await;
    let set = format!("/v1/zones/{zone}/record-sets/{set}");
    for (path, change) in [
        (format!("/v1/tenants/{}", of.tenant), Some(json!({"name": "other"}))),
        (format!("/v1/plans/{}", of.plan), Some(json!({"disk_mb": 2}))),
        (format!("/v1/accounts/{account}"), Some(json!({"contact": "a@example.com"}))),
        (format!("/v1/domains/{domain}"), Some(json!({"document_root": "web/other"}))),
        (format!("/v1/databases/{database}"), None),
        (format!("/v1/database-users/{user}"), None),
        (format!("/v1/zones/{zone}"), None),
        (set, Some(json!({"ttl_seconds": 60}))),
        (format!("/v1/api-keys/{key}"), Some(json!({"name": "other"}))),
    ] {
        let before = fleet.get(&path, &of.key).await;
        let (read, tag) = (before.expect(200), before.header("etag").to_owned());
        assert_eq!(tag, format!("\"{}\"", read["revision"]), "{path}");
        let state = fleet.agreement.content().await;
        let stale = write(&fleet, Method::DELETE, &path, Some("\"1\""), &Value::Null, &of).await;
        stale.problem(412, "revision_mismatch");
        let detail = stale.json()["detail"].as_str().expect("a detail").to_owned();
        assert!(detail.contains(&read["revision"].to_string()) && detail.contains("expected 1"), "{detail}");
        let Some(change) = change else { continue };
        write(&fleet, Method::PATCH, &path, Some("\"1\""), &change, &of)
            .await
            .problem(412, "revision_mismatch");
        assert_eq!(fleet.agreement.content().await, state, "{path}: a refused write changed something");
        let changed = write(&fleet, Method::PATCH, &path, Some(&tag), &change, &of).await;
        changed.expect(200);
        assert_ne!(changed.header("etag"), tag, "{path}");
        write(&fleet, Method::PATCH, &path, Some(&tag), &change, &of).await.problem(412, "revision_mismatch");
        patch(&fleet, &path, &change, &of).await.expect(200);
    }
}

#[tokio::test]
async fn an_expectation_of_what_is_made_anew_makes_no_sense() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let plan = json!({"name": "other", "disk_mb": 1, "php_version": "8.2"});
    write(&fleet, Method::POST, "/v1/plans", Some("\"1\""), &plan, &of).await.problem(422, "invalid");
    let answer = write(&fleet, Method::POST, "/v1/plans", Some("1"), &plan, &of).await;
    assert_eq!(answer.problem(400, "invalid_header").as_deref(), Some("If-Match"));
}

#[tokio::test]
async fn anothers_revision_is_not_told() {
    let fleet = Fleet::new().await;
    let (one, other) = (fleet.reseller("one").await, fleet.reseller("other").await);
    let path = format!("/v1/plans/{}", one.plan);
    write(&fleet, Method::PATCH, &path, Some("\"1\""), &json!({"disk_mb": 2}), &other)
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_name() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", None).await);
    let path = format!("/v1/accounts/{account}");
    let changed = patch(&fleet, &path, &json!({"contact": "a@example.com"}), &of).await.expect(200);
    assert_eq!((&changed["contact"], &changed["plan_id"]), (&json!("a@example.com"), &json!(of.plan)));
    let same = patch(&fleet, &path, &json!({}), &of).await.expect(200);
    assert_eq!(same["revision"], changed["revision"], "nothing was asked for");
    let same = patch(&fleet, &path, &json!({"contact": "a@example.com"}), &of).await.expect(200);
    assert_eq!(same["revision"], changed["revision"], "it was so already");
    let cleared = patch(&fleet, &path, &json!({"contact": null}), &of).await.expect(200);
    assert_eq!(cleared["contact"], Value::Null);
    let unknown = patch(&fleet, &path, &json!({"username": "bob"}), &of).await;
    assert_eq!(unknown.problem(422, "invalid_body").as_deref(), Some("username"));
    let null = patch(&fleet, &path, &json!({"plan_id": null}), &of).await;
    assert_eq!(null.problem(422, "invalid_body").as_deref(), Some("plan_id"));
    let request =
        Fleet::request(Method::PATCH, &path, &of.key).header("content-type", "application/merge-patch+json");
    fleet.send(request.body(Body::from("{}")).expect("a request")).await.expect(200);
}

#[tokio::test]
async fn what_nodes_report_costs_nobody_the_right_to_write() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let made = fleet.account(&of, "alice", None).await;
    let path = format!("/v1/accounts/{}", id(&made));
    fleet.agreement.report("converged", "removed").await;
    assert_eq!(fleet.get(&path, &of.key).await.header("etag"), made.header("etag"));
    let change = json!({"contact": "a@example.com"});
    write(&fleet, Method::PATCH, &path, Some(made.header("etag")), &change, &of).await.expect(200);
}

#[tokio::test]
async fn a_suspended_account_says_why_since_when_and_by_whom() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", Some("example.com")).await);
    let path = format!("/v1/accounts/{account}");
    let suspended = fleet.post(&format!("{path}/suspend"), &of.key, &json!({"reason": "unpaid"})).await;
    let suspension = suspended.expect(200)["suspension"].clone();
    assert_eq!((&suspension["of"], &suspension["reason"]), (&json!("account"), &json!("unpaid")));
    assert!(suspension["by"].as_str().expect("somebody").starts_with("api_key/"));
    let again = fleet.post(&format!("{path}/suspend"), &of.key, &json!({})).await.expect(200);
    assert_eq!(again["suspension"], suspension);
    let domains = fleet.get("/v1/domains?name=example.com", &of.key).await.expect(200);
    assert_eq!(domains["items"][0]["suspension"], suspension);
    let lifted = fleet.post(&format!("{path}/unsuspend"), &of.key, &Value::Null).await.expect(200);
    assert_eq!(lifted["suspension"], Value::Null);
    fleet.post(&format!("{path}/unsuspend"), &of.key, &Value::Null).await.expect(200);
    let long = json!({"reason": "x".repeat(501)});
    let answer = fleet.post(&format!("{path}/suspend"), &of.key, &long).await;
    assert_eq!(answer.problem(422, "invalid").as_deref(), Some("reason"));
}

#[tokio::test]
async fn what_a_tenant_above_suspended_those_beneath_cannot_lift() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", None).await);
    let path = format!("/v1/accounts/{account}");
    fleet.post(&format!("{path}/suspend"), &fleet.admin, &json!({"reason": "abuse"})).await.expect(200);
    fleet.post(&format!("{path}/unsuspend"), &of.key, &Value::Null).await.problem(403, "forbidden");
    fleet
        .post(&format!("{path}/suspend"), &of.key, &json!({"reason": "mine"}))
        .await
        .problem(403, "forbidden");
    fleet.post(&format!("{path}/unsuspend"), &fleet.admin, &Value::Null).await.expect(200);
}

#[tokio::test]
async fn a_password_is_set_and_shown_once_if_it_was_made() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", None).await);
    let database =
        id(&fleet.post("/v1/databases", &of.key, &json!({"account_id": account, "name": "shop"})).await);
    let user = json!({"account_id": account, "name": "shop"});
    let user = format!("/v1/database-users/{}", id(&fleet.post("/v1/database-users", &of.key, &user).await));
    let put = async |what: &str, body: Value| {
        write(&fleet, Method::PUT, &format!("{user}/{what}"), None, &body, &of).await
    };
    assert!(put("password", json!({})).await.expect(200)["password"].is_string());
    assert!(
        put("password", json!({"password": "hunter2hunter2"})).await.expect(200).get("password").is_none()
    );
    assert_eq!(
        put("password", json!({"password": "short"})).await.problem(422, "invalid").as_deref(),
        Some("password")
    );
    let grants = json!([{"database_id": database, "privileges": "read_only"}]);
    assert_eq!(put("privileges", json!({"grants": grants})).await.expect(200)["grants"], grants);
    assert_eq!(put("privileges", json!({"grants": []})).await.expect(200)["grants"], json!([]));
}

#[tokio::test]
async fn a_tenant_does_not_raise_its_own_limits() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let path = format!("/v1/tenants/{}", of.tenant);
    patch(&fleet, &path, &json!({"account_limit": 9}), &of).await.problem(403, "forbidden");
    patch(&fleet, &path, &json!({"may_oversell": true}), &of).await.problem(403, "forbidden");
    let admin = Reseller { key: fleet.admin.clone(), ..of };
    let limited = patch(&fleet, &path, &json!({"account_limit": 9}), &admin).await.expect(200);
    assert_eq!(limited["account_limit"], 9);
    let lifted = patch(&fleet, &path, &json!({"account_limit": null}), &admin).await.expect(200);
    assert_eq!(lifted["account_limit"], Value::Null);
}

#[tokio::test]
async fn who_prefers_it_is_not_shown_what_a_change_came_to() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", None).await);
    let path = format!("/v1/accounts/{account}");
    for (preference, status) in
        [("return=minimal", 204), ("wait=1, return=minimal", 204), ("return=representation", 200)]
    {
        let contact = format!("{status}.{}@example.com", preference.len());
        let request = Fleet::request(Method::PATCH, &path, &of.key)
            .header("content-type", JSON)
            .header("prefer", preference);
        let body = Body::from(json!({"contact": contact}).to_string());
        let answer = fleet.send(request.body(body).expect("a request")).await;
        assert_eq!(answer.status.as_u16(), status, "{preference}");
        assert_eq!(answer.text.is_empty(), status == 204, "{preference}");
        if status == 204 {
            assert_eq!(answer.header("preference-applied"), "return=minimal");
        }
        let read = fleet.get(&path, &of.key).await;
        assert_eq!(read.expect(200)["contact"], contact);
    }
}
