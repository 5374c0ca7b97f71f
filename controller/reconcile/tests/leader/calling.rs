//! Webhooks are told what changes.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use npanel_model::{Network, WebhookId};
use npanel_pki::{Field, WebhookSecret};
use npanel_proto::command::{CreateWebhook, UpdateWebhook, envelope::Command};
use npanel_state::Webhook;
use serde_json::Value;

use crate::fleet::Fleet;

/// A message as it was received.
#[derive(Debug, Clone)]
struct Received {
    path: String,
    id: String,
    timestamp: i64,
    signature: String,
    body: String,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    fn index(&self) -> u64 {
        self.json()["data"]["index"].as_u64().expect("an index")
    }

    fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }
}

/// Someone who is called, and answers with these at first, and then that all is well.
#[derive(Clone, Default)]
struct Receiver {
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<Vec<StatusCode>>>,
}

impl Receiver {
    async fn answering(answers: &[StatusCode]) -> (Self, String) {
        let receiver = Self::default();
        *receiver.answers.lock().unwrap_or_else(PoisonError::into_inner) =
            answers.iter().rev().copied().collect();
        let router = Router::new().fallback(answer).with_state(receiver.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, format!("http://{address}/hook"))
    }

    fn all(&self) -> Vec<Received> {
        self.received.lock().expect("no panic").clone()
    }

    fn kinds(&self) -> Vec<String> {
        self.all().iter().map(Received::kind).collect()
    }
}

async fn answer(
    State(receiver): State<Receiver>,
    uri: axum::http::Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let header = |name: &str| headers[name].to_str().expect("text").to_owned();
    receiver.received.lock().expect("no panic").push(Received {
        path: uri.path().to_owned(),
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp").parse().expect("seconds"),
        signature: header("webhook-signature"),
        body,
    });
    let status = receiver.answers.lock().expect("no panic").pop().unwrap_or(StatusCode::NO_CONTENT);
    (status, [(LOCATION, "/elsewhere")]).into_response()
}

fn own_networks() -> Vec<Network> {
    vec!["127.0.0.0/8".parse().expect("a network")]
}

async fn fleet() -> Fleet {
    npanel_pki::tls::install_provider();
    Fleet::telling(&own_networks()).await
}

async fn webhook(fleet: &Fleet, url: &str, events: &[&str]) -> (WebhookId, WebhookSecret) {
    let (id, secret) = (WebhookId::generate(), WebhookSecret::generate());
    let object = id.to_bytes();
    let sealed = fleet.data_key.seal(Field::webhook_secret(fleet.root, &object), secret.expose());
    fleet
        .accept(Command::CreateWebhook(CreateWebhook {
            webhook_id: id.to_bytes(),
            tenant_id: fleet.root.to_bytes(),
            url: url.to_owned(),
            events: events.iter().map(|text| (*text).to_owned()).collect(),
            sealed_secret: sealed.expect("sealed"),
        }))
        .await;
    (id, secret)
}

async fn standing(fleet: &Fleet, id: WebhookId) -> Webhook {
    fleet.state().webhook(fleet.root, id).await.expect("a query").expect("the webhook")
}

async fn node(fleet: &Fleet, name: &str) {
    fleet.enrol(name).await;
}

#[tokio::test]
async fn a_webhook_is_told_what_changes_in_order_and_signed() {
    let fleet = fleet().await;
    let (receiver, url) = Receiver::answering(&[]).await;
    node(&fleet, "before").await;
    let (id, secret) = webhook(&fleet, &url, &["node.*"]).await;
    for name in ["n1", "n2", "n3"] {
        node(&fleet, name).await;
    }
    fleet.until("it was told", async || receiver.all().len() >= 3).await;
    let told = receiver.all();
    assert_eq!(receiver.kinds(), ["node.created"; 3], "what is not a node's, or was before, is not told");
    assert!(told.is_sorted_by_key(Received::index), "{told:?}");
    for one in &told {
        assert_eq!(one.signature, secret.sign(&one.id, one.timestamp, &one.body));
        assert!(one.id.starts_with(&id.to_string()), "{one:?}");
        assert_eq!(one.json()["timestamp"], one.json()["data"]["time"]);
    }
    let last = told[2].index();
    fleet.until("it is written down", async || standing(&fleet, id).await.next_index > last).await;
    assert!(standing(&fleet, id).await.delivered_at.is_some());
}

#[tokio::test]
async fn what_could_not_be_told_is_told_again_before_all_else() {
    let fleet = fleet().await;
    let (receiver, url) = Receiver::answering(&[StatusCode::OK, StatusCode::INTERNAL_SERVER_ERROR]).await;
    let (id, _) = webhook(&fleet, &url, &["node.created"]).await;
    for name in ["n1", "n2", "n3"] {
        node(&fleet, name).await;
    }
    fleet.until("its failure can be read", async || standing(&fleet, id).await.failures == 1).await;
    assert_eq!(standing(&fleet, id).await.last_error, "it answers 500");
    fleet.until("it was told all", async || receiver.all().len() == 4).await;
    let told = receiver.all();
    assert_eq!(told[1].id, told[2].id, "a repetition cannot be told from another message");
    assert!(told.is_sorted_by_key(Received::index), "{told:?}");
    fleet.until("all is well again", async || standing(&fleet, id).await.failures == 0).await;
}

#[tokio::test]
async fn a_new_leader_goes_on_where_the_one_before_was() {
    let mut fleet = fleet().await;
    let (receiver, url) = Receiver::answering(&[]).await;
    let (id, _) = webhook(&fleet, &url, &["node.created"]).await;
    node(&fleet, "n1").await;
    fleet.until("it was told", async || receiver.all().len() == 1).await;
    let first = receiver.all()[0].index();
    fleet.until("it is written down", async || standing(&fleet, id).await.next_index > first).await;
    fleet.lose_leader();
    node(&fleet, "n2").await;
    fleet.lead_anew();
    node(&fleet, "n3").await;
    fleet.until("it was told", async || receiver.all().len() >= 3).await;
    let indexes: Vec<u64> = receiver.all().iter().map(Received::index).collect();
    assert!(indexes.len() == 3 && indexes.is_sorted(), "{indexes:?}");
}

#[tokio::test]
async fn one_that_wants_no_more_is_disabled_and_catches_up_when_it_is_enabled() {
    let fleet = fleet().await;
    let (receiver, url) = Receiver::answering(&[StatusCode::GONE]).await;
    let (id, _) = webhook(&fleet, &url, &["node.created"]).await;
    node(&fleet, "n1").await;
    fleet.until("it is disabled", async || standing(&fleet, id).await.disabled.is_some()).await;
    let (_, reason) = standing(&fleet, id).await.disabled.expect("disabled");
    assert!(reason.contains("410"), "{reason}");
    node(&fleet, "n2").await;
    let enable = UpdateWebhook { webhook_id: id.to_bytes(), enabled: Some(true), ..UpdateWebhook::default() };
    fleet.accept(Command::UpdateWebhook(enable)).await;
    fleet.until("it was told", async || receiver.all().len() == 3).await;
    assert_eq!(receiver.all()[0].id, receiver.all()[1].id);
}

#[tokio::test]
async fn no_webhook_leads_a_controller_where_it_may_not_go() {
    npanel_pki::tls::install_provider();
    let inside = Fleet::telling(&[]).await;
    let (receiver, url) = Receiver::answering(&[]).await;
    let (id, _) = webhook(&inside, &url, &["*"]).await;
    node(&inside, "n1").await;
    inside.until("it failed", async || standing(&inside, id).await.failures > 0).await;
    let error = standing(&inside, id).await.last_error;
    assert!(error.contains("127.0.0.1 is not connected to: it is not public"), "{error}");
    assert!(receiver.all().is_empty());
    let fleet = fleet().await;
    let (receiver, url) = Receiver::answering(&[StatusCode::FOUND]).await;
    let (id, _) = webhook(&fleet, &url, &["*"]).await;
    node(&fleet, "n1").await;
    fleet.until("it failed", async || standing(&fleet, id).await.failures > 0).await;
    assert_eq!(standing(&fleet, id).await.last_error, "it answers 302");
    assert!(receiver.all().iter().all(|one| one.path == "/hook"), "{:?}", receiver.all());
}
