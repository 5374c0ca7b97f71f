//! Writes and reads that are for an object as the caller knows it.

use axum::body::Body;
use http::Method;
use npanel_proto::command::{UpdateNodeFacts, envelope::Command, principal::Who};
use serde_json::{Value, json};

use crate::support::{Answer, Fleet, JSON, id};

async fn send(
    fleet: &Fleet,
    method: Method,
    path: &str,
    condition: Option<(&str, &str)>,
    body: &Value,
    key: &str,
) -> Answer {
    let mut request = Fleet::request(method, path, key).header("content-type", JSON);
    if let Some((name, value)) = condition {
        request = request.header(name, value);
    }
    fleet.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

fn jobs() -> Value {
    json!({"jobs": [{"schedule": "@daily", "command": "true"}]})
}

#[tokio::test]
async fn the_first_setting_of_jobs_is_compared_too_and_tells_nothing_of_others() {
    let fleet = Fleet::new().await;
    let (of, other) = (fleet.reseller("acme").await, fleet.reseller("other").await);
    let account = id(&fleet.account(&of, "alice", None).await);
    let path = format!("/v1/cron-tables/{account}");
    let state = fleet.agreement.content().await;
    for condition in [("if-match", "\"57\""), ("if-match", "*")] {
        let answer = send(&fleet, Method::PUT, &path, Some(condition), &jobs(), &of.key).await;
        answer.problem(412, "revision_mismatch");
        assert!(answer.text.contains("no table of scheduled jobs yet"), "{}", answer.text);
        send(&fleet, Method::PUT, &path, Some(condition), &jobs(), &other.key)
            .await
            .problem(404, "not_found");
    }
    assert_eq!(fleet.agreement.content().await, state);
    let new = Some(("if-none-match", "*"));
    send(&fleet, Method::PUT, &path, new, &jobs(), &of.key).await.expect(200);
    let again = send(&fleet, Method::PUT, &path, new, &json!({"jobs": []}), &of.key).await;
    again.problem(412, "revision_mismatch");
    send(&fleet, Method::PUT, &path, new, &jobs(), &other.key).await.problem(404, "not_found");
    let tagged = Some(("if-none-match", "\"57\""));
    let answer = send(&fleet, Method::PUT, &path, tagged, &jobs(), &of.key).await;
    assert_eq!(answer.problem(400, "invalid_header").as_deref(), Some("If-None-Match"));
}

#[tokio::test]
async fn the_clusters_settings_have_a_revision() {
    let fleet = Fleet::new().await;
    let read = fleet.get("/v1/cluster", &fleet.admin).await;
    let change = |seconds: u64| json!({"operation_retention_seconds": seconds});
    let patch = async |condition: Option<(&str, &str)>, body: &Value| {
        send(&fleet, Method::PATCH, "/v1/cluster", condition, body, &fleet.admin).await
    };
    patch(Some(("if-match", "\"999\"")), &change(86_400)).await.problem(412, "revision_mismatch");
    let tag = read.header("etag").to_owned();
    let changed = patch(Some(("if-match", &tag)), &change(86_400)).await;
    assert_eq!(changed.expect(200)["operation_retention_seconds"], 86_400);
    assert_ne!(changed.header("etag"), tag);
    patch(Some(("if-match", &tag)), &change(90_000)).await.problem(412, "revision_mismatch");
    let same =
        patch(None, &json!({"operation_retention_seconds": 86_400, "placement_strategy": "spread"})).await;
    assert_eq!(same.header("etag"), changed.header("etag"), "nothing changed");
    for seconds in [0, 86_399, 315_360_001] {
        let refused = patch(None, &change(seconds)).await;
        assert_eq!(refused.problem(422, "invalid").as_deref(), Some("operation_retention_seconds"));
    }
    let null = patch(None, &json!({"placement_strategy": null})).await;
    assert_eq!(null.problem(422, "invalid_body").as_deref(), Some("placement_strategy"));
}

#[tokio::test]
async fn a_plans_placement_is_taken_back_by_null() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let path = format!("/v1/plans/{}", of.plan);
    let before = fleet.get(&path, &fleet.admin).await.expect(200)["placement"].clone();
    let said = json!({"strategy": "bin_pack", "anti_affinity": "required", "pool": "ssd", "labels": ["a=b"]});
    let patch = async |body: Value| send(&fleet, Method::PATCH, &path, None, &body, &fleet.admin).await;
    assert_eq!(patch(json!({ "placement": said })).await.expect(200)["placement"], said);
    assert_eq!(patch(json!({"placement": null})).await.expect(200)["placement"], before);
    let both = patch(json!({"placement": {"labels": ["a=b", "a=c"]}})).await;
    assert_eq!(both.problem(422, "invalid").as_deref(), Some("placement.labels"));
}

#[tokio::test]
async fn what_changes_nothing_leaves_the_revision() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", Some("example.com")).await);
    let (database, user) = fleet.shop(&account, &of.key).await;
    let first = async |path: &str| fleet.first(path, &of.key).await;
    let (domain, zone) = (first("/v1/domains").await, first("/v1/zones").await);
    let set = first(&format!("/v1/zones/{zone}/record-sets")).await;
    let grants = json!({"grants": [{"database_id": database, "privileges": "read_only"}]});
    let said = json!({"schedulable": false, "pool": "ssd", "labels": ["a=b"], "account_slots": 3,
        "availability_zone": "eu-1a", "disk_overcommit_percent": 150, "memory_overcommit_percent": 90});
    for (method, path, body) in [
        (Method::PUT, format!("/v1/cron-tables/{account}"), jobs()),
        (Method::PUT, format!("/v1/database-users/{user}/privileges"), grants),
        (Method::PATCH, format!("/v1/nodes/{}", fleet.node), said),
        (Method::PATCH, "/v1/cluster".to_owned(), json!({"placement_strategy": "bin_pack"})),
        (Method::PATCH, format!("/v1/tenants/{}", of.tenant), json!({"account_limit": 3})),
        (
            Method::PATCH,
            format!("/v1/plans/{}", of.plan),
            json!({"memory_mb": 3, "placement": {"labels": ["a=b"], "pool": null}}),
        ),
        (Method::PATCH, format!("/v1/accounts/{account}"), json!({"contact": "a@example.com"})),
        (Method::PATCH, format!("/v1/domains/{domain}"), json!({"document_root": "web/other"})),
        (Method::PATCH, format!("/v1/zones/{zone}/record-sets/{set}"), json!({"ttl_seconds": 60})),
        (Method::POST, format!("/v1/accounts/{account}/suspend"), json!({"reason": "unpaid"})),
        (Method::POST, format!("/v1/accounts/{account}/unsuspend"), Value::Null),
        (Method::POST, format!("/v1/domains/{domain}/suspend"), json!({"reason": "unpaid"})),
        (Method::POST, format!("/v1/domains/{domain}/unsuspend"), Value::Null),
    ] {
        let once = send(&fleet, method.clone(), &path, None, &body, &fleet.admin).await;
        once.expect(200);
        let again = send(&fleet, method, &path, None, &body, &fleet.admin).await;
        again.expect(200);
        assert_eq!(again.header("etag"), once.header("etag"), "{path}");
        assert_eq!(again.header("npanel-operation"), "", "{path}: nobody has anything to do");
    }
}

#[tokio::test]
async fn what_a_node_says_of_itself_costs_no_operator_the_right_to_write() {
    let fleet = Fleet::new().await;
    let path = format!("/v1/nodes/{}", fleet.node);
    let tag = fleet.get(&path, &fleet.admin).await.header("etag").to_owned();
    let facts = UpdateNodeFacts {
        node_id: fleet.node.to_bytes(),
        roles: vec!["web".into()],
        address: "192.0.2.12".into(),
        disk_mb: 5,
        ..UpdateNodeFacts::default()
    };
    fleet.agreement.accept(Who::ControllerId(1), Command::UpdateNodeFacts(facts)).await;
    let read = fleet.get(&path, &fleet.admin).await;
    assert_eq!((&read.json()["address"], read.header("etag")), (&json!("192.0.2.12"), tag.as_str()));
    let cordon = json!({"schedulable": false});
    send(&fleet, Method::PATCH, &path, Some(("if-match", &tag)), &cordon, &fleet.admin).await.expect(200);
}

#[tokio::test]
async fn who_has_the_newest_is_told_so_unless_nodes_may_have_said_something() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", None).await);
    let read = async |path: &str, known: &str| {
        send(&fleet, Method::GET, path, Some(("if-none-match", known)), &Value::Null, &of.key).await
    };
    let plan = format!("/v1/plans/{}", of.plan);
    let tag = fleet.get(&plan, &of.key).await.header("etag").to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"1\", {tag}"), "*".to_owned()] {
        let answer = read(&plan, &known).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (304, ""), "{known}");
        assert_eq!(answer.header("etag"), tag);
    }
    read(&plan, "\"1\"").await.expect(200);
    send(&fleet, Method::PATCH, &plan, None, &json!({"disk_mb": 7}), &of.key).await.expect(200);
    read(&plan, &tag).await.expect(200);
    let account = format!("/v1/accounts/{account}");
    let tag = fleet.get(&account, &of.key).await.header("etag").to_owned();
    fleet.agreement.report("converged", "removed").await;
    assert_eq!(read(&account, &tag).await.expect(200)["status"], "ready");
    let refused = fleet.reseller("other").await;
    let theirs = send(&fleet, Method::GET, &plan, Some(("if-none-match", "*")), &Value::Null, &refused.key);
    theirs.await.problem(404, "not_found");
}

#[tokio::test]
async fn an_account_shows_why_it_is_where_it_is_also_after_it_changed() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = format!("/v1/accounts/{}", id(&fleet.account(&of, "alice", None).await));
    let made = fleet.get(&account, &fleet.admin).await.expect(200)["placement"].clone();
    assert!(made["parts"][0]["nodes"].is_array(), "{made}");
    send(&fleet, Method::POST, &format!("{account}/suspend"), None, &json!({}), &of.key).await.expect(200);
    assert_eq!(fleet.get(&account, &fleet.admin).await.expect(200)["placement"], made);
}
