//! Asking what a write would come to.

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use crate::{
    filled::{Filled, writes},
    support::{Fleet, JSON},
};

#[tokio::test]
async fn every_write_can_be_asked_what_it_would_come_to_and_changes_nothing_then() {
    let filled = Filled::new().await;
    let (state, log) =
        (filled.fleet.agreement.content().await, filled.fleet.agreement.log.lock().await.len());
    for (method, route, operation) in writes() {
        let path = format!("{}?dry_run=true", filled.path(&route));
        let answer = filled.ask(&method, &path, &filled.body(&operation)).await;
        // The very refusals of the real ones: the node carries something, and no authority was rotated.
        if ["node.delete", "controller.remove"].contains(&operation.as_str()) {
            answer.problem(409, "in_use");
        } else if operation == "ca.retire" {
            answer.problem(404, "not_found");
        } else {
            let preview = answer.expect(200);
            assert!(
                preview["objects"].is_array() && preview["warnings"].is_array(),
                "{operation}: {preview}"
            );
            assert!(answer.header("npanel-operation").is_empty(), "{operation}");
        }
        assert_eq!(filled.fleet.agreement.content().await, state, "{operation} changed something");
    }
    assert_eq!(filled.fleet.agreement.log.lock().await.len(), log, "something was proposed");
}

#[tokio::test]
async fn what_was_foreseen_is_what_happens() {
    let filled = Filled::new().await;
    let body = filled.body("account.create");
    let preview = filled.ask(&Method::POST, "/v1/accounts?dry_run=true", &body).await.expect(200);
    assert_eq!(preview["placement"]["parts"][0]["nodes"][0]["reason"], "the only one");
    let mut foreseen: Vec<&str> = preview["objects"]
        .as_array()
        .expect("objects")
        .iter()
        .map(|object| object["object_kind"].as_str().expect("a kind"))
        .collect();
    foreseen.sort_unstable();
    assert_eq!(foreseen, ["account", "domain", "zone"]);
    assert_eq!(preview["objects"][0]["node_name"], "n1");
    assert_eq!(preview["objects"][0]["answer"], "not_asked");
    let first = filled.ask(&Method::POST, "/v1/accounts", &body).await.expect(201);
    let second = json!({"tenant_id": filled.of.tenant, "plan_id": filled.of.plan, "username": "carol"});
    filled.ask(&Method::POST, "/v1/accounts?dry_run=true", &second).await.expect(200);
    let second = filled.ask(&Method::POST, "/v1/accounts", &second).await.expect(201);
    let uid = |account: &Value| account["uid"].as_u64().expect("a uid");
    assert_eq!(uid(&second), uid(&first) + 1, "a dry run took a uid");
}

#[tokio::test]
async fn a_dry_run_gets_the_refusal_of_the_real_write() {
    let filled = Filled::new().await;
    let taken = json!({"account_id": filled.ids["accounts"], "name": "example.com"});
    let conflict = filled.ask(&Method::POST, "/v1/domains?dry_run=true", &taken).await;
    assert_eq!(conflict.problem(409, "name_taken").as_deref(), Some("name"));
    let path = format!("/v1/accounts/{}?dry_run=true", filled.ids["accounts"]);
    let stale = Fleet::request(Method::PATCH, &path, &filled.fleet.admin)
        .header("content-type", JSON)
        .header("if-match", "\"1\"");
    let stale = filled.fleet.send(stale.body(Body::from("{}")).expect("a request")).await;
    stale.problem(412, "revision_mismatch");
    let odd = filled.ask(&Method::POST, "/v1/plans?dry_run=perhaps", &filled.body("plan.create")).await;
    assert_eq!(odd.problem(422, "invalid_query").as_deref(), Some("dry_run"));
}

#[tokio::test]
async fn a_plan_that_shrinks_says_beforehand_who_has_more() {
    let filled = Filled::new().await;
    let path = format!("/v1/plans/{}?dry_run=true", filled.of.plan);
    let preview = filled.ask(&Method::PATCH, &path, &json!({"domains": 0, "databases": 0})).await.expect(200);
    let exceeding = &preview["exceeding"];
    assert_eq!(exceeding["accounts"], 1, "{exceeding}");
    let limits: Vec<&Value> =
        exceeding["first"].as_array().expect("a list").iter().map(|one| &one["limit"]).collect();
    assert_eq!(limits, ["databases", "domains"]);
    let roomy =
        filled.ask(&Method::PATCH, &path, &json!({"domains": 1, "databases": null})).await.expect(200);
    assert_eq!((roomy.get("exceeding"), &roomy["warnings"]), (None, &json!([])));
}
