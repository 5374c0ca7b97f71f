//! Nodes that an operator trusts no longer, and nodes that never come back.

use serde_json::{Value, json};

use crate::support::{Fleet, id};

#[tokio::test]
async fn a_revoked_node_is_shown_as_one_everywhere() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", Some("alice.example")).await);
    let path = format!("/v1/nodes/{}", fleet.node);
    let before = fleet.get(&path, &fleet.admin).await.expect(200);
    assert_eq!((&before["status"], &before["revocation"]), (&json!("ready"), &Value::Null));
    fleet.post(&format!("{path}/revoke"), &of.key, &json!({})).await.problem(403, "forbidden");
    let long = json!({"reason": "x".repeat(501)});
    let refused = fleet.post(&format!("{path}/revoke"), &fleet.admin, &long).await;
    assert_eq!(refused.problem(422, "invalid").as_deref(), Some("reason"));

    let revoked = fleet.post(&format!("{path}/revoke"), &fleet.admin, &json!({"reason": "stolen"})).await;
    let node = revoked.expect(200);
    assert_eq!((&node["status"], &node["schedulable"]), (&json!("revoked"), &json!(false)));
    assert_eq!((&node["revocation"]["reason"], &node["load"]["web"]), (&json!("stolen"), &json!(1)));
    assert_eq!(
        (&node["conditions"][0]["type"], &node["conditions"][0]["status"]),
        (&json!("Revoked"), &json!("true"))
    );
    assert_eq!(node["certificate_expires_at"], Value::Null);
    let status = fleet.get("/v1/cluster", &fleet.admin).await.expect(200);
    let warnings = status["warnings"].to_string();
    assert!(warnings.contains("node n1 is revoked and carries 1 web and 1 database parts"), "{warnings}");
    let account = fleet.get(&format!("/v1/accounts/{account}"), &of.key).await.expect(200);
    let condition = &account["conditions"][0];
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("unknown"), &json!("NodeRevoked")));
    let health = fleet.get(&format!("{path}/status"), &fleet.admin).await.expect(200);
    assert_eq!(health["node"]["status"], "revoked");
    let body = json!({"schedulable": true});
    let request =
        Fleet::request(http::Method::PATCH, &path, &fleet.admin).header("content-type", "application/json");
    let uncordoned = fleet.send(request.body(body.to_string().into()).expect("a request")).await;
    assert_eq!(uncordoned.problem(409, "in_use").as_deref(), Some("schedulable"));
}

#[tokio::test]
async fn a_node_that_carries_something_is_deleted_by_force_and_what_it_carried_is_said_to_be_unplaced() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", Some("alice.example")).await);
    let path = format!("/v1/nodes/{}", fleet.node);
    let delete = async |query: &str| fleet.delete(&format!("{path}{query}"), &fleet.admin).await;
    delete("?force=perhaps").await.problem(422, "invalid_query");
    delete("").await.problem(409, "in_use");
    delete("?force=true&accept_data_loss=true").await.problem(409, "in_use");
    fleet.post(&format!("{path}/revoke"), &fleet.admin, &json!({})).await.expect(200);
    let unsaid = delete("?force=true").await;
    assert_eq!(unsaid.problem(409, "in_use").as_deref(), Some("accept_data_loss"));
    let preview = delete("?force=true&accept_data_loss=true&dry_run=true").await.expect(200);
    assert!(
        preview["warnings"].to_string().contains("the data of 2 parts of accounts are lost"),
        "{preview}"
    );
    fleet.get(&path, &fleet.admin).await.expect(200);
    let gone = delete("?force=true&accept_data_loss=true").await.expect(202);
    assert_eq!((&gone["action"], &gone["status"]), (&json!("node.delete"), &json!("succeeded")));

    fleet.get(&path, &fleet.admin).await.problem(404, "not_found");
    let shown = fleet.get(&format!("/v1/accounts/{account}"), &of.key).await.expect(200);
    assert_eq!(shown["status"], "failed");
    let condition = &shown["conditions"][0];
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("false"), &json!("Unplaced")));
    let message = condition["message"].as_str().expect("a message");
    assert!(message.contains("n1") && message.contains("gone for good"), "{message}");
    let failed = fleet.get("/v1/accounts?status=failed", &of.key).await.expect(200);
    assert_eq!(failed["items"].as_array().map(Vec::len), Some(1));
    let status = fleet.get("/v1/cluster", &fleet.admin).await.expect(200);
    let warnings = status["warnings"].to_string();
    assert!(warnings.contains("2 parts of accounts and 1 zones are on no node"), "{warnings}");
}
