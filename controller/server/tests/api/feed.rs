//! The change feed.

use std::{sync::atomic::Ordering, time::Duration};

use axum::body::{Body, BodyDataStream};
use futures::StreamExt;
use http::{Method, StatusCode};
use npanel_proto::command::{PurgeChanges, envelope::Command, principal::Who};
use serde_json::{Value, json};

use crate::support::{Fleet, id};

/// What comes of a listener that is never told what it waits for.
const DEADLINE: Duration = Duration::from_secs(20);

struct Listener {
    body: BodyDataStream,
    received: String,
}

/// A message: its id, its name, its data.
type Message = (Option<u64>, String, Value);

impl Listener {
    async fn open(fleet: &Fleet, key: &str, query: &str) -> Self {
        Self::from(fleet, key, query, None).await
    }

    async fn from(fleet: &Fleet, key: &str, query: &str, last: Option<u64>) -> Self {
        let mut request = Fleet::request(Method::GET, &format!("/v1/events{query}"), key);
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = fleet.open(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), received: String::new() }
    }

    /// `None`: it has ended.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((whole, rest)) = self.received.split_once("\n\n") {
                let field = |name: &str| {
                    whole.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
                };
                let data = serde_json::from_str(&field("data: ")).expect("JSON");
                let message = (field("id: ").parse().ok(), field("event: "), data);
                self.received = rest.to_owned();
                return Some(message);
            }
            let more = tokio::time::timeout(DEADLINE, self.body.next()).await.expect("it goes on");
            self.received += std::str::from_utf8(&more?.expect("a part")).expect("text");
        }
    }

    /// The events up to the next heartbeat.
    async fn until_told(&mut self) -> Vec<Message> {
        let mut told = Vec::new();
        loop {
            let message = self.next().await.expect("it goes on");
            if message.1 == "heartbeat" {
                return told;
            }
            told.push(message);
        }
    }
}

fn types(events: &[Message]) -> Vec<&str> {
    events.iter().map(|(_, name, _)| name.as_str()).collect()
}

#[tokio::test]
async fn what_changes_is_told_to_whom_it_concerns() {
    let fleet = Fleet::new().await;
    let (acme, other) = (fleet.reseller("acme").await, fleet.reseller("other").await);
    let account = id(&fleet.account(&acme, "alice", None).await);
    let mut of_acme = Listener::open(&fleet, &acme.key, "?after=0").await;
    let told = of_acme.until_told().await;
    assert_eq!(types(&told), ["tenant.created", "api_key.created", "plan.created", "account.created"]);
    let (index, _, event) = told.last().expect("an event");
    assert_eq!(event["object_id"], account.as_str());
    assert_eq!((&event["object_kind"], &event["tenant_id"]), (&json!("account"), &json!(acme.tenant)));
    assert_eq!((event["index"].as_u64(), &event["position"]), (*index, &json!(0)));
    assert!(event["actor"].as_str().is_some_and(|actor| actor.starts_with("api_key/")), "{event}");
    assert!(event["time"].as_str().is_some_and(|time| time.starts_with("20")), "{event}");
    let mut of_all = Listener::open(&fleet, &fleet.admin, "?after=0").await;
    assert!(types(&of_all.until_told().await).contains(&"node.created"));
    // What comes is told as it comes, and to the others not at all.
    let mut of_other = Listener::open(&fleet, &other.key, "").await;
    assert!(of_other.until_told().await.is_empty());
    fleet.account(&acme, "bob", None).await.expect(201);
    fleet.account(&other, "carol", None).await.expect(201);
    assert_eq!(of_acme.next().await.expect("an event").1, "account.created");
    let (_, name, event) = of_other.next().await.expect("an event");
    assert_eq!((name.as_str(), &event["tenant_id"]), ("account.created", &json!(other.tenant)));
}

#[tokio::test]
async fn what_changed_in_a_tenant_that_has_gone_is_told_to_those_that_were_above_it() {
    let fleet = Fleet::new().await;
    let (acme, other) = (fleet.reseller("acme").await, fleet.reseller("other").await);
    let sub = id(&fleet.post("/v1/tenants", &acme.key, &json!({"name": "sub"})).await);
    let plan = json!({"tenant_id": sub, "name": "basic", "disk_mb": 1000, "php_version": "8.2"});
    let plan = id(&fleet.post("/v1/plans", &acme.key, &plan).await);
    fleet.delete(&format!("/v1/plans/{plan}"), &acme.key).await.expect(204);
    fleet.delete(&format!("/v1/tenants/{sub}"), &acme.key).await.expect(204);
    let told = Listener::open(&fleet, &acme.key, "?after=0").await.until_told().await;
    let of_sub = ["tenant.created", "plan.created", "plan.deleted", "tenant.deleted"];
    assert!(types(&told).ends_with(&of_sub), "{told:?}");
    let told = Listener::open(&fleet, &other.key, "?after=0").await.until_told().await;
    assert_eq!(types(&told), ["tenant.created", "api_key.created", "plan.created"]);
}

#[tokio::test]
async fn who_reads_on_misses_nothing_and_gets_nothing_twice() {
    let fleet = Fleet::new().await;
    let acme = fleet.reseller("acme").await;
    fleet.account(&acme, "alice", Some("example.com")).await.expect(201);
    fleet.agreement.report("converged", "removed").await;
    let all = Listener::open(&fleet, &acme.key, "?after=0").await.until_told().await;
    assert!(all.len() > 8, "{all:?}");
    assert!(all.iter().any(|(id, _, _)| id.is_none()), "no write changed several objects");
    for (place, (id, _, event)) in all.iter().enumerate() {
        let ends_its_index = all.get(place + 1).is_none_or(|next| next.2["index"] != event["index"]);
        assert_eq!(id.is_some(), ends_its_index, "{event}");
        let Some(id) = id else { continue };
        let rest = Listener::open(&fleet, &acme.key, &format!("?after={id}")).await.until_told().await;
        assert_eq!(rest, all[place + 1..]);
        let rest = Listener::from(&fleet, &acme.key, "?after=0", Some(*id)).await.until_told().await;
        assert_eq!(rest, all[place + 1..], "a Last-Event-ID is newer than where the stream began");
    }
    let some = Listener::open(&fleet, &acme.key, "?after=0&types=domain.*,account.created").await;
    let some = { some }.until_told().await;
    assert_eq!(types(&some), ["account.created", "domain.created", "domain.observed"]);
}

#[tokio::test]
async fn what_is_kept_no_longer_is_said_to_be_gone() {
    let fleet = Fleet::new().await;
    let acme = fleet.reseller("acme").await;
    let mut slow = Listener::open(&fleet, &acme.key, "").await;
    slow.until_told().await;
    let gone = fleet.agreement.applied_now();
    fleet.agreement.ahead.store(8 * 24 * 3600 * 1000, Ordering::Relaxed);
    let purge = || Command::PurgeChanges(PurgeChanges { most: 10_000 });
    fleet.agreement.accept(Who::ControllerId(1), purge()).await;
    fleet.account(&acme, "alice", None).await.expect(201);
    for after in ["?after=0".to_owned(), format!("?after={}", gone - 1)] {
        let answer = fleet.get(&format!("/v1/events{after}"), &acme.key).await;
        answer.problem(410, "events_gone");
    }
    let kept = Listener::open(&fleet, &acme.key, &format!("?after={gone}")).await.until_told().await;
    assert_eq!(types(&kept), ["account.created"]);
    assert_eq!(
        slow.next().await.expect("an event").1,
        "account.created",
        "what it had is gone, not what comes"
    );
    let answer = fleet.get("/v1/events?after=1000000", &acme.key).await;
    answer.problem(410, "events_gone");
}

#[tokio::test]
async fn nonsense_is_refused_before_anything_is_told() {
    let fleet = Fleet::new().await;
    for (query, field) in [("?after=x", "after"), ("?types=accounts", "types"), ("?since=1", "since")] {
        let answer = fleet.get(&format!("/v1/events{query}"), &fleet.admin).await;
        assert_eq!(answer.problem(422, "invalid_query").as_deref(), Some(field), "{query}");
    }
    let request = Fleet::request(Method::GET, "/v1/events", &fleet.admin).header("last-event-id", "x");
    let answer = fleet.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(answer.problem(400, "invalid_header").as_deref(), Some("Last-Event-ID"));
}

#[tokio::test]
async fn a_listener_whose_key_is_revoked_is_told_nothing_more() {
    let fleet = Fleet::new().await;
    let acme = fleet.reseller("acme").await;
    let body = json!({"tenant_id": acme.tenant, "name": "listener", "actions": ["event.list"]});
    let made = fleet.post("/v1/api-keys", &fleet.admin, &body).await;
    let key = made.expect(201)["key"].as_str().expect("a key").to_owned();
    let mut listener = Listener::open(&fleet, &key, "").await;
    listener.until_told().await;
    fleet.delete(made.header("location"), &fleet.admin).await.expect(204);
    assert_eq!(listener.next().await, None);
}

#[tokio::test]
async fn who_does_not_listen_is_given_up_and_leaves_room() {
    let fleet = Fleet::new().await;
    let acme = fleet.reseller("acme").await;
    let mut idle = Vec::new();
    while idle.len() < 16 {
        idle.push(Listener::open(&fleet, &acme.key, "").await);
    }
    let refused = fleet.get("/v1/events", &acme.key).await;
    refused.problem(429, "too_many_listeners");
    assert_eq!(refused.header("retry-after"), "1");
    Listener::open(&fleet, &fleet.admin, "").await.until_told().await;
    // More than a listener may leave unread.
    let deadline = tokio::time::Instant::now() + DEADLINE;
    let mut number = 0;
    while fleet.get("/v1/events", &acme.key).await.status != StatusCode::OK {
        assert!(tokio::time::Instant::now() < deadline, "they still have their places");
        number += 1;
        fleet
            .post(
                "/v1/plans",
                &acme.key,
                &json!({"name": format!("p{number}"), "disk_mb": 1, "php_version": "8.2"}),
            )
            .await;
    }
    drop(idle);
}
