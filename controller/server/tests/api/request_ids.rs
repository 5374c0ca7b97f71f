//! One request by one name: in its answer, in the log, in the audit and in its operation.

use std::{
    io,
    sync::{Arc, Mutex},
};

use http::Method;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Answer, Fleet, JSON};

const ID: &str = "01901111-2222-7333-8444-555555555555";

/// What is logged on this thread.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics with it").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn post(fleet: &Fleet, path: &str, body: serde_json::Value) -> Answer {
    let request = Fleet::request(Method::POST, path, &fleet.admin);
    let request = request.header("content-type", JSON).header("x-request-id", ID);
    fleet.send(request.body(body.to_string().into()).expect("a request")).await
}

#[tokio::test]
async fn a_request_is_found_by_its_id_wherever_it_left_something() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().json().with_max_level(tracing::Level::DEBUG).with_writer(log.clone());
    let guard = tracing::subscriber::set_default(subscriber.finish());
    let account = json!({"tenant_id": of.tenant, "plan_id": of.plan, "username": "alice"});
    let made = post(&fleet, "/v1/accounts", account.clone()).await;
    made.expect(201);
    assert_eq!(made.header("x-request-id"), ID);
    let refused = post(&fleet, "/v1/accounts", account.clone()).await;
    assert_eq!(refused.expect(409)["request_id"], ID);
    let in_bulk = post(&fleet, "/v1/accounts:bulk", json!({"items": [account]})).await;
    assert_eq!(in_bulk.expect(200)["items"][0]["problem"]["request_id"], ID);
    drop(guard);

    let operation =
        fleet.get(&format!("/v1/operations/{}", made.header("npanel-operation")), &fleet.admin).await;
    assert_eq!(operation.expect(200)["request_id"], ID);
    let entries = fleet.get("/v1/audit?action=account.create", &fleet.admin).await.expect(200);
    assert_eq!(entries["items"][0]["request_id"], ID, "{entries:#}");
    let text = String::from_utf8(log.0.lock().expect("nobody panics with it").clone()).expect("text");
    let answered: Vec<&str> = text.lines().filter(|line| line.contains("\"answered\"")).collect();
    // What went well is told at `debug`, which other tests' loggers may keep from being told here.
    assert!(answered.iter().any(|line| line.contains("409")), "{text}");
    for line in answered {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(line["span"]["request_id"], ID, "{line}");
    }
}
