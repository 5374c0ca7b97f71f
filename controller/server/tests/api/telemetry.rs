//! How the controller says that it is well.

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use npanel_server::telemetry::{Telemetry, router};
use tower::ServiceExt;

use crate::support::Fleet;

async fn get(fleet: &Fleet, path: &str) -> (u16, String) {
    let telemetry = Telemetry {
        agreement: fleet.services.agreement.clone(),
        presence: fleet.services.presence.clone(),
        metrics: fleet.services.metrics.clone(),
        own: fleet.own_certificates(),
    };
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let response = router(telemetry).oneshot(request).await.expect("an answer");
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8(bytes.to_vec()).expect("text"))
}

#[tokio::test]
async fn a_controller_without_a_leader_is_alive_and_not_ready() {
    let fleet = Fleet::new().await;
    assert_eq!(get(&fleet, "/healthz").await.0, 200);
    assert_eq!(get(&fleet, "/readyz").await.0, 200);
    fleet.agreement.lose_leader();
    assert_eq!(get(&fleet, "/healthz").await.0, 200);
    assert_eq!(get(&fleet, "/readyz").await.0, 503);
}

#[tokio::test]
async fn requests_nodes_and_the_agreement_are_measured() {
    let fleet = Fleet::new().await;
    fleet.get("/v1/plans/x", &fleet.admin).await.problem(404, "not_found");
    let (_, text) = get(&fleet, "/metrics").await;
    for line in [
        r#"npanel_http_requests_total{method="GET",route="/v1/plans/{id}",status="404"} 1"#,
        r#"npanel_nodes{status="ready"} 1"#,
        "npanel_raft_is_leader 1",
        "npanel_raft_term 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
