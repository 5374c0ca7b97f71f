//! Many things made by one call.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Fleet, JSON, Reseller, id};

async fn call(
    fleet: &Fleet,
    path: &str,
    key: &str,
    idempotency_key: Option<&str>,
    items: &[Value],
) -> Answer {
    let mut request = Fleet::request(Method::POST, path, key).header("content-type", JSON);
    if let Some(idempotency_key) = idempotency_key {
        request = request.header("idempotency-key", idempotency_key);
    }
    fleet.send(request.body(json!({"items": items}).to_string().into()).expect("a request")).await
}

fn account(of: &Reseller, username: &str) -> Value {
    json!({"tenant_id": of.tenant, "plan_id": of.plan, "username": username})
}

fn statuses(answer: &Value) -> Vec<u64> {
    let items = answer["items"].as_array().expect("items");
    items.iter().map(|item| item["status"].as_u64().expect("a status")).collect()
}

async fn count(fleet: &Fleet, path: &str, key: &str) -> usize {
    fleet.get(path, key).await.expect(200)["items"].as_array().expect("items").len()
}

#[tokio::test]
async fn items_go_on_when_one_fails_and_each_says_what_became_of_it() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let mut nameless = account(&of, "x");
    nameless["username"] = json!("Not a name");
    let items = [account(&of, "alice"), account(&of, "alice"), nameless, json!(7), account(&of, "bob")];
    let answer = call(&fleet, "/v1/accounts:bulk", &of.key, None, &items).await.expect(200);
    assert_eq!(statuses(&answer), [201, 409, 422, 422, 201]);
    assert_eq!((&answer["succeeded"], &answer["failed"]), (&json!(2), &json!(3)));
    let items = &answer["items"];
    assert_eq!(items[0]["object"]["username"], "alice");
    assert!(items[0]["operation_id"].is_string(), "{}", items[0]);
    assert_eq!(
        (&items[1]["problem"]["code"], &items[1]["problem"]["field"]),
        (&json!("name_taken"), &json!("username"))
    );
    assert_eq!(
        (&items[2]["problem"]["code"], &items[2]["problem"]["field"]),
        (&json!("invalid_body"), &json!("username"))
    );
    assert_eq!(items[3]["problem"]["code"], "invalid_body");
    assert_eq!(items[4]["object"]["username"], "bob");
    assert_eq!(count(&fleet, "/v1/accounts", &of.key).await, 2);
}

#[tokio::test]
async fn a_call_that_is_repeated_does_nothing_twice_and_goes_on_where_it_was() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let items = [account(&of, "alice"), account(&of, "bob")];
    let first = call(&fleet, "/v1/accounts:bulk", &of.key, Some("order-1"), &items).await.expect(200);
    let again = call(&fleet, "/v1/accounts:bulk", &of.key, Some("order-1"), &items).await.expect(200);
    assert_eq!(statuses(&again), [201, 201], "{again:#}");
    for place in 0..2 {
        assert_eq!(first["items"][place]["object"]["id"], again["items"][place]["object"]["id"]);
    }
    let more = [account(&of, "alice"), account(&of, "carol"), account(&of, "dave")];
    let more = call(&fleet, "/v1/accounts:bulk", &of.key, Some("order-1"), &more).await.expect(200);
    assert_eq!(statuses(&more), [201, 422, 201]);
    assert_eq!(more["items"][1]["problem"]["code"], "idempotency_key_reused");
    let without = call(&fleet, "/v1/accounts:bulk", &of.key, None, &items).await.expect(200);
    assert_eq!(statuses(&without), [409, 409], "without a key it is another call");
    assert_eq!(count(&fleet, "/v1/accounts", &of.key).await, 3);
}

#[tokio::test]
async fn a_dry_run_makes_none_of_them() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    id(&fleet.account(&of, "alice", None).await);
    let items = [account(&of, "alice"), account(&of, "bob")];
    let before = fleet.agreement.content().await;
    let answer = call(&fleet, "/v1/accounts:bulk?dry_run=true", &of.key, Some("k"), &items).await.expect(200);
    assert_eq!(statuses(&answer), [409, 200]);
    assert!(answer["items"][1]["preview"]["objects"].is_array(), "{answer:#}");
    assert_eq!(fleet.agreement.content().await, before);
}

#[tokio::test]
async fn a_call_makes_a_thousand_and_no_more() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let of_number = |number: usize| account(&of, &format!("a{number}"));
    for items in [Vec::new(), (0..1001).map(of_number).collect()] {
        let answer = call(&fleet, "/v1/accounts:bulk", &of.key, None, &items).await;
        assert_eq!(answer.problem(422, "invalid").as_deref(), Some("items"));
    }
    assert_eq!(count(&fleet, "/v1/accounts", &of.key).await, 0);
    let items: Vec<Value> = (0..1000).map(of_number).collect();
    let answer = call(&fleet, "/v1/accounts:bulk", &of.key, Some("all"), &items).await.expect(200);
    assert_eq!((&answer["succeeded"], &answer["failed"]), (&json!(1000), &json!(0)));
    let last = &answer["items"][999]["object"];
    assert_eq!(last["username"], "a999", "they are answered in their order");
}

#[tokio::test]
async fn domains_databases_and_record_sets_are_made_so_too_and_only_by_who_may_make_one() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", Some("alice.example")).await);
    let zone = fleet.first("/v1/zones", &of.key).await;
    let name = |name: &str| json!({"account_id": account, "name": name});
    let record = |name: &str| json!({"name": name, "type": "A", "records": ["192.0.2.1"]});
    let records = format!("/v1/zones/{zone}/record-sets:bulk");
    for (path, items) in [
        ("/v1/domains:bulk", [name("one.example"), name("co.uk"), name("two.example")]),
        ("/v1/databases:bulk", [name("one"), name("alice_x"), name("two")]),
        (records.as_str(), [record("a"), json!({"name": "b", "type": "A", "records": ["x"]}), record("c")]),
    ] {
        let answer = call(&fleet, path, &of.key, None, &items).await.expect(200);
        assert_eq!(statuses(&answer), [201, 422, 201], "{path}: {answer:#}");
        let narrow = fleet.key(&fleet.admin, &of.tenant, &["plan.*"]).await;
        call(&fleet, path, &narrow, None, &items).await.problem(403, "forbidden");
    }
    let other = fleet.reseller("other").await;
    let answer =
        call(&fleet, "/v1/domains:bulk", &other.key, None, &[name("three.example")]).await.expect(200);
    assert_eq!(answer["items"][0]["problem"]["code"], "not_found");
}
