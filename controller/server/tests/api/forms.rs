//! Requests that are not what they should be.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{Fleet, JSON, id};

const PLAN: &str = r#"{"name":"basic","disk_mb":1,"php_version":"8.2"}"#;

#[tokio::test]
async fn malformed_json_is_refused() {
    let fleet = Fleet::new().await;
    for body in ["", "{", "nul", "{\"name\":}", "{} x", "\u{0}"] {
        fleet.post_text("/v1/plans", &fleet.admin, body).await.problem(400, "malformed_body");
    }
}

#[tokio::test]
async fn an_unknown_field_is_refused_by_name() {
    let fleet = Fleet::new().await;
    let body = r#"{"name":"basic","disk_mb":1,"php_version":"8.2","disk_gb":1}"#;
    let field = fleet.post_text("/v1/plans", &fleet.admin, body).await.problem(422, "invalid_body");
    assert_eq!(field.as_deref(), Some("disk_gb"));
    assert_eq!(fleet.get("/v1/plans", &fleet.admin).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn hostile_values_are_refused_where_they_enter() {
    let fleet = Fleet::new().await;
    let reseller = fleet.reseller("acme").await;
    let before = fleet.agreement.log.lock().await.len();
    let hostile = [
        "a;id",
        "$(id)",
        "`id`",
        "-oProxyCommand=x",
        "--",
        "../x",
        "a\nb",
        "a b",
        "root",
        "'];system(1);#",
        "<script>",
        "a\u{0}",
    ];
    for value in hostile {
        for field in ["username", "domain", "document_root", "contact"] {
            let mut body = json!({"tenant_id": reseller.tenant, "plan_id": reseller.plan, "username": "alice",
                "domain": "example.com"});
            body[field] = Value::from(value);
            let answer = fleet.post("/v1/accounts", &reseller.key, &body).await;
            assert_eq!(answer.problem(422, "invalid_body").as_deref(), Some(field), "{value:?}");
        }
    }
    for root in ["/etc", "web/../../etc", "etc", "web/a/b"] {
        let body = json!({"tenant_id": reseller.tenant, "plan_id": reseller.plan, "username": "alice",
            "domain": "example.com", "document_root": root});
        let answer = fleet.post("/v1/accounts", &reseller.key, &body).await;
        assert_eq!(answer.problem(422, "invalid_body").as_deref(), Some("document_root"));
    }
    assert_eq!(fleet.agreement.log.lock().await.len(), before, "something was proposed");
}

#[tokio::test]
async fn a_public_suffix_is_nobodys_domain_and_nobodys_zone() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let answer = fleet.account(&of, "alice", Some("co.uk")).await;
    assert_eq!(answer.problem(422, "invalid").as_deref(), Some("domain"));
    let account = id(&fleet.account(&of, "alice", Some("example.co.uk")).await);
    for path in ["/v1/domains", "/v1/zones"] {
        let body = json!({"account_id": account, "name": "Co.Uk."});
        let answer = fleet.post(path, &of.key, &body).await;
        assert_eq!(answer.problem(422, "invalid").as_deref(), Some("name"), "{path}");
    }
}

#[tokio::test]
async fn a_name_with_the_accounts_prefix_on_it_is_not_prefixed_again() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", None).await);
    for path in ["/v1/databases", "/v1/database-users"] {
        for name in ["alice_shop", "alice_"] {
            let answer = fleet.post(path, &of.key, &json!({"account_id": account, "name": name})).await;
            assert_eq!(answer.problem(422, "invalid").as_deref(), Some("name"), "{path} {name}");
        }
        let made = fleet.post(path, &of.key, &json!({"account_id": account, "name": "aliceshop"})).await;
        assert_eq!(made.expect(201)["name"], "alice_aliceshop");
    }
}

#[tokio::test]
async fn a_plan_gives_some_disk_space_and_no_more_than_there_can_be() {
    let fleet = Fleet::new().await;
    let plan = |disk: u64| json!({"name": "basic", "disk_mb": disk, "php_version": "8.2"});
    let nothing = fleet.post("/v1/plans", &fleet.admin, &plan(0)).await;
    assert_eq!(nothing.problem(422, "invalid").as_deref(), Some("disk_mb"));
    let beyond = fleet.post("/v1/plans", &fleet.admin, &plan((1 << 40) + 1)).await;
    assert_eq!(beyond.problem(422, "invalid_body").as_deref(), Some("disk_mb"));
    fleet.post("/v1/plans", &fleet.admin, &plan(1 << 40)).await.expect(201);
}

#[tokio::test]
async fn a_body_of_more_than_a_mebibyte_is_refused() {
    let fleet = Fleet::new().await;
    let body = format!(r#"{{"name":"{}"}}"#, "x".repeat(1024 * 1024));
    fleet.post_text("/v1/plans", &fleet.admin, &body).await.problem(413, "body_too_large");
    // A length that is only claimed is refused before anything is read.
    let request = Fleet::request(Method::POST, "/v1/plans", &fleet.admin)
        .header("content-type", JSON)
        .header("content-length", "1073741824");
    let answer = fleet.send(request.body(Body::from("{}")).expect("a request")).await;
    answer.problem(413, "body_too_large");
}

#[tokio::test]
async fn a_body_that_is_not_declared_json_is_refused() {
    let fleet = Fleet::new().await;
    let request =
        Fleet::request(Method::POST, "/v1/plans", &fleet.admin).header("content-type", "text/plain");
    let answer = fleet.send(request.body(Body::from(PLAN)).expect("a request")).await;
    answer.problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems_too() {
    let fleet = Fleet::new().await;
    for path in ["/", "/v1", "/v1/nothing", "/v2/plans", "/v1/plans/x/y"] {
        fleet.get(path, &fleet.admin).await.problem(404, "no_route");
    }
    for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        let request = Fleet::request(method.clone(), "/v1/plans", &fleet.admin);
        let answer = fleet.send(request.body(Body::empty()).expect("a request")).await;
        answer.problem(405, "method_not_allowed");
    }
}

#[tokio::test]
async fn what_is_not_an_id_is_not_there() {
    let fleet = Fleet::new().await;
    for id in ["1", "root", "..%2f..%2fetc", "%00", "01901111-0000-7000-8000-00000000000"] {
        fleet.get(&format!("/v1/plans/{id}"), &fleet.admin).await.problem(404, "not_found");
        fleet.delete(&format!("/v1/plans/{id}"), &fleet.admin).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_query_is_checked_as_strictly_as_a_body() {
    let fleet = Fleet::new().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1000000", "limit"),
        ("limit=x", "limit"),
        ("after=x", "after"),
        ("tenant_id=x", "tenant_id"),
        ("nmae=x", "nmae"),
    ] {
        let answer = fleet.get(&format!("/v1/plans?{query}"), &fleet.admin).await;
        assert_eq!(answer.problem(422, "invalid_query").as_deref(), Some(field), "{query}");
    }
    let body = json!({"account_id": "01901111-0000-7000-8000-000000000000", "name": "x.example"});
    for (query, field) in [("wait=ready", "wait"), ("wait=converged&timeout=301", "timeout")] {
        let answer = fleet.post(&format!("/v1/domains?{query}"), &fleet.admin, &body).await;
        assert_eq!(answer.problem(422, "invalid_query").as_deref(), Some(field), "{query}");
    }
}

#[tokio::test]
async fn a_requests_id_is_the_callers_if_it_is_one() {
    let fleet = Fleet::new().await;
    let id = "01901111-2222-7333-8444-555555555555";
    for (given, is_kept) in [(id, true), ("x", false), ("x\"<script>", false)] {
        let request = Fleet::request(Method::GET, "/v1/plans", &fleet.admin).header("x-request-id", given);
        let answer = fleet.send(request.body(Body::empty()).expect("a request")).await;
        answer.expect(200);
        assert_eq!(answer.header("x-request-id") == given, is_kept, "{given}");
    }
}

#[tokio::test]
async fn a_problems_type_leads_to_a_page() {
    let fleet = Fleet::new().await;
    let problem = fleet.get("/v1/plans?limit=0", &fleet.admin).await.expect(422);
    let path = problem["type"].as_str().expect("a type");
    let page = fleet.send(Request::get(path).body(Body::empty()).expect("a request")).await;
    assert_eq!((page.status.as_u16(), page.text.starts_with("invalid_query (422)")), (200, true), "{page:?}");
    let request = Request::get("/problems/nothing").body(Body::empty()).expect("a request");
    fleet.send(request).await.problem(404, "no_route");
}

#[tokio::test]
async fn the_document_is_served_to_everybody() {
    let fleet = Fleet::new().await;
    let request = Request::get("/v1/openapi.json").body(Body::empty()).expect("a request");
    let document = fleet.send(request).await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["paths"]["/v1/accounts"]["post"]["operationId"], "account.create");
}
