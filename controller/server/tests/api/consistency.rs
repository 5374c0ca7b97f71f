//! How fresh reads are.

use axum::body::Body;
use http::Method;
use npanel_model::{OperationId, PlanId};
use npanel_proto::command::{UpdatePlan, envelope::Command, principal::Who};
use serde_json::{Value, json};

use crate::support::{Answer, Fleet, Reseller};

/// Another controller acknowledges that the plan got this name, and this one has not heard of it yet.
async fn renamed_elsewhere(fleet: &Fleet, of: &Reseller, name: &str) {
    let id: PlanId = of.plan.parse().expect("an id");
    let command = Command::UpdatePlan(UpdatePlan {
        plan_id: id.to_bytes(),
        name: Some(name.to_owned()),
        operation_id: OperationId::generate().to_bytes(),
        ..UpdatePlan::default()
    });
    fleet.agreement.accept_elsewhere(Who::ControllerId(1), command).await;
}

fn index(answer: &Answer) -> u64 {
    answer.header("npanel-index").parse().expect("an index")
}

#[tokio::test]
async fn a_read_shows_what_any_controller_acknowledged_before() {
    let fleet = Fleet::new().await;
    let acme = fleet.reseller("acme").await;
    let (one, list) = (format!("/v1/plans/{}", acme.plan), "/v1/plans");
    let name = |plan: &Value| plan["name"].as_str().expect("a name").to_owned();
    renamed_elsewhere(&fleet, &acme, "second").await;
    let stale = fleet.get(&format!("{one}?consistency=stale"), &acme.key).await;
    assert_eq!(name(&stale.expect(200)), "basic");
    let stale_list = fleet.get(&format!("{list}?consistency=stale&limit=1"), &acme.key).await.expect(200);
    assert_eq!(name(&stale_list["items"][0]), "basic");
    let fresh = fleet.get(&one, &acme.key).await;
    assert_eq!(name(&fresh.expect(200)), "second");
    assert!(index(&fresh) > index(&stale));
    renamed_elsewhere(&fleet, &acme, "third").await;
    assert_eq!(name(&fleet.get(list, &acme.key).await.expect(200)["items"][0]), "third");
}

#[tokio::test]
async fn without_a_leader_only_a_stale_read_is_answered() {
    let fleet = Fleet::new().await;
    let acme = fleet.reseller("acme").await;
    fleet.agreement.lose_leader();
    let path = format!("/v1/plans/{}", acme.plan);
    let refused = fleet.get(&path, &acme.key).await;
    refused.problem(503, "no_leader");
    assert_eq!(refused.header("retry-after"), "1");
    let stale = fleet.get(&format!("{path}?consistency=stale"), &acme.key).await;
    stale.expect(200);
    assert_eq!((index(&stale), stale.header("npanel-age-millis")), (fleet.agreement.applied_now(), "7"));
    // How a controller sees the others is its own to say.
    fleet.get("/v1/cluster", &fleet.admin).await.expect(200);
}

#[tokio::test]
async fn who_wrote_reads_it_wherever() {
    let fleet = Fleet::new().await;
    let acme = fleet.reseller("acme").await;
    let plan = json!({"name": "big", "disk_mb": 1, "php_version": "8.2"});
    let made = fleet.post("/v1/plans", &acme.key, &plan).await;
    let path = format!("{}?consistency=stale&min_index={}", made.header("location"), index(&made));
    assert!(index(&fleet.get(&path, &acme.key).await) >= index(&made));
    // Before it is there, the read waits for it.
    let next = fleet.agreement.applied_now() + 1;
    let request = Fleet::request(Method::GET, "/v1/plans?consistency=stale", &acme.key)
        .header("npanel-min-index", next.to_string());
    let read = fleet.send(request.body(Body::empty()).expect("a request"));
    let written = async {
        tokio::task::yield_now().await;
        fleet.post("/v1/plans", &acme.key, &json!({"name": "huge", "disk_mb": 1, "php_version": "8.2"})).await
    };
    let (read, written) = tokio::join!(biased; read, written);
    assert_eq!(index(&written), next);
    assert_eq!(read.expect(200)["items"].as_array().expect("plans").len(), 3);
    let far = fleet.get("/v1/plans?min_index=1000000", &acme.key).await;
    far.problem(503, "not_reached");
    assert_eq!(far.header("retry-after"), "1");
}

#[tokio::test]
async fn how_fresh_a_read_is_to_be_is_no_filter_of_it() {
    let fleet = Fleet::new().await;
    let acme = fleet.reseller("acme").await;
    for name in ["p1", "p2"] {
        fleet
            .post("/v1/plans", &acme.key, &json!({"name": name, "disk_mb": 1, "php_version": "8.2"}))
            .await
            .expect(201);
    }
    let first = fleet.get("/v1/plans?consistency=stale&limit=2", &acme.key).await.expect(200);
    let next = first["next"].as_str().expect("there is more");
    let second = fleet.get(&format!("/v1/plans?limit=2&after={next}"), &acme.key).await.expect(200);
    assert_eq!(second["items"].as_array().expect("plans").len(), 1);
    for (query, field) in [
        ("consistency=fresh", "consistency"),
        ("consistency=", "consistency"),
        ("consistency=stale&consistency=stale", "consistency"),
        ("min_index=x", "min_index"),
        ("min_index=-1", "min_index"),
        ("consistency=stale&min_index=1&min_index=2", "min_index"),
    ] {
        let answer = fleet.get(&format!("/v1/plans?{query}"), &acme.key).await;
        assert_eq!(answer.problem(422, "invalid_query").as_deref(), Some(field), "{query}");
    }
    let write = fleet.post("/v1/plans?consistency=stale", &acme.key, &json!({})).await;
    assert_eq!(write.problem(422, "invalid_query").as_deref(), Some("consistency"));
}
