//! What a controller says of a write that does not have all that was acknowledged.

use http::Method;
use npanel_model::{RecordSetId, TenantId, ZoneId};
use npanel_proto::command::{AddRecordSet, envelope::Command, principal::Who};
use serde_json::json;

use crate::{
    filled::{Filled, writes},
    support::{Fleet, JSON, id},
};

/// A fleet of which every object is known to other controllers only.
async fn known_elsewhere() -> Filled {
    let mut filled = Filled::new().await;
    for (noun, id) in &mut filled.ids {
        *id = if *noun == "controllers" { "77".to_owned() } else { TenantId::generate().to_string() };
    }
    filled.zone = ZoneId::generate().to_string();
    filled
}

#[tokio::test]
async fn no_write_is_refused_for_good_while_it_cannot_be_known() {
    let filled = known_elsewhere().await;
    filled.fleet.agreement.lose_leader();
    for (method, route, operation) in writes() {
        let mut body = filled.body(&operation);
        if operation == "webhook.create" {
            body["tenant_id"] = json!(filled.ids["tenants"]);
        }
        let answer = filled.ask(&method, &filled.path(&route), &body).await;
        assert_eq!(answer.status, 503, "{operation}: {answer:?}");
        answer.problem(503, "no_leader");
        assert_eq!(answer.header("retry-after"), "1", "{operation}");
    }
}

#[tokio::test]
async fn a_write_is_about_what_others_acknowledged_also_where_it_believes_that_it_leads() {
    let filled = Filled::new().await;
    let (set, zone) = (RecordSetId::generate(), filled.zone.parse::<ZoneId>().expect("an id"));
    let add = AddRecordSet {
        record_set_id: set.to_bytes(),
        zone_id: zone.to_bytes(),
        name: "elsewhere".to_owned(),
        r#type: "A".to_owned(),
        ttl_seconds: 300,
        records: vec!["192.0.2.1".to_owned()],
        operation_id: npanel_model::OperationId::generate().to_bytes(),
    };
    let agreement = &filled.fleet.agreement;
    agreement.accept_elsewhere(Who::ControllerId(1), Command::AddRecordSet(add)).await;
    let path = format!("/v1/zones/{zone}/record-sets/{set}");
    let other_zone = format!("/v1/zones/{}/record-sets/{set}", ZoneId::generate());
    filled.ask(&Method::DELETE, &other_zone, &json!(null)).await.problem(404, "not_found");
    let changed = filled.ask(&Method::PATCH, &path, &json!({"ttl_seconds": 60})).await;
    assert_eq!(changed.expect(200)["ttl_seconds"], 60);
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_if_it_is_known_and_else_hears_that_it_is_not() {
    let fleet = Fleet::new().await;
    let tenant = id(&fleet.post("/v1/tenants", &fleet.admin, &json!({"name": "acme"})).await);
    let make = async |key: &str| {
        let body = json!({"tenant_id": tenant, "url": "https://example.com/", "events": ["*"]}).to_string();
        let request = Fleet::request(Method::POST, "/v1/webhooks", &fleet.admin)
            .header("content-type", JSON)
            .header("idempotency-key", key);
        fleet.send(request.body(body.into()).expect("a request")).await
    };
    let webhook = id(&make("k1").await);
    fleet.delete(&format!("/v1/webhooks/{webhook}"), &fleet.admin).await.expect(204);
    fleet.delete(&format!("/v1/tenants/{tenant}"), &fleet.admin).await.expect(204);
    fleet.agreement.lose_leader();
    let again = make("k1").await;
    assert_ne!(again.status, 503, "the repetition is known here: {again:?}");
    make("k2").await.problem(503, "no_leader");
}
