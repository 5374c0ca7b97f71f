//! What can be made, read, listed and removed.

use serde_json::json;

use crate::support::{Fleet, id};

#[tokio::test]
async fn an_account_with_a_domain_shows_where_it_is_and_why() {
    let fleet = Fleet::new().await;
    let reseller = fleet.reseller("acme").await;
    let made = fleet.account(&reseller, "alice", Some("Example.COM")).await;
    let body = made.expect(201);
    let account = id(&made);
    assert_eq!(made.header("location"), format!("/v1/accounts/{account}"));
    assert_eq!(made.header("npanel-operation"), body["operation_id"].as_str().expect("an operation"));
    assert_eq!(body["uid"], 1_900_000_000);
    assert_eq!(body["status"], "converging");
    assert_eq!(body["assignments"][0]["node_id"], fleet.node.to_string());
    assert_eq!(body["placement"]["parts"][0]["chosen"], fleet.node.to_string());
    let read = fleet.get(&format!("/v1/accounts/{account}"), &fleet.admin).await.expect(200);
    assert_eq!(read["placement"]["parts"][0]["nodes"][0]["verdict"], "chosen");
    assert_eq!(body["conditions"][0]["status"], "unknown");

    let domains = fleet.get(&format!("/v1/domains?account_id={account}"), &reseller.key).await.expect(200);
    let domain = &domains["items"][0];
    assert_eq!(
        (&domain["name"], &domain["document_root"]),
        (&json!("example.com"), &json!("web/example.com"))
    );
    let zone = domain["zone_id"].as_str().expect("a zone");
    let sets =
        fleet.get(&format!("/v1/zones/{zone}/record-sets?name=@&type=A"), &reseller.key).await.expect(200);
    assert_eq!(sets["items"][0]["records"], json!(["192.0.2.11"]));
    let zone = fleet.get(&format!("/v1/zones/{zone}"), &reseller.key).await.expect(200);
    assert_eq!(zone["name_servers"], json!(["n1.ns.example"]));
}

#[tokio::test]
async fn every_noun_of_an_account_is_made_read_listed_and_removed() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", Some("example.com")).await);
    let zone = fleet.get("/v1/zones?name=example.com", &of.key).await.expect(200)["items"][0]["id"].clone();
    let records = format!("/v1/zones/{}/record-sets", zone.as_str().expect("an id"));
    for (path, body) in [
        ("/v1/domains", json!({"account_id": account, "name": "example.net", "create_zone": false})),
        ("/v1/databases", json!({"account_id": account, "name": "shop"})),
        ("/v1/database-users", json!({"account_id": account, "name": "shop", "password": "correct horse"})),
        ("/v1/zones", json!({"account_id": account, "name": "example.org"})),
        (&records, json!({"name": "www", "type": "CNAME", "records": ["Example.com."]})),
    ] {
        let made = fleet.post(path, &of.key, &body).await;
        let object = format!("{path}/{}", id(&made));
        assert_eq!(made.header("location"), object);
        let read = fleet.get(&object, &of.key).await.expect(200);
        let listed = fleet.get(path, &of.key).await.expect(200);
        assert!(
            listed["items"].as_array().expect("items").iter().any(|item| item["id"] == read["id"]),
            "{path}"
        );
        let removed = fleet.delete(&object, &of.key).await;
        let operation = removed.expect(202);
        assert_eq!(removed.header("npanel-operation"), operation["id"], "{path}");
        let operation = format!("/v1/operations/{}", operation["id"].as_str().expect("an id"));
        assert_eq!(fleet.get(&operation, &of.key).await.expect(200)["object_id"], read["id"], "{path}");
    }
}

#[tokio::test]
async fn what_the_fleet_has_nothing_to_do_for_is_gone_at_once() {
    let fleet = Fleet::new().await;
    for (path, body) in [
        ("/v1/tenants", json!({"name": "acme"})),
        ("/v1/plans", json!({"name": "basic", "disk_mb": 1, "php_version": "8.2"})),
        ("/v1/tokens", json!({"role": "node", "uses": 1, "ttl_seconds": 900})),
        ("/v1/api-keys", json!({"name": "ci", "actions": ["account.*"]})),
    ] {
        let object = format!("{path}/{}", id(&fleet.post(path, &fleet.admin, &body).await));
        fleet.get(&object, &fleet.admin).await.expect(200);
        fleet.delete(&object, &fleet.admin).await.expect(204);
        fleet.get(&object, &fleet.admin).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_list_goes_on_where_it_stopped() {
    let fleet = Fleet::new().await;
    for name in ["a", "b", "c"] {
        id(&fleet.post("/v1/tenants", &fleet.admin, &json!({"name": name})).await);
    }
    let list = format!("/v1/tenants?parent_id={}&limit=2", fleet.root);
    let first = fleet.get(&list, &fleet.admin).await.expect(200);
    assert_eq!(first["items"].as_array().map(Vec::len), Some(2));
    let next = first["next"].as_str().expect("more");
    let rest = fleet.get(&format!("{list}&after={next}"), &fleet.admin).await.expect(200);
    assert_eq!((&rest["items"][0]["name"], &rest["next"]), (&json!("c"), &json!(null)));
    assert_eq!(rest["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_name_is_given_once() {
    let fleet = Fleet::new().await;
    let (one, other) = (fleet.reseller("one").await, fleet.reseller("other").await);
    id(&fleet.account(&one, "alice", Some("example.com")).await);
    let field = fleet.account(&other, "alice", None).await.problem(409, "name_taken");
    assert_eq!(field.as_deref(), Some("username"));
    for twin in ["example.com", "EXAMPLE.com", "example.com."] {
        fleet.account(&other, "bob", Some(twin)).await.problem(409, "name_taken");
    }
    let listed = fleet.get("/v1/accounts", &other.key).await.expect(200);
    assert_eq!(listed["items"], json!([]));
}

#[tokio::test]
async fn the_cluster_and_its_nodes_show_themselves_to_the_platform() {
    let fleet = Fleet::new().await;
    let cluster = fleet.get("/v1/cluster", &fleet.admin).await.expect(200);
    assert_eq!((&cluster["leader_id"], &cluster["controllers"][0]["role"]), (&json!(1), &json!("leader")));
    let nodes = fleet.get("/v1/nodes?name=n1", &fleet.admin).await.expect(200);
    let node = &nodes["items"][0];
    assert_eq!((&node["status"], &node["address"]), (&json!("ready"), &json!("192.0.2.11")));
    assert_eq!(node["roles"], json!(["web", "database", "dns"]));
}
