//! The API over TLS, as the client library sees it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::StreamExt;
use http::Method;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use npanel_client::{Client, Error, Terms, Told, Wait, Waited};
use npanel_model::{Action, EmailAddress, Limit, Megabytes, Revision, Timestamp};
use npanel_pki::{CertificateAuthority, ClusterId};
use npanel_sdk_types::{
    Account, CreateAccount, CreatePlan, CreateTenant, Domain, OperationStatus, Plan, Status, Tenant,
    UpdateAccount,
};
use tokio::net::TcpStream;

use crate::{
    served::{Served, http2},
    support::{Fleet, JSON},
};

async fn make_account(client: &Client, wait: Wait) -> npanel_client::Written<Account> {
    let tenant = CreateTenant::new("acme".parse().expect("a name"));
    let tenant = client.create::<Tenant>(&tenant, Wait::No).await.expect("a tenant").object;
    let plan = CreatePlan {
        tenant_id: Some(tenant.id),
        domains: Limit::AtMost(5),
        ..CreatePlan::new("basic".parse().expect("a name"), Megabytes(100), "8.2".parse().expect("a version"))
    };
    let plan = client.create::<Plan>(&plan, Wait::No).await.expect("a plan").object;
    let account = CreateAccount {
        tenant_id: tenant.id,
        plan_id: plan.id,
        username: "alice".parse().expect("a name"),
        contact: None,
        domain: Some("example.com".parse().expect("a name")),
        document_root: None,
        create_zone: true,
        placement: None,
    };
    client.create::<Account>(&account, wait).await.expect("an account")
}

#[tokio::test]
async fn the_client_makes_waits_for_and_removes_an_account() {
    let served = Served::new().await;
    let client = served.client();
    let made = make_account(&client, Wait::Converged(Duration::ZERO)).await;
    assert!(made.timed_out && made.object.convergence.status == Status::Converging);
    let domains =
        client.list_all::<Domain>(&[("account_id", made.object.id.to_string())]).await.expect("a list");
    assert_eq!(domains[0].name.as_str(), "example.com");

    let mut news = Vec::new();
    let operation = made.operation_id.expect("an operation");
    let wait = client.wait_for(operation, Duration::from_secs(20), |operation| news.push(operation.status));
    let (waited, ()) = tokio::join!(wait, served.fleet.agreement.report("converged", "removed"));
    assert!(matches!(waited, Ok(Waited::Ended(ref operation)) if operation.action == Action::AccountCreate));
    assert_eq!(news.last(), Some(&OperationStatus::Succeeded));
    let account: Account = client.get(made.object.id).await.expect("an account");
    assert_eq!(account.convergence.status, Status::Ready);

    let operation = client.delete::<Account>(account.id, Wait::No).await.expect("a deletion");
    assert_eq!(operation.expect("an operation").action, Action::AccountDelete);
    served.fleet.agreement.report("converged", "removed").await;
    match client.get::<Account>(account.id).await {
        Err(Error::Refused(problem)) => {
            assert_eq!((problem.status, problem.code.as_str()), (404, "not_found"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_next_controller_is_asked_when_one_is_dead() {
    let served = Served::new().await;
    let client = Client::new(served.config(&["https://127.0.0.1:1"])).expect("a client");
    assert_eq!(client.cluster_status().await.expect("a status").cluster_id, "test");
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_spoken_to() {
    let served = Served::new().await;
    let other = CertificateAuthority::create(ClusterId::generate(), Timestamp::now()).expect("an authority");
    let config = served.config(&[]).with_ca(other.certificate_pem().into_bytes());
    let client = Client::new(config).expect("a client");
    assert!(matches!(client.cluster_status().await, Err(Error::Unreachable(_))));
}

#[tokio::test]
async fn a_client_that_says_nothing_holds_nobody_up() {
    let served = Served::new().await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(served.address).await.expect("a connection"));
    }
    served.client().cluster_status().await.expect("a status");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_read_to_its_end_and_then_answered_over_http2() {
    let served = Served::new().await;
    let (mut connection, _) = http2(&served).await;
    for declared in [false, true] {
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = sent.clone();
        let pieces = futures::stream::iter(vec![Bytes::from(vec![b' '; 16 * 1024]); 192]).map(move |piece| {
            counted.fetch_add(piece.len(), Ordering::Relaxed);
            Ok(Frame::data(piece))
        });
        let mut request = Fleet::request(Method::POST, "/v1/plans", &served.fleet.admin)
            .uri(format!("https://{}/v1/plans", served.address))
            .header("content-type", JSON);
        if declared {
            request = request.header("content-length", 192 * 16 * 1024);
        }
        let request = request.body(StreamBody::new(pieces)).expect("a request");
        let response = connection.send_request(request).await.expect("an answer");
        assert_eq!(response.status(), 413);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body = response.into_body().collect().await.expect("a body, and no reset").to_bytes();
        let problem: npanel_sdk_types::Problem = serde_json::from_slice(&body).expect("a problem");
        assert_eq!(problem.code, "body_too_large");
        assert_eq!(sent.load(Ordering::Relaxed), 192 * 16 * 1024, "the client was cut off");
    }
}

#[tokio::test]
async fn a_stop_lets_a_request_at_work_finish() {
    let served = Served::new().await;
    let client = served.client();
    let made = make_account(&client, Wait::No).await;
    let operation = made.operation_id.expect("an operation");
    let wait = client.wait_for(operation, Duration::from_secs(20), |_| ());
    let stop = async {
        served.stop.send(()).expect("it still runs");
        served.fleet.agreement.report("converged", "removed").await;
    };
    let (waited, ()) = tokio::join!(biased; wait, stop);
    assert!(matches!(waited, Ok(Waited::Ended(_))), "{waited:?}");
    served.served.await.expect("no panic").expect("served");
    assert!(TcpStream::connect(served.address).await.is_err(), "it still listens");
}

#[tokio::test]
async fn a_client_follows_what_changes_and_a_stop_does_not_wait_for_it() {
    let served = Served::new().await;
    let client = served.client();
    let mut events = client.events(None, &["plan.*".parse().expect("a pattern")]);
    assert!(matches!(events.next().await, Ok(Told::UpTo(_))));
    served.fleet.reseller("acme").await;
    let told = events.next().await.expect("an event");
    let Told::Event(event) = told else { panic!("{told:?}") };
    assert_eq!(event.kind, "plan.created");
    assert_eq!(events.after(), Some(event.index));
    served.stop.send(()).expect("it serves");
    let stopped = tokio::time::timeout(Duration::from_secs(5), served.served);
    stopped.await.expect("a listener holds up the stop").expect("no panic").expect("no error");
    assert!(matches!(events.next().await, Err(Error::Unreachable(_))));
}

#[tokio::test]
async fn a_client_changes_an_object_without_having_it_back() {
    let served = Served::new().await;
    let client = served.client();
    let made = make_account(&client, Wait::No).await.object;
    let contact: EmailAddress = "new@changed.example".parse().expect("an address");
    let change = UpdateAccount { contact: Some(Some(contact.clone())), ..UpdateAccount::default() };
    client.change::<Account>(made.id, &change, Wait::No).await.expect("changed");
    let now = client.get::<Account>(made.id).await.expect("it is there");
    assert_eq!(now.contact, Some(contact));
    let terms = Terms { wait: Wait::No, if_match: Some(Revision(1)) };
    let refused = client.change::<Account>(made.id, &change, terms).await;
    assert!(matches!(refused, Err(Error::Refused(problem)) if problem.status == 412));
}
