//! Asking what a write would come to.

use std::collections::BTreeMap;

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Fleet, JSON, Reseller, id};

/// A fleet with one of everything.
struct Filled {
    fleet: Fleet,
    of: Reseller,
    /// What stands for a path's parameters, by the path's first noun.
    ids: BTreeMap<&'static str, String>,
    zone: String,
}

impl Filled {
    async fn new() -> Self {
        let fleet = Fleet::new().await;
        let of = fleet.reseller("acme").await;
        let account = id(&fleet.account(&of, "alice", Some("example.com")).await);
        let (database, user) = fleet.shop(&account, &fleet.admin).await;
        let make = async |path: &str, body: Value| id(&fleet.post(path, &fleet.admin, &body).await);
        let token = make("/v1/tokens", json!({"role": "node", "uses": 1, "ttl_seconds": 900})).await;
        let key = make("/v1/api-keys", json!({"name": "other", "actions": ["plan.get"]})).await;
        let empty = make("/v1/tenants", json!({"name": "empty"})).await;
        let unused = json!({"name": "unused", "disk_mb": 1, "php_version": "8.2"});
        let unused = make("/v1/plans", unused).await;
        let first = async |path: &str| fleet.first(path, &of.key).await;
        let (domain, zone) = (first("/v1/domains").await, first("/v1/zones").await);
        let set = first(&format!("/v1/zones/{zone}/record-sets")).await;
        let ids = BTreeMap::from([
            ("tenants", empty),
            ("plans", unused),
            ("cron-tables", account.clone()),
            ("accounts", account),
            ("domains", domain),
            ("databases", database),
            ("database-users", user),
            ("record-sets", set),
            ("zones", zone.clone()),
            ("tokens", token),
            ("api-keys", key),
            ("nodes", fleet.node.to_string()),
            ("controllers", "1".to_owned()),
        ]);
        Self { fleet, of, ids, zone }
    }

    fn path(&self, route: &str) -> String {
        let route = route.replace("{zone_id}", &self.zone);
        let noun = route.split('/').take_while(|part| *part != "{id}").last().unwrap_or_default();
        route.replace("{id}", self.ids.get(noun).map_or("", String::as_str))
    }

    /// A body that the route takes, and nothing else for one that is not known here.
    fn body(&self, operation: &str) -> Value {
        let account = &self.ids["accounts"];
        match operation {
            "tenant.create" => json!({"name": "new"}),
            "tenant.update" => json!({"account_limit": 3}),
            "plan.create" => json!({"name": "new", "disk_mb": 1, "php_version": "8.2"}),
            "plan.update" => json!({"disk_mb": 7}),
            "account.create" => {
                json!({"tenant_id": self.of.tenant, "plan_id": self.of.plan, "username": "bob", "domain": "bob.example"})
            }
            "account.update" => json!({"contact": "a@example.com"}),
            "domain.create" => json!({"account_id": account, "name": "new.example"}),
            "domain.update" => json!({"document_root": "web/other"}),
            "account.suspend" | "domain.suspend" | "node.revoke" => json!({"reason": "unpaid"}),
            "database.create_database" | "database.create_user" => {
                json!({"account_id": account, "name": "new"})
            }
            "database.set_password" | "ca.rotate" | "ca.retire" => json!({}),
            "database.set_privileges" => {
                json!({"grants": [{"database_id": self.ids["databases"], "privileges": "all"}]})
            }
            "dns.create_zone" => json!({"account_id": account, "name": "new.example"}),
            "dns.add_record" => json!({"name": "www", "type": "A", "records": ["192.0.2.1"]}),
            "dns.update_record" => json!({"ttl_seconds": 60}),
            "token.create" => json!({"role": "node", "uses": 1, "ttl_seconds": 900}),
            "api_key.create" => json!({"name": "new", "actions": ["plan.get"]}),
            "cron.set_jobs" => json!({"jobs": [{"schedule": "@daily", "command": "true"}]}),
            "node.update" => json!({"schedulable": false}),
            "cluster.update" => json!({"placement_strategy": "bin_pack"}),
            "api_key.update" => json!({"name": "renamed"}),
            _ => Value::Null,
        }
    }

    async fn ask(&self, method: &Method, path: &str, body: &Value) -> Answer {
        let request = Fleet::request(method.clone(), path, &self.fleet.admin).header("content-type", JSON);
        self.fleet.send(request.body(Body::from(body.to_string())).expect("a request")).await
    }
}

/// Every route that writes, from the published document.
fn writes() -> Vec<(Method, String, String)> {
    let document: Value = serde_json::from_str(&npanel_server::openapi::document()).expect("JSON");
    let mut writes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            if let (Some(id), true) = (operation["operationId"].as_str(), method != Method::GET) {
                let names: Vec<&str> = operation["parameters"]
                    .as_array()
                    .map(|all| all.iter().filter_map(|one| one["name"].as_str()).collect())
                    .unwrap_or_default();
                assert!(names.contains(&"dry_run"), "{id} does not say that it takes dry_run");
                writes.push((method, path.clone(), id.to_owned()));
            }
        }
    }
    assert!(writes.len() > 30, "{writes:?}");
    writes
}

#[tokio::test]
async fn every_write_can_be_asked_what_it_would_come_to_and_changes_nothing_then() {
    let filled = Filled::new().await;
    let (state, log) =
        (filled.fleet.agreement.content().await, filled.fleet.agreement.log.lock().await.len());
    for (method, route, operation) in writes() {
        let path = format!("{}?dry_run=true", filled.path(&route));
        let answer = filled.ask(&method, &path, &filled.body(&operation)).await;
        // The very refusals of the real ones: the node carries something, and the state knows of no authority.
        if ["node.delete", "controller.remove", "ca.rotate"].contains(&operation.as_str()) {
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
    let warnings = preview["warnings"].as_array().expect("warnings");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].as_str().is_some_and(|text| text.contains("alice has 1 domains")), "{warnings:?}");
    let roomy =
        filled.ask(&Method::PATCH, &path, &json!({"domains": 1, "databases": null})).await.expect(200);
    assert_eq!(roomy["warnings"], json!([]));
}
