//! Waiting for the fleet.

use axum::body::Body;
use http::Method;
use serde_json::json;

use crate::support::{Fleet, JSON, id};

#[tokio::test]
async fn a_write_that_waits_answers_when_the_fleet_is_done() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let body =
        json!({"tenant_id": of.tenant, "plan_id": of.plan, "username": "alice", "domain": "example.com"});
    let mut applied = npanel_server::agreement::Agreement::applied(&*fleet.agreement);
    applied.mark_unchanged();
    let (answer, ()) =
        tokio::join!(fleet.post("/v1/accounts?wait=converged&timeout=20", &of.key, &body), async {
            applied.changed().await.expect("the account is made");
            fleet.agreement.report("converged", "removed").await;
        });
    let body = answer.expect(201);
    assert_eq!((&body["status"], &body["observed_generation"]), (&json!("ready"), &json!(1)));
    assert_eq!(body["conditions"][0]["status"], "true");
    assert_eq!(body["conditions"][0]["stages"], json!([{"name": "check", "microseconds": 12}]));
    let operation = format!("/v1/operations/{}", answer.header("npanel-operation"));
    let operation = fleet.get(&operation, &of.key).await.expect(200);
    assert_eq!(operation["status"], "succeeded");
    assert!(operation["finished_at"].is_string());
}

#[tokio::test]
async fn a_write_that_waits_too_long_says_how_far_it_is() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let body = json!({"tenant_id": of.tenant, "plan_id": of.plan, "username": "alice"});
    let answer = fleet.post("/v1/accounts?wait=converged&timeout=0", &of.key, &body).await;
    assert_eq!(answer.expect(202)["status"], "converging");
    fleet.agreement.report("failed", "failed").await;
    let account = fleet.get(answer.header("location"), &of.key).await.expect(200);
    assert_eq!(account["status"], "failed");
    assert_eq!(account["conditions"][0]["reason"], "CheckerRefused");
    let operation = format!("/v1/operations/{}?wait=converged&timeout=0", answer.header("npanel-operation"));
    let operation = fleet.get(&operation, &of.key).await.expect(200);
    assert_eq!(
        (&operation["status"], &operation["conditions"][0]["object_kind"]),
        (&json!("failed"), &json!("account"))
    );
}

#[tokio::test]
async fn a_deletion_shows_until_the_fleet_has_done_it() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = format!("/v1/accounts/{}", id(&fleet.account(&of, "alice", Some("example.com")).await));
    fleet.agreement.report("converged", "removed").await;
    let operation = fleet.delete(&account, &of.key).await.expect(202);
    assert_eq!(fleet.get(&account, &of.key).await.expect(200)["status"], "deleting");
    fleet.agreement.report("converged", "removed").await;
    fleet.get(&account, &of.key).await.problem(404, "not_found");
    let operation = format!("/v1/operations/{}", operation["id"].as_str().expect("an id"));
    assert_eq!(fleet.get(&operation, &of.key).await.expect(200)["status"], "succeeded");
}

#[tokio::test]
async fn without_a_leader_writes_are_to_be_repeated() {
    let fleet = Fleet::new().await;
    fleet.agreement.lose_leader();
    let answer = fleet.post("/v1/tenants", &fleet.admin, &json!({"name": "acme"})).await;
    answer.problem(503, "no_leader");
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn a_nodes_status_names_the_account_whose_jobs_it_could_not_set() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", None).await);
    fleet.agreement.report("converged", "removed").await;
    let path = format!("/v1/cron-tables/{account}");
    let body = json!({"jobs": [{"schedule": "@daily", "command": "true"}]}).to_string();
    let put = Fleet::request(Method::PUT, &path, &of.key).header("content-type", JSON);
    fleet.send(put.body(Body::from(body)).expect("a request")).await.expect(200);
    fleet.agreement.report("failed", "removed").await;
    let status = fleet.get(&format!("/v1/nodes/{}/status", fleet.node), &fleet.admin).await.expect(200);
    let unsettled: Vec<_> = status["unsettled"].as_array().expect("a list").iter().collect();
    let jobs = unsettled.iter().find(|one| one["object_kind"] == "cron_table").expect("the jobs");
    assert_eq!((&jobs["name"], &jobs["state"]), (&json!("alice"), &json!("failed")));
    let read = fleet.get(&path, &of.key).await.expect(200);
    assert_eq!(
        (&read["status"], &read["conditions"][0]["reason"]),
        (&json!("failed"), &json!("CheckerRefused"))
    );
}
