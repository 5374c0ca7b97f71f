//! What a tenant hears of the nodes, which carry its neighbours too: neither which they are nor how full.

use axum::body::Body;
use http::Method;
use npanel_proto::command::{UpdateNodeFacts, envelope::Command, principal::Who};
use serde_json::{Value, json};

use crate::support::{Answer, Fleet, JSON, Reseller, id};

async fn patch(fleet: &Fleet, path: &str, key: &str, body: &Value) -> Answer {
    let request = Fleet::request(Method::PATCH, path, key).header("content-type", JSON);
    fleet.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

/// A fleet whose node has room for 1,200 MB, of which a neighbour has 1,000 already.
async fn narrow() -> (Fleet, Reseller) {
    let fleet = Fleet::new().await;
    let facts = UpdateNodeFacts {
        node_id: fleet.node.to_bytes(),
        roles: vec!["web".into(), "database".into(), "dns".into()],
        address: "192.0.2.11".into(),
        os_profile: "debian-12".into(),
        php_versions: vec!["8.2".into()],
        version: "0.1.0".into(),
        disk_mb: 1200,
        memory_mb: 600,
        ..UpdateNodeFacts::default()
    };
    fleet.agreement.accept(Who::ControllerId(1), Command::UpdateNodeFacts(facts)).await;
    let neighbour = fleet.reseller("neighbour").await;
    fleet.account(&neighbour, "neighbour", None).await.expect(201);
    let of = fleet.reseller("acme").await;
    (fleet, of)
}

/// Nothing of which node it is, nor of what is on it.
#[track_caller]
fn is_silent(answer: &Answer) {
    let mut words = answer.text.split(|c: char| !c.is_alphanumeric());
    let telling = ["n1", "reserved", "1200", "600", "neighbour", "only"];
    assert_eq!(words.find(|word| telling.contains(word)), None, "in {}", answer.text);
}

#[tokio::test]
async fn a_refusal_does_not_tell_a_tenant_which_node_it_is_nor_how_full() {
    let (fleet, of) = narrow().await;
    let plan = json!({"name": "small", "disk_mb": 10, "php_version": "8.2"});
    let small = id(&fleet.post("/v1/plans", &of.key, &plan).await);
    let body = json!({"tenant_id": of.tenant, "plan_id": small, "username": "alice"});
    let account = format!("/v1/accounts/{}", id(&fleet.post("/v1/accounts", &of.key, &body).await));
    let in_pool = json!({"name": "ssd", "tenant_id": of.tenant, "disk_mb": 10, "php_version": "8.2",
        "placement": {"pool": "ssd"}});
    let in_pool = id(&fleet.post("/v1/plans", &fleet.admin, &in_pool).await);
    let small = format!("/v1/plans/{small}");
    for (path, change, code) in [
        (&account, json!({"php_version": "8.4"}), "no_node"),
        (&small, json!({"php_version": "8.4"}), "no_node"),
        (&account, json!({"plan_id": of.plan}), "node_full"),
        (&small, json!({"disk_mb": 5000}), "node_full"),
        (&small, json!({"memory_mb": 5000}), "node_full"),
        (&account, json!({"plan_id": in_pool}), "placement_unmet"),
    ] {
        for dry_run in ["", "?dry_run=true"] {
            let path = format!("{path}{dry_run}");
            let answer = patch(&fleet, &path, &of.key, &change).await;
            answer.problem(409, code);
            is_silent(&answer);
            let told = patch(&fleet, &path, &fleet.admin, &change).await;
            told.problem(409, code);
            assert!(told.text.contains("the node n1"), "the platform is told: {}", told.text);
        }
    }
    let second = json!({"tenant_id": of.tenant, "plan_id": of.plan, "username": "bobby"});
    let answer = fleet.post("/v1/accounts", &of.key, &second).await;
    answer.problem(409, "no_node");
    is_silent(&answer);
}

#[tokio::test]
async fn what_a_tenant_reads_and_foresees_names_no_node() {
    let (fleet, of) = narrow().await;
    let plan = json!({"name": "small", "disk_mb": 10, "php_version": "8.2"});
    let small = id(&fleet.post("/v1/plans", &of.key, &plan).await);
    let body =
        json!({"tenant_id": of.tenant, "plan_id": small, "username": "alice", "domain": "example.com"});
    let foreseen = fleet.post("/v1/accounts?dry_run=true", &of.key, &body).await;
    assert_eq!(foreseen.expect(200)["objects"][0]["node_id"], json!(fleet.node.to_string()));
    is_silent(&foreseen);
    let made = fleet.post("/v1/accounts", &of.key, &body).await;
    is_silent(&made);
    let account = format!("/v1/accounts/{}", id(&made));
    fleet.agreement.report("failed", "removed").await;
    // A zone's name servers have their nodes' names, for all the world to ask.
    for path in [&account, "/v1/accounts", "/v1/domains", "/v1/operations", "/v1/plans"] {
        let answer = fleet.get(path, &of.key).await;
        answer.expect(200);
        is_silent(&answer);
    }
    // What its plan asks for and its node is not is the platform's to see.
    let placement = json!({"placement": {"pool": "ssd"}});
    patch(&fleet, &format!("/v1/plans/{small}"), &fleet.admin, &placement).await.expect(200);
    assert_eq!(fleet.get(&account, &of.key).await.expect(200).get("placement_unmet"), None);
    let unmet = fleet.get(&account, &fleet.admin).await.expect(200)["placement_unmet"].clone();
    assert_eq!((&unmet[0]["term"], &unmet[0]["wanted"]), (&json!("pool"), &json!("ssd")));
    let listed = fleet.get("/v1/accounts?placement_met=false", &fleet.admin).await.expect(200);
    assert_eq!(listed["items"][0]["placement_unmet"], unmet);
    let refused = fleet.get("/v1/accounts?placement_met=false", &of.key).await;
    assert_eq!(refused.problem(422, "invalid").as_deref(), Some("placement_met"));
}

#[tokio::test]
async fn a_plans_new_place_says_beforehand_whose_node_it_is_not() {
    let (fleet, of) = narrow().await;
    let plan = json!({"name": "small", "disk_mb": 10, "php_version": "8.2"});
    let small = id(&fleet.post("/v1/plans", &of.key, &plan).await);
    let body = json!({"tenant_id": of.tenant, "plan_id": small, "username": "alice"});
    fleet.post("/v1/accounts", &of.key, &body).await.expect(201);
    let path = format!("/v1/plans/{small}?dry_run=true");
    let change = json!({"placement": {"pool": "ssd"}});
    let preview = patch(&fleet, &path, &fleet.admin, &change).await.expect(200);
    let warning = preview["warnings"][0].as_str().expect("a warning");
    assert!(warning.contains("alice") && warning.contains("n1 is not in the pool ssd"), "{warning}");
    patch(&fleet, &path, &of.key, &change).await.problem(403, "forbidden");
}
