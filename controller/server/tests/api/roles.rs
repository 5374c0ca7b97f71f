//! The table of permissions, called: every route as every role, and as another tenant.

use std::collections::BTreeMap;

use axum::body::Body;
use http::{Method, header};
use npanel_model::{AccessRole, Action, Realm};
use npanel_server::permissions::{Route, allowance, routes};
use serde_json::{Value, json};

use crate::{
    support::{Answer, Fleet, JSON, Reseller, id},
    users::signed_in,
};

const MISSING: &str = "01901111-0000-7000-8000-000000000000";

async fn call(fleet: &Fleet, method: &Method, path: &str, key: &str, body: &Value) -> Answer {
    let request = Fleet::request(method.clone(), path, key).header(header::CONTENT_TYPE, JSON);
    fleet.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

/// Nothing is changed: reads ignore the word, and what does not know it refuses it.
fn looked_at(route: &Route, id: &str) -> String {
    let path = route.path.replace("{id}", id).replace("{zone_id}", id);
    if route.method == Method::GET { path } else { format!("{path}?dry_run=true") }
}

#[tokio::test]
async fn every_role_takes_exactly_the_routes_of_the_table() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", None).await);
    let make = async |maker: &str, login: &str, role: AccessRole, more: Value| {
        signed_in(&fleet, maker, login, role.as_str(), more).await.1
    };
    let accounts = json!({"accounts": [account]});
    let roles = [
        (
            AccessRole::Administrator,
            make(&fleet.admin, "a@example.com", AccessRole::Administrator, json!({})).await,
        ),
        (AccessRole::Support, make(&fleet.admin, "s@example.com", AccessRole::Support, json!({})).await),
        (AccessRole::Reseller, make(&of.key, "r@acme.example", AccessRole::Reseller, json!({})).await),
        (AccessRole::Owner, make(&of.key, "o@acme.example", AccessRole::Owner, accounts).await),
    ];
    let mut asked = 0;
    for route in routes().iter().filter(|route| route.action.realm() != Realm::Public) {
        for (role, token) in &roles {
            let answer = call(&fleet, &route.method, &looked_at(route, MISSING), token, &json!({})).await;
            let (action, may) = (route.action, allowance(*role).covers(route.action));
            assert_eq!(answer.status != 403, may, "{role} and {action}: {}", answer.text);
            assert_ne!(answer.status, 401, "{role} and {action}: {}", answer.text);
            asked += 1;
        }
    }
    assert!(asked > 350, "{asked}");
}

#[tokio::test]
async fn support_of_a_tenant_writes_nothing_there_and_sees_nothing_of_the_platform() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let (_, token) = signed_in(&fleet, &of.key, "s@acme.example", "support", json!({})).await;
    let before = fleet.agreement.log.lock().await.len();
    for route in routes() {
        let is_others = matches!(route.action.realm(), Realm::Account | Realm::Tenant | Realm::Platform);
        if is_others && (route.method != Method::GET || route.action.realm() == Realm::Platform) {
            let path = route.path.replace("{id}", MISSING).replace("{zone_id}", MISSING);
            call(&fleet, &route.method, &path, &token, &json!({})).await.problem(403, "forbidden");
        }
    }
    assert_eq!(fleet.agreement.log.lock().await.len(), before, "something was proposed");
}

/// What an account's, and a tenant's, objects are under, with an object of the one who is looked for.
async fn objects(fleet: &Fleet, of: &Reseller) -> BTreeMap<&'static str, String> {
    let account = id(&fleet.account(of, "alice", Some("example.com")).await);
    let (database, user) = fleet.shop(&account, &of.key).await;
    let webhook = json!({"url": "https://hooks.example/x", "events": ["*"]});
    let webhook = id(&fleet.post("/v1/webhooks", &of.key, &webhook).await);
    let provider = json!({"name": "staff", "issuer": "https://id.example.com", "client_id": "npanel",
        "client_secret": "given", "mappings": [{"group": "*", "role": "support"}]});
    let provider = id(&fleet.post("/v1/identity-providers", &of.key, &provider).await);
    let jobs = json!({"jobs": [{"schedule": "@daily", "command": "true"}]});
    let tables = format!("/v1/cron-tables/{account}");
    call(fleet, &Method::PUT, &tables, &of.key, &jobs).await.expect(200);
    let (person, _) = signed_in(fleet, &of.key, "p@acme.example", "reseller", json!({})).await;
    let first = async |path: &str| fleet.first(path, &of.key).await;
    BTreeMap::from([
        ("domains", first("/v1/domains").await),
        ("zones", first("/v1/zones").await),
        ("operations", first("/v1/operations").await),
        ("api-keys", first("/v1/api-keys").await),
        ("sessions", first("/v1/sessions").await),
        ("cron-tables", account.clone()),
        ("accounts", account),
        ("databases", database),
        ("database-users", user),
        ("webhooks", webhook),
        ("identity-providers", provider),
        ("users", person),
        ("tenants", of.tenant.clone()),
        ("plans", of.plan.clone()),
    ])
}

/// A body that the route takes, where an empty object is none.
fn body(action: Action) -> Value {
    match action {
        Action::AccountSuspend | Action::DomainSuspend => json!({"reason": "test"}),
        Action::CronSetJobs => json!({"jobs": []}),
        Action::DatabaseSetPrivileges => json!({"grants": []}),
        Action::UserSetPassword => json!({"password": "correct horse battery"}),
        Action::SessionImpersonate => json!({"reason": "test"}),
        Action::RecordAdd => json!({"name": "evil", "type": "A", "records": ["192.0.2.66"]}),
        _ => json!({}),
    }
}

#[tokio::test]
async fn on_every_route_anothers_object_does_not_exist() {
    let fleet = Fleet::new().await;
    let (one, other) = (fleet.reseller("one").await, fleet.reseller("other").await);
    let objects = objects(&fleet, &one).await;
    let zone = objects["zones"].clone();
    let set = fleet.first(&format!("/v1/zones/{zone}/record-sets"), &one.key).await;
    let (_, as_user) = signed_in(&fleet, &other.key, "r@other.example", "reseller", json!({})).await;
    let own = id(&fleet.account(&other, "carol", None).await);
    let (_, as_owner) =
        signed_in(&fleet, &other.key, "o@other.example", "owner", json!({"accounts": [own]})).await;
    for route in routes().iter().filter(|route| route.path.contains('{')) {
        if route.action.realm() == Realm::Platform {
            continue;
        }
        let noun = route.path.split('/').nth(2).expect("a noun");
        let object = objects.get(noun).unwrap_or_else(|| panic!("{} is not accounted for", route.path));
        let path = match noun {
            "zones" if route.path.contains("record-sets/") => {
                route.path.replace("{zone_id}", &zone).replace("{id}", &set)
            }
            _ => route.path.replace("{zone_id}", object).replace("{id}", object),
        };
        let body = match body(route.action) {
            one if path.ends_with(":bulk") => json!({"items": [one]}),
            one => one,
        };
        for (who, key) in [("a key", &other.key), ("a reseller", &as_user)] {
            let answer = call(&fleet, &route.method, &path, key, &body).await;
            assert_eq!(answer.status, 404, "{who}: {} {path}: {}", route.method, answer.text);
        }
        if allowance(AccessRole::Owner).covers(route.action) {
            let answer = call(&fleet, &route.method, &path, &as_owner, &body).await;
            assert_eq!(answer.status, 404, "an owner: {} {path}: {}", route.method, answer.text);
        }
    }
    for (noun, object) in objects {
        fleet.get(&format!("/v1/{noun}/{object}"), &one.key).await.expect(200);
    }
}
