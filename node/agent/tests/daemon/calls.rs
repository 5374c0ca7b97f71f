//! What controllers may ask, and what they are answered.

use npanel_proto::node::{
    ChangeKind, Fence, HeartbeatRequest, HelloRequest, InventoryRequest, ObjectKind, ObjectReport,
    PreviewRequest, WatchRequest, apply_result::Verdict, node_client::NodeClient, object_report::State,
};
use tokio::time::timeout;
use tonic::{Code, Streaming, transport::Channel};

use crate::{
    controller::Controller,
    offers::{FENCE, account, push, site},
    place::{Daemon, PATIENCE, authority, until},
};

async fn connected() -> (Daemon, Controller, NodeClient<Channel>) {
    let authority = authority();
    let controller = Controller::of(&authority).await;
    let daemon = Daemon::start(&authority, &[controller.address()]).await;
    let node = controller.node().await;
    (daemon, controller, node)
}

async fn next(stream: &mut Streaming<ObjectReport>, kind: ObjectKind, state: State) -> ObjectReport {
    let found = timeout(PATIENCE, async {
        loop {
            let report = stream.message().await.expect("a stream").expect("a report");
            if report.state() == state && report.object.as_ref().is_some_and(|object| object.kind() == kind) {
                return report;
            }
        }
    });
    found.await.expect("the report in time")
}

fn verdicts(answer: &npanel_proto::node::ApplyResponse) -> Vec<Verdict> {
    answer.results.iter().map(|result| result.verdict()).collect()
}

#[tokio::test]
async fn a_pushed_intent_is_kept_carried_out_and_reported() {
    let (daemon, _controller, mut node) = connected().await;
    let mut watch = node.watch(WatchRequest {}).await.expect("a watch").into_inner();
    let answer = node.apply(push(FENCE, vec![site(), account(1, "8.2")])).await.expect("an answer");
    assert_eq!(verdicts(answer.get_ref()), [Verdict::Accepted, Verdict::Accepted]);
    let report = next(&mut watch, ObjectKind::Site, State::Converged).await;
    assert_eq!(report.generation, 1);
    let asked = daemon.executor.as_ref().expect("an executor").asked();
    let position = |name| asked.iter().position(|one| *one == name);
    assert!(position("ensure_account") < position("ensure_site"), "{asked:?}");
    let inventory = node.inventory(InventoryRequest {}).await.expect("an inventory").into_inner();
    assert_eq!(inventory.entries.len(), 2);
    let heartbeat = node
        .heartbeat(HeartbeatRequest { fence: Some(FENCE), ..HeartbeatRequest::default() })
        .await
        .expect("a beat")
        .into_inner();
    assert_eq!(heartbeat.ledger_digest, npanel_proto::ledger_digest(&inventory.entries));
    assert_eq!(heartbeat.objects, 2);
}

#[tokio::test]
async fn hello_says_what_the_node_is() {
    let (_daemon, _controller, mut node) = connected().await;
    node.heartbeat(HeartbeatRequest { fence: Some(FENCE), ..HeartbeatRequest::default() })
        .await
        .expect("a beat");
    let hello = node.hello(HelloRequest { oldest_protocol: 1, newest_protocol: 9 }).await.expect("an answer");
    let hello = hello.into_inner();
    assert_eq!((hello.protocol, hello.fence), (1, Some(FENCE)));
    let facts = hello.facts.expect("facts");
    assert_eq!(facts.roles, ["web", "database", "dns"]);
    assert_eq!((facts.address.as_str(), facts.os_profile.as_str()), ("192.0.2.1", "debian-12"));
    assert_eq!(facts.php_versions, ["8.2"]);
    assert_eq!(facts.capacity.expect("capacity").disk_free_mb, 900);
}

#[tokio::test]
async fn without_a_common_protocol_hello_says_so() {
    let (_daemon, _controller, mut node) = connected().await;
    let hello = node.hello(HelloRequest { oldest_protocol: 2, newest_protocol: 3 }).await.expect("an answer");
    assert_eq!(hello.into_inner().protocol, 0);
}

#[tokio::test]
async fn a_deposed_leader_is_refused_and_changes_nothing() {
    let (_daemon, _controller, mut node) = connected().await;
    node.apply(push(FENCE, vec![account(1, "8.2")])).await.expect("an answer");
    for stale in [
        Fence { term: 4, leader_id: 9, ..FENCE },
        Fence { epoch: 0, term: 9, ..FENCE },
        Fence { leader_id: 1, ..FENCE },
    ] {
        let refused = node.apply(push(stale, vec![account(2, "8.4")])).await.expect_err("a refusal");
        assert_eq!(refused.code(), Code::FailedPrecondition);
        let refused = node
            .heartbeat(HeartbeatRequest { fence: Some(stale), ..HeartbeatRequest::default() })
            .await
            .expect_err("a refusal");
        assert_eq!(refused.code(), Code::FailedPrecondition);
    }
    let refused = node
        .heartbeat(HeartbeatRequest { fence: None, ..HeartbeatRequest::default() })
        .await
        .expect_err("a refusal");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let inventory = node.inventory(InventoryRequest {}).await.expect("an inventory").into_inner();
    assert_eq!(inventory.entries[0].generation, 1);
}

#[tokio::test]
async fn each_object_of_a_push_is_judged_alone() {
    let (_daemon, _controller, mut node) = connected().await;
    node.apply(push(FENCE, vec![account(3, "8.2")])).await.expect("an answer");
    let mut unknown = account(1, "8.2");
    unknown.object.as_mut().expect("an object").kind = 77;
    let mut evil = site();
    if let Some(npanel_proto::node::object_intent::Intent::Site(site)) = &mut evil.intent {
        site.document_root = "../../etc".into();
    }
    let batch = vec![unknown, account(3, "8.2"), evil, account(2, "8.2"), account(4, "8.4")];
    let answer = node.apply(push(FENCE, batch)).await.expect("an answer").into_inner();
    assert_eq!(
        verdicts(&answer),
        [Verdict::UnknownKind, Verdict::Unchanged, Verdict::Invalid, Verdict::Refused, Verdict::Accepted]
    );
    assert!(answer.results[2].message.starts_with("document_root: "), "{}", answer.results[2].message);
}

#[tokio::test]
async fn a_preview_answers_each_intent_and_changes_nothing() {
    let (daemon, _controller, mut node) = connected().await;
    let mut unknown = account(2, "8.2");
    unknown.object.as_mut().expect("an object").kind = 77;
    let objects = vec![account(1, "8.2"), unknown, site()];
    let answer =
        node.preview(PreviewRequest { objects: objects.clone() }).await.expect("an answer").into_inner();
    let [account, unknown, site] = answer.objects.as_slice() else { panic!("not three answers") };
    assert_eq!((account.files[0].path.as_str(), account.reason.as_str()), ("/etc/userdb/u1.user", ""));
    assert_eq!(account.files[0].change(), ChangeKind::Create);
    assert_eq!(account.starts, ["u1.socket"]);
    // The shared configuration is told once, with the first that needs it.
    assert_eq!(
        (account.reloads.as_slice(), site.reloads.len()),
        (["nginx.service".to_owned()].as_slice(), 0)
    );
    assert_eq!(unknown.reason, "UnknownKind");
    assert_eq!(site.files.len(), 1, "though its account is not there yet");
    let told: Vec<_> = answer.objects.iter().map(|one| one.object.clone()).collect();
    assert_eq!(told, objects.into_iter().map(|one| one.object).collect::<Vec<_>>());
    let inventory = node.inventory(InventoryRequest {}).await.expect("an inventory").into_inner();
    assert_eq!(inventory.entries, []);
    let asked = daemon.executor.as_ref().expect("an executor").asked();
    assert!(!asked.iter().any(|one| *one == "ensure_account" || *one == "ensure_site"), "{asked:?}");
}

#[tokio::test]
async fn who_offers_again_what_is_here_is_told_again_what_became_of_it() {
    let (_daemon, _controller, mut node) = connected().await;
    let mut watch = node.watch(WatchRequest {}).await.expect("a watch").into_inner();
    for _ in 0..3 {
        node.apply(push(FENCE, vec![account(1, "8.2")])).await.expect("an answer");
        next(&mut watch, ObjectKind::Account, State::Converged).await;
    }
}

#[tokio::test]
async fn a_watcher_that_comes_later_is_told_everything_first() {
    let (_daemon, _controller, mut node) = connected().await;
    let mut first = node.watch(WatchRequest {}).await.expect("a watch").into_inner();
    node.apply(push(FENCE, vec![account(1, "8.2"), site()])).await.expect("an answer");
    next(&mut first, ObjectKind::Site, State::Converged).await;
    let mut second = node.watch(WatchRequest {}).await.expect("a watch").into_inner();
    next(&mut second, ObjectKind::Account, State::Converged).await;
    next(&mut second, ObjectKind::Site, State::Converged).await;
}

#[tokio::test]
async fn a_heartbeat_tells_how_the_machine_is() {
    let (_daemon, _controller, node) = connected().await;
    let beat = until("the vitals", || {
        let mut node = node.clone();
        async move {
            let beat = node
                .heartbeat(HeartbeatRequest { fence: Some(FENCE), ..HeartbeatRequest::default() })
                .await
                .expect("a beat");
            Some(beat.into_inner()).filter(|beat| beat.failed_services == ["pdns.service"])
        }
    })
    .await;
    assert_eq!(beat.capacity.expect("capacity").memory_free_mb, 50);
}
