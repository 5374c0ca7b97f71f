//! Controllers through the API.

use http::Method;
use serde_json::json;

use crate::support::{Fleet, id};

#[tokio::test]
async fn a_replacement_is_a_token_for_one_controller_which_is_shown_once() {
    let fleet = Fleet::new().await;
    let controller = fleet.spare_controller().await;
    let path = format!("/v1/controllers/{controller}/replace");
    let body = json!({"ttl_seconds": 600, "name": "c9"});
    let made = fleet.post(&path, &fleet.admin, &body).await;
    let token = made.expect(201);
    assert!(token["token"].as_str().is_some_and(|text| !text.is_empty()), "{token}");
    for (field, expected) in [
        ("role", json!("controller")),
        ("uses", json!(1)),
        ("name", json!("c9")),
        ("replaces_id", json!(controller)),
    ] {
        assert_eq!(token[field], expected, "{field}");
    }
    let path_of_token = format!("/v1/tokens/{}", id(&made));
    let shown = fleet.get(&path_of_token, &fleet.admin).await.expect(200);
    assert_eq!((shown["token"].as_str(), &shown["replaces_id"]), (None, &json!(controller)));

    let status = fleet.get("/v1/cluster", &fleet.admin).await.expect(200);
    assert!(status["warnings"].to_string().contains("is to be replaced"), "{status}");
    fleet.post(&path, &fleet.admin, &body).await.problem(409, "in_use");
    fleet.delete(&path_of_token, &fleet.admin).await.expect(204);
    fleet.post(&path, &fleet.admin, &body).await.expect(201);
    fleet.post("/v1/controllers/77/replace", &fleet.admin, &body).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_replacement_has_bounds_and_its_own_action() {
    let fleet = Fleet::new().await;
    let controller = fleet.spare_controller().await;
    let path = format!("/v1/controllers/{controller}/replace");
    for seconds in [0, 59, 604_801] {
        let body = json!({"ttl_seconds": seconds});
        fleet.post(&path, &fleet.admin, &body).await.problem(422, "invalid");
    }
    let of_tokens = fleet.key(&fleet.admin, &fleet.root.to_string(), &["token.*"]).await;
    fleet.post(&path, &of_tokens, &json!({"ttl_seconds": 600})).await.problem(403, "forbidden");
    let own = fleet.key(&fleet.admin, &fleet.root.to_string(), &["controller.replace"]).await;
    fleet.post(&path, &own, &json!({"ttl_seconds": 600})).await.expect(201);
    let request = Fleet::request(Method::GET, "/v1/cluster", &own).body(axum::body::Body::empty());
    fleet.send(request.expect("a request")).await.problem(403, "forbidden");
}
