//! Who may do what.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, Request};
use npanel_model::{Action, PlanId, Realm};
use npanel_proto::command::{CreateApiKey, CreatePlan, envelope::Command, principal::Who};
use serde_json::{Value, json};

use crate::support::{Answer, Fleet, JSON, id};

/// Every route with its action, read from the published document.
fn routes() -> Vec<(Method, String, Action)> {
    let document: Value = serde_json::from_str(npanel_server::openapi::document()).expect("JSON");
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            let said = operation["x-action"].as_str();
            let Some(action) = said.or(operation["operationId"].as_str()) else { continue };
            let path = path.replace("{id}", MISSING).replace("{zone_id}", MISSING);
            routes.push((method, path, action.parse().expect("an action")));
        }
    }
    assert!(routes.len() > 40, "{routes:?}");
    routes
}

const MISSING: &str = "01901111-0000-7000-8000-000000000000";

async fn call(fleet: &Fleet, method: &Method, path: &str, key: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("content-type", JSON);
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    fleet.send(request.body(Body::from("{}")).expect("a request")).await
}

fn is_for_platform(action: Action) -> bool {
    ["node.", "token.", "cluster.", "controller.", "ca.", "secrets."]
        .iter()
        .any(|noun| action.as_str().starts_with(noun))
}

/// What is one's own is no pattern's to take away; what is everyone's needs no key.
fn is_ones_own(action: Action) -> bool {
    matches!(action.realm(), Realm::Own | Realm::Public)
}

#[tokio::test]
async fn without_a_good_key_no_route_answers() {
    let fleet = Fleet::new().await;
    let other = npanel_pki::ApiKeyText::generate().reveal();
    let (known, _) = fleet.admin.split_once('.').expect("a key");
    let (_, stolen) = other.expose().split_once('.').expect("a key");
    let wrong_secret = format!("{known}.{stolen}");
    let token = npanel_pki::BootstrapToken::generate(fleet.services.authorities.pin()).reveal();
    for (method, path, action) in routes() {
        if action.realm() == Realm::Public {
            continue;
        }
        for key in [None, Some(other.expose()), Some(wrong_secret.as_str()), Some(token.expose()), Some("")] {
            let answer = call(&fleet, &method, &path, key).await;
            answer.problem(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{action}");
        }
    }
}

#[tokio::test]
async fn a_key_opens_exactly_the_routes_of_its_actions() {
    let fleet = Fleet::new().await;
    let root = fleet.root.to_string();
    let narrow = fleet.key(&fleet.admin, &root, &["plan.*"]).await;
    let reseller = fleet.reseller("acme").await;
    for (method, path, action) in routes() {
        let answer = call(&fleet, &method, &path, Some(&narrow)).await;
        if is_ones_own(action) {
            continue;
        }
        if action.as_str().starts_with("plan.") {
            assert_ne!(answer.status, 403, "{action}");
        } else {
            answer.problem(403, "forbidden");
        }
        let answer = call(&fleet, &method, &path, Some(&reseller.key)).await;
        assert_eq!(answer.status == 403, is_for_platform(action), "{action}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_read_only_key_can_write_nothing() {
    let fleet = Fleet::new().await;
    let reads: BTreeSet<&str> = Action::ALL
        .iter()
        .map(|action| action.as_str())
        .filter(|action| ["get", "list", "status"].iter().any(|verb| action.contains(&format!(".{verb}"))))
        .collect();
    let reads: Vec<&str> = reads.into_iter().collect();
    let key = fleet.key(&fleet.admin, &fleet.root.to_string(), &reads).await;
    let before = fleet.agreement.log.lock().await.len();
    for (method, path, action) in routes() {
        if method != Method::GET && !is_ones_own(action) {
            call(&fleet, &method, &path, Some(&key)).await.problem(403, "forbidden");
        }
    }
    assert_eq!(fleet.agreement.log.lock().await.len(), before, "something was proposed");
}

#[tokio::test]
async fn anothers_objects_do_not_exist() {
    let fleet = Fleet::new().await;
    let (one, other) = (fleet.reseller("one").await, fleet.reseller("other").await);
    let account = id(&fleet.account(&one, "alice", Some("example.com")).await);
    let (database, user) = fleet.shop(&account, &one.key).await;
    let first = async |path: &str| fleet.first(path, &one.key).await;
    let (domain, zone, operation) =
        (first("/v1/domains").await, first("/v1/zones").await, first("/v1/operations").await);
    let set = first(&format!("/v1/zones/{zone}/record-sets")).await;
    let key = first("/v1/api-keys").await;
    for (path, is_removable) in [
        (format!("/v1/tenants/{}", one.tenant), true),
        (format!("/v1/plans/{}", one.plan), true),
        (format!("/v1/accounts/{account}"), true),
        (format!("/v1/domains/{domain}"), true),
        (format!("/v1/databases/{database}"), true),
        (format!("/v1/database-users/{user}"), true),
        (format!("/v1/zones/{zone}/record-sets/{set}"), true),
        (format!("/v1/zones/{zone}"), true),
        (format!("/v1/api-keys/{key}"), true),
        (format!("/v1/operations/{operation}"), false),
    ] {
        fleet.get(&path, &one.key).await.expect(200);
        fleet.get(&path, &other.key).await.problem(404, "not_found");
        if is_removable {
            fleet.delete(&path, &other.key).await.problem(404, "not_found");
        }
        fleet.get(&path, &one.key).await.expect(200);
    }
    for list in ["accounts", "domains", "databases", "database-users", "zones", "operations"] {
        let items = fleet.get(&format!("/v1/{list}"), &other.key).await.expect(200);
        assert_eq!(items["items"], json!([]), "{list}");
    }
    for (path, body) in [
        (
            "/v1/accounts".to_owned(),
            json!({"tenant_id": one.tenant, "plan_id": one.plan, "username": "mallory"}),
        ),
        (
            "/v1/accounts".to_owned(),
            json!({"tenant_id": other.tenant, "plan_id": one.plan, "username": "mallory"}),
        ),
        ("/v1/domains".to_owned(), json!({"account_id": account, "name": "evil.example"})),
        ("/v1/databases".to_owned(), json!({"account_id": account, "name": "evil"})),
        ("/v1/database-users".to_owned(), json!({"account_id": account, "name": "evil"})),
        ("/v1/zones".to_owned(), json!({"account_id": account, "name": "evil.example"})),
        (
            "/v1/plans".to_owned(),
            json!({"tenant_id": one.tenant, "name": "evil", "disk_mb": 1, "php_version": "8.2"}),
        ),
        ("/v1/tenants".to_owned(), json!({"parent_id": one.tenant, "name": "evil"})),
        ("/v1/api-keys".to_owned(), json!({"tenant_id": one.tenant, "name": "evil", "actions": ["*"]})),
        (
            format!("/v1/zones/{zone}/record-sets"),
            json!({"name": "evil", "type": "A", "records": ["192.0.2.66"]}),
        ),
    ] {
        fleet.post(&path, &other.key, &body).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_record_set_is_in_its_own_zone_only() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", Some("example.com")).await);
    let other =
        id(&fleet.post("/v1/zones", &of.key, &json!({"account_id": account, "name": "example.org"})).await);
    let zones = fleet.get("/v1/zones?name=example.com", &of.key).await.expect(200);
    let zone = zones["items"][0]["id"].as_str().expect("an id").to_owned();
    let sets = fleet.get(&format!("/v1/zones/{zone}/record-sets"), &of.key).await.expect(200);
    let set = sets["items"][0]["id"].as_str().expect("an id");
    fleet.get(&format!("/v1/zones/{other}/record-sets/{set}"), &of.key).await.problem(404, "not_found");
    fleet.delete(&format!("/v1/zones/{other}/record-sets/{set}"), &of.key).await.problem(404, "not_found");
    fleet.get(&format!("/v1/zones/{zone}/record-sets/{set}"), &of.key).await.expect(200);
}

#[tokio::test]
async fn a_key_hands_on_no_more_than_it_has() {
    let fleet = Fleet::new().await;
    let reseller = fleet.reseller("acme").await;
    let narrow = fleet.key(&reseller.key, &reseller.tenant, &["api_key.*", "account.get"]).await;
    for actions in [json!(["*"]), json!(["account.*"]), json!(["plan.get"])] {
        let answer = fleet.post("/v1/api-keys", &narrow, &json!({"name": "more", "actions": actions})).await;
        assert_eq!(answer.problem(403, "forbidden").as_deref(), Some("actions"));
    }
    let above = json!({"tenant_id": fleet.root, "name": "above", "actions": ["account.get"]});
    fleet.post("/v1/api-keys", &narrow, &above).await.problem(404, "not_found");
    let less = json!({"name": "less", "actions": ["account.get"]});
    fleet.post("/v1/api-keys", &narrow, &less).await.expect(201);
}

#[tokio::test]
async fn an_end_at_the_beginning_of_time_is_not_never() {
    let fleet = Fleet::new().await;
    for end in ["1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z"] {
        let body = json!({"name": "ended", "actions": ["plan.get"], "expires_at": end});
        let answer = fleet.post("/v1/api-keys", &fleet.admin, &body).await;
        assert_eq!(answer.problem(422, "invalid").as_deref(), Some("expires_at"), "{end}");
    }
}

/// An administrator's key that another controller has made, and this one has not heard of.
async fn key_made_elsewhere(fleet: &Fleet) -> String {
    let key = npanel_pki::ApiKeyText::generate();
    let create = CreateApiKey {
        api_key_id: key.id.to_bytes(),
        tenant_id: fleet.root.to_bytes(),
        name: "new".to_owned(),
        secret_hash: key.secret.hash().to_bytes(),
        actions: vec!["*".to_owned()],
        ..CreateApiKey::default()
    };
    fleet.agreement.accept_elsewhere(Who::ControllerId(1), Command::CreateApiKey(create)).await;
    key.reveal().expose().to_owned()
}

/// Clients give up at a 401. One who has just joined knows no key yet, and may not hear the leader.
#[tokio::test]
async fn a_key_that_cannot_be_looked_for_is_not_said_to_be_bad() {
    let fleet = Fleet::new().await;
    let key = key_made_elsewhere(&fleet).await;
    let asked = futures::future::join_all((0..20).map(|_| fleet.get("/v1/plans", &key))).await;
    asked.iter().for_each(|answer| drop(answer.expect(200)));

    let fleet = Fleet::new().await;
    let key = key_made_elsewhere(&fleet).await;
    fleet.agreement.lose_leader();
    fleet.get("/v1/plans", &key).await.problem(503, "no_leader");
    fleet.get("/v1/cluster?consistency=stale", &fleet.admin).await.expect(200);
}

#[tokio::test]
async fn what_another_controller_acknowledged_is_there_on_this_one() {
    let fleet = Fleet::new().await;
    let key = key_made_elsewhere(&fleet).await;
    fleet.get("/v1/plans", &key).await.expect(200);

    let plan = |name: &str| {
        Command::CreatePlan(CreatePlan {
            plan_id: PlanId::generate().to_bytes(),
            tenant_id: fleet.root.to_bytes(),
            name: name.to_owned(),
            disk_mb: 1,
            php_version: "8.2".to_owned(),
            ..CreatePlan::default()
        })
    };
    fleet.agreement.accept_elsewhere(Who::ControllerId(1), plan("one")).await;
    let listed = fleet.get("/v1/plans", &fleet.admin).await.expect(200);
    assert_eq!(listed["items"][0]["name"], "one");
}

#[tokio::test]
async fn a_revoked_key_opens_nothing() {
    let fleet = Fleet::new().await;
    let body = json!({"name": "short", "actions": ["plan.list"]});
    let made = fleet.post("/v1/api-keys", &fleet.admin, &body).await;
    let made_body = made.expect(201);
    let key = made_body["key"].as_str().expect("a key");
    fleet.get("/v1/plans", key).await.expect(200);
    fleet.delete(&format!("/v1/api-keys/{}", id(&made)), &fleet.admin).await.expect(204);
    fleet.get("/v1/plans", key).await.problem(401, "unauthenticated");
}
