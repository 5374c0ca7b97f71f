//! Lists: filters, and the cursors that lead through them.

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Fleet, JSON, id};

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items");
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_cursor_leads_through_its_own_list_and_no_other() {
    let fleet = Fleet::new().await;
    let (one, other) = (fleet.reseller("one").await, fleet.reseller("other").await);
    for name in ["alice", "bob", "carol"] {
        id(&fleet.account(&one, name, None).await);
    }
    let all = ids(&fleet.get("/v1/accounts", &one.key).await.expect(200));
    let mut found = Vec::new();
    let mut path = "/v1/accounts?limit=1".to_owned();
    let mut cursor = String::new();
    for _ in 0..3 {
        let page = fleet.get(&path, &one.key).await.expect(200);
        found.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        cursor = next.to_owned();
        path = format!("/v1/accounts?limit=1&after={next}");
    }
    assert_eq!(found, all);
    let refused = async |path: String, key: &str| {
        assert_eq!(
            fleet.get(&path, key).await.problem(422, "invalid_query").as_deref(),
            Some("after"),
            "{path}"
        );
    };
    refused(format!("/v1/accounts?after={cursor}"), &other.key).await;
    refused(format!("/v1/accounts?after={cursor}&suspended=true"), &one.key).await;
    refused(format!("/v1/domains?after={cursor}"), &one.key).await;
    refused("/v1/accounts?after=01901111-0000-7000-8000-000000000000".to_owned(), &one.key).await;
    fleet.get(&format!("/v1/accounts?limit=200&after={cursor}"), &one.key).await.expect(200);
}

#[tokio::test]
async fn a_list_is_filtered_by_how_its_items_stand() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let alice = id(&fleet.account(&of, "alice", Some("alice.example")).await);
    fleet.agreement.report("converged", "removed").await;
    let bob = id(&fleet.account(&of, "bob", Some("bob.example")).await);
    let list = async |query: &str| ids(&fleet.get(&format!("/v1/{query}"), &of.key).await.expect(200));
    assert_eq!(list("accounts?status=ready").await, std::slice::from_ref(&alice));
    assert_eq!(list("accounts?status=converging").await, std::slice::from_ref(&bob));
    fleet.agreement.report("failed", "removed").await;
    assert_eq!(list("accounts?status=failed").await.len(), 2);
    assert!(list("accounts?status=ready").await.is_empty());
    fleet.agreement.report("converged", "removed").await;
    assert_eq!(list("accounts?status=ready").await.len(), 2);

    fleet.post(&format!("/v1/accounts/{alice}/suspend"), &of.key, &json!({})).await.expect(200);
    assert_eq!(list("accounts?suspended=true").await, std::slice::from_ref(&alice));
    assert_eq!(list("accounts?suspended=false").await, std::slice::from_ref(&bob));
    assert_eq!(list("domains?suspended=true").await, list("domains?name=alice.example").await);
    assert_eq!(list("domains?suspended=false").await, list("domains?name=bob.example").await);

    assert_eq!(list(&format!("zones?node_id={}", fleet.node)).await.len(), 2);
    assert!(list("domains?node_id=01901111-0000-7000-8000-000000000000").await.is_empty());
    assert!(list("accounts?created_since=2100-01-01T00:00:00Z").await.is_empty());
    assert_eq!(list("accounts?created_since=2020-01-01T00:00:00Z").await.len(), 2);
    assert_eq!(list("operations?finished=false&action=account.suspend").await.len(), 1);
    assert_eq!(list("operations?finished=true&action=account.create").await.len(), 2);
    fleet.get("/v1/accounts?status=sleeping", &of.key).await.problem(422, "invalid_query");
    let request = Fleet::request(Method::GET, "/v1/plans?limit=1000000", &of.key);
    let answer = fleet.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(answer.problem(422, "invalid_query").as_deref(), Some("limit"));
}

#[tokio::test]
async fn an_operation_shows_how_far_it_is_and_keeps_that_when_it_is_done() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let made = fleet.account(&of, "alice", Some("alice.example")).await;
    made.expect(201);
    let path = format!("/v1/operations/{}", made.header("npanel-operation"));
    let open = fleet.get(&path, &of.key).await.expect(200);
    assert_eq!(open["progress"], json!({"done": 0, "total": 3}));
    assert_eq!(open["conditions"][0]["status"], "unknown");
    fleet.agreement.report("failed", "removed").await;
    let listed = fleet.get("/v1/operations?action=account.create", &of.key).await.expect(200);
    assert_eq!(listed["items"][0]["status"], "failed", "in lists, too");
    fleet.agreement.report("converged", "removed").await;
    let done = fleet.get(&path, &of.key).await.expect(200);
    assert_eq!((&done["progress"], &done["status"]), (&json!({"done": 3, "total": 3}), &json!("succeeded")));
    let conditions = done["conditions"].as_array().expect("conditions");
    assert_eq!(conditions.len(), 3);
    for condition in conditions {
        assert_eq!(condition["status"], "true");
        assert_eq!(condition["stages"], json!([{"name": "check", "microseconds": 12}]), "{condition}");
        // The zone was told twice: when it was made, and with the domain's address in it.
        let newest = if condition["object_kind"] == "zone" { 2 } else { 1 };
        assert_eq!(condition["observed_generation"], newest);
    }
}

#[tokio::test]
async fn nodes_and_tokens_are_filtered_by_what_they_are_for() {
    let fleet = Fleet::new().await;
    let node = format!("/v1/nodes/{}", fleet.node);
    let said =
        json!({"pool": "ssd", "labels": ["disk=nvme"], "availability_zone": "eu-1a", "schedulable": false});
    let request = Fleet::request(Method::PATCH, &node, &fleet.admin).header("content-type", JSON);
    fleet.send(request.body(Body::from(said.to_string())).expect("a request")).await.expect(200);
    let token = json!({"role": "node", "uses": 1, "ttl_seconds": 900, "pool": "ssd", "name": "n7"});
    fleet.post("/v1/tokens", &fleet.admin, &token).await.expect(201);
    let found = async |path: String| ids(&fleet.get(&path, &fleet.admin).await.expect(200)).len();
    for filter in [
        "pool=ssd",
        "role=web",
        "label=disk%3Dnvme",
        "availability_zone=eu-1a",
        "schedulable=false",
        "revoked=false",
        "created_since=2020-01-01T00:00:00Z",
        "pool=ssd&role=dns&schedulable=false",
    ] {
        assert_eq!(found(format!("/v1/nodes?{filter}")).await, 1, "{filter}");
    }
    for filter in [
        "pool=default",
        "label=disk%3Dhdd",
        "availability_zone=eu-1b",
        "schedulable=true",
        "revoked=true",
        "created_since=2100-01-01T00:00:00Z",
    ] {
        assert_eq!(found(format!("/v1/nodes?{filter}")).await, 0, "{filter}");
    }
    for (filter, count) in [
        ("role=node&pool=ssd", 1),
        ("role=controller", 0),
        ("name=n7", 1),
        ("unused=false", 1),
        ("unused=true", 1),
    ] {
        assert_eq!(found(format!("/v1/tokens?{filter}")).await, count, "{filter}");
    }
    for path in ["/v1/nodes?role=cook", "/v1/nodes?label=x", "/v1/tokens?role=cook", "/v1/nodes?colour=red"] {
        fleet.get(path, &fleet.admin).await.problem(422, "invalid_query");
    }
}

/// Every list, from the published document.
#[tokio::test]
async fn no_list_gives_a_page_of_a_million() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    id(&fleet.account(&of, "alice", Some("example.com")).await);
    let zone = ids(&fleet.get("/v1/zones", &of.key).await.expect(200))[0].clone();
    let document: Value = serde_json::from_str(npanel_server::openapi::document()).expect("JSON");
    let mut lists = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let parameters = item["get"]["parameters"].as_array().cloned().unwrap_or_default();
        if !parameters.iter().any(|parameter| parameter["name"] == "limit") {
            continue;
        }
        lists += 1;
        let path = path.replace("{zone_id}", &zone).replace("{id}", &zone);
        for limit in ["1000000", "201", "0", "-1", "4294967296", "1e3", ""] {
            let answer = fleet.get(&format!("{path}?limit={limit}"), &fleet.admin).await;
            assert_eq!(answer.problem(422, "invalid_query").as_deref(), Some("limit"), "{path} {limit}");
        }
        fleet.get(&format!("{path}?limit=200"), &fleet.admin).await.expect(200);
    }
    assert!(lists >= 13, "{lists}");
}

/// All of a list, two at a time; the values of a field.
async fn walked(fleet: &Fleet, key: &str, path: &str, field: &str) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), String::new());
    // One that leads in a circle has an end, too.
    for _ in 0..20 {
        let page = fleet.get(&format!("{path}&limit=2{after}"), key).await.expect(200);
        let items = page["items"].as_array().expect("items");
        found.extend(items.iter().map(|item| item[field].as_str().expect("text").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    found
}

#[tokio::test]
async fn a_list_is_in_the_order_that_is_asked_for_also_over_its_pages() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let made = ["mia", "bob", "zoe", "ada", "leo"];
    for name in made {
        id(&fleet.account(&of, name, Some(&format!("{name}.example"))).await);
    }
    let (mut up, mut newest) = (made.to_vec(), made.to_vec());
    up.sort_unstable();
    newest.reverse();
    let down: Vec<&str> = up.iter().rev().copied().collect();
    // Who sees all, and who sees only their own, read by other indexes.
    for key in [&fleet.admin, &of.key] {
        for (sort, expected) in [
            ("username", &up),
            ("-username", &down),
            ("created_at", &made.to_vec()),
            ("-created_at", &newest),
        ] {
            assert_eq!(
                walked(&fleet, key, &format!("/v1/accounts?sort={sort}"), "username").await,
                *expected,
                "{sort}"
            );
        }
        let domains = walked(&fleet, key, "/v1/domains?sort=-name", "name").await;
        assert_eq!(domains, down.iter().map(|name| format!("{name}.example")).collect::<Vec<_>>());
    }
    for name in ["b", "c", "a"] {
        let plan = json!({"name": name, "disk_mb": 1, "php_version": "8.2"});
        fleet.post("/v1/plans", &of.key, &plan).await.expect(201);
        fleet.post("/v1/tenants", &of.key, &json!({"name": name})).await.expect(201);
    }
    assert_eq!(walked(&fleet, &of.key, "/v1/plans?sort=name", "name").await, ["a", "b", "basic", "c"]);
    assert_eq!(walked(&fleet, &of.key, "/v1/tenants?sort=-name", "name").await, ["c", "b", "acme", "a"]);
    assert_eq!(walked(&fleet, &fleet.admin, "/v1/nodes?sort=name", "name").await, ["n1"]);
    assert_eq!(walked(&fleet, &of.key, "/v1/databases?sort=name", "name").await, Vec::<String>::new());
}

#[tokio::test]
async fn only_listed_fields_sort_and_a_cursor_is_of_its_order() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    for name in ["alice", "bob"] {
        id(&fleet.account(&of, name, None).await);
    }
    for sort in ["uid", "username,uid", "-", "", "USERNAME", "username desc", "name;--"] {
        let path = format!("/v1/accounts?sort={}", sort.replace(' ', "%20"));
        fleet.get(&path, &of.key).await.problem(422, "invalid_query");
    }
    let page = fleet.get("/v1/accounts?limit=1&sort=username", &of.key).await.expect(200);
    let cursor = page["next"].as_str().expect("there is more");
    for other in ["", "&sort=-username", "&sort=created_at"] {
        let answer = fleet.get(&format!("/v1/accounts?after={cursor}{other}"), &of.key).await;
        assert_eq!(answer.problem(422, "invalid_query").as_deref(), Some("after"), "{other}");
    }
}
