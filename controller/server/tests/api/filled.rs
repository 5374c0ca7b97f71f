//! A fleet with one of everything, and every route that writes.

use std::collections::BTreeMap;

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use crate::{
    support::{Answer, Fleet, JSON, Reseller, id},
    users::signed_in,
};

/// A fleet with one of everything.
pub(crate) struct Filled {
    pub(crate) fleet: Fleet,
    pub(crate) of: Reseller,
    /// What stands for a path's parameters, by the path's first noun.
    pub(crate) ids: BTreeMap<&'static str, String>,
    pub(crate) zone: String,
}

impl Filled {
    pub(crate) async fn new() -> Self {
        let fleet = Fleet::new().await;
        let of = fleet.reseller("acme").await;
        let account = id(&fleet.account(&of, "alice", Some("example.com")).await);
        let (database, user) = fleet.shop(&account, &fleet.admin).await;
        let make = async |path: &str, body: Value| id(&fleet.post(path, &fleet.admin, &body).await);
        let token = make("/v1/tokens", json!({"role": "node", "uses": 1, "ttl_seconds": 900})).await;
        let key = make("/v1/api-keys", json!({"name": "other", "actions": ["plan.get"]})).await;
        let webhook = json!({"url": "https://example.com/", "events": ["*"]});
        let webhook = make("/v1/webhooks", webhook).await;
        let provider = json!({"name": "staff", "issuer": "https://id.example.com", "client_id": "npanel",
            "client_secret": "given", "mappings": [{"group": "*", "role": "support"}]});
        let provider = make("/v1/identity-providers", provider).await;
        let (person, _) = signed_in(&fleet, &fleet.admin, "p@example.com", "support", json!({})).await;
        let session = fleet.first("/v1/sessions", &fleet.admin).await;
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
            ("webhooks", webhook),
            ("identity-providers", provider),
            ("users", person),
            ("sessions", session),
            ("nodes", fleet.node.to_string()),
            ("controllers", "1".to_owned()),
        ]);
        Self { fleet, of, ids, zone }
    }

    pub(crate) fn path(&self, route: &str) -> String {
        let route = route.replace("{zone_id}", &self.zone);
        let noun = route.split('/').take_while(|part| *part != "{id}").last().unwrap_or_default();
        route.replace("{id}", self.ids.get(noun).map_or("", String::as_str))
    }

    /// A body that the route takes, and nothing else for one that is not known here.
    pub(crate) fn body(&self, operation: &str) -> Value {
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
            "account.suspend" | "domain.suspend" | "tenant.suspend" | "node.revoke" => {
                json!({"reason": "unpaid"})
            }
            "database.create_database" | "database.create_user" => {
                json!({"account_id": account, "name": "new"})
            }
            "database.set_password" | "ca.rotate" | "ca.retire" | "secrets.rotate" => json!({}),
            "database.set_privileges" => {
                json!({"grants": [{"database_id": self.ids["databases"], "privileges": "all"}]})
            }
            "dns.create_zone" => json!({"account_id": account, "name": "new.example"}),
            "dns.add_record" => json!({"name": "www", "type": "A", "records": ["192.0.2.1"]}),
            "dns.update_record" => json!({"ttl_seconds": 60}),
            "webhook.create" => json!({"url": "https://example.com/hook", "events": ["account.*"]}),
            "webhook.update" => json!({"enabled": false}),
            "identity_provider.create" => json!({"name": "other-staff", "issuer": "https://id.example.net",
                "client_id": "npanel", "client_secret": "given", "mappings": [{"group": "*", "role": "support"}]}),
            "identity_provider.update" => json!({"creates_users": true}),
            "token.create" => json!({"role": "node", "uses": 1, "ttl_seconds": 900}),
            "controller.replace" => json!({"ttl_seconds": 900}),
            "api_key.create" => json!({"name": "new", "actions": ["plan.get"]}),
            "cron.set_jobs" => json!({"jobs": [{"schedule": "@daily", "command": "true"}]}),
            "node.update" => json!({"schedulable": false}),
            "cluster.update" => json!({"placement_strategy": "bin_pack"}),
            "api_key.update" => json!({"name": "renamed"}),
            "api_key.rotate" => json!({}),
            "user.create" => json!({"login": "new@example.com", "name": "New", "role": "support"}),
            "user.update" => json!({"name": "Renamed"}),
            "user.set_password" => json!({"password": "correct horse battery"}),
            _ => Value::Null,
        }
    }

    /// Makes it so that every route has something to do: a node that may go, a second controller.
    pub(crate) async fn let_all_go(&mut self) {
        let spare = self.fleet.spare_node().await;
        self.ids.insert("nodes", spare.to_string());
        self.ids.insert("controllers", self.fleet.spare_controller().await.to_string());
    }

    pub(crate) async fn ask(&self, method: &Method, path: &str, body: &Value) -> Answer {
        let request = Fleet::request(method.clone(), path, &self.fleet.admin).header("content-type", JSON);
        self.fleet.send(request.body(Body::from(body.to_string())).expect("a request")).await
    }
}

/// Every route that writes, from the published document.
pub(crate) fn writes() -> Vec<(Method, String, String)> {
    let document: Value = serde_json::from_str(npanel_server::openapi::document()).expect("JSON");
    let mut writes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            if let (Some(id), true) = (operation["operationId"].as_str(), method != Method::GET) {
                // Those have claims of their own: one changes nothing, and gives another answer each time, others make many things.
                if id == "cluster.backup" || id.ends_with(".export") || id.ends_with("_bulk") {
                    continue;
                }
                // Those need no credential, or are for users alone and not for keys: they have claims of their own.
                if ["session.create", "session.token", "session.device", "session.impersonate"].contains(&id)
                    || id.starts_with("me.")
                {
                    continue;
                }
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
