use std::sync::atomic::{AtomicU32, Ordering};

use npanel_model::NodeRole;
use tokio::{io::AsyncWriteExt, sync::Notify};
use uuid::Uuid;

use super::*;
use crate::{Client, Done, Operation, Output};

/// Counts what it is asked, and ends `EnsureBase` only when it is told to.
#[derive(Default)]
struct Counter {
    calls: AtomicU32,
    proceed: Notify,
}

impl Perform for Arc<Counter> {
    async fn perform(&self, operation: Operation) -> Result<Done, Failure> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match operation {
            Operation::EnsureBase { .. } => self.proceed.notified().await,
            Operation::RemoveSite { .. } => panic!("a defect"),
            Operation::RemoveZone { .. } => return Err(failure("Some", "reason".to_owned(), "commit")),
            _ => {}
        }
        Ok(Done { changed: true, stages: vec![], differed: vec![], output: Output::Nothing })
    }
}

struct Running {
    counter: Arc<Counter>,
    client: Client,
    socket: std::path::PathBuf,
    _place: tempfile::TempDir,
}

/// A server whose agent is this process's own user, if `allowed`, who is often root.
fn running() -> Running {
    let place = tempfile::tempdir().expect("a directory");
    let socket = place.path().join("run/executor.sock");
    let listener = listen(&socket, None).expect("a socket");
    let counter = Arc::new(Counter::default());
    let server = Server::new(Arc::clone(&counter), Some(nix::unistd::geteuid().as_raw()));
    tokio::spawn(async move { server.accept(&listener).await });
    Running { counter, client: Client::new(&socket), socket, _place: place }
}

fn base() -> Operation {
    Operation::EnsureBase { roles: vec![NodeRole::Web] }
}

fn zone() -> Operation {
    Operation::RemoveZone { name: "a.example".parse().expect("a name") }
}

#[tokio::test]
async fn a_repeated_delivery_runs_once() {
    let running = running();
    let request = Request::new(base());
    running.counter.proceed.notify_one();
    let first = running.client.call(&request).await.expect("done");
    let second = running.client.call(&request).await.expect("done");
    assert_eq!(first, second);
    assert_eq!(running.counter.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_repeated_delivery_while_it_runs_waits_for_the_same_answer() {
    let running = running();
    let request = Request::new(base());
    let (one, two) = (running.client.call(&request), running.client.call(&request));
    let proceed = async { running.counter.proceed.notify_one() };
    let (one, two, ()) = tokio::join!(one, two, proceed);
    assert_eq!(one.expect("done"), two.expect("done"));
    assert_eq!(running.counter.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_failure_is_remembered_too() {
    let running = running();
    let request = Request::new(zone());
    let first = running.client.call(&request).await.expect_err("failed");
    assert_eq!(first.reason, "Some");
    assert_eq!(running.client.call(&request).await.expect_err("failed"), first);
    assert_eq!(running.counter.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_id_cannot_be_used_for_something_else() {
    let running = running();
    let id = Uuid::now_v7();
    let _ = running.client.call(&Request { id, operation: zone() }).await;
    let other = Request { id, operation: Operation::Capacity {} };
    assert_eq!(running.client.call(&other).await.expect_err("refused").reason, "RequestIdReused");
}

#[tokio::test]
async fn an_operation_goes_on_when_its_asker_goes_away() {
    let running = running();
    let request = Request::new(base());
    {
        let mut frames = Frames::new(UnixStream::connect(&running.socket).await.expect("connected"));
        frames.send(&request).await.expect("sent");
    }
    running.counter.proceed.notify_one();
    running.client.call(&request).await.expect("done");
    assert_eq!(running.counter.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_panic_is_an_answer_and_ends_nothing_else() {
    let running = running();
    let site = Operation::RemoveSite { domain: "a.example".parse().expect("a name") };
    assert_eq!(running.client.run(site).await.expect_err("failed").reason, "Internal");
    running.client.run(Operation::Capacity {}).await.expect("done");
}

#[tokio::test]
async fn what_is_no_request_is_refused_without_repeating_it() {
    let running = running();
    for text in ["{}", "marked-secret", r#"{"id":"marked-secret","operation":{"capacity":{}}}"#] {
        let mut stream = UnixStream::connect(&running.socket).await.expect("connected");
        let length = u32::try_from(text.len()).expect("short").to_be_bytes();
        stream.write_all(&length).await.expect("sent");
        stream.write_all(text.as_bytes()).await.expect("sent");
        let answer = Frames::new(stream).receive::<Response>().await.expect("received");
        let Some(Response::Failed(failure)) = answer else { panic!("not refused: {answer:?}") };
        assert_eq!(failure.reason, "BadRequest");
        assert!(!failure.message.contains("marked-secret"), "{failure}");
    }
    assert_eq!(running.counter.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_message_longer_than_allowed_is_refused() {
    let running = running();
    let mut stream = UnixStream::connect(&running.socket).await.expect("connected");
    stream.write_all(&u32::MAX.to_be_bytes()).await.expect("sent");
    let answer = Frames::new(stream).receive::<Response>().await.expect("received");
    assert!(matches!(answer, Some(Response::Failed(_))), "{answer:?}");
}

#[tokio::test]
async fn only_root_and_the_agent_may_ask() {
    let place = tempfile::tempdir().expect("a directory");
    let socket = place.path().join("executor.sock");
    let listener = listen(&socket, None).expect("a socket");
    let server = Server::new(Arc::new(Counter::default()), None);
    tokio::spawn(async move { server.accept(&listener).await });
    let answer = Client::new(&socket).run(Operation::Capacity {}).await;
    if nix::unistd::geteuid().is_root() {
        answer.expect("root may");
    } else {
        assert_eq!(answer.expect_err("refused").reason, "Forbidden");
    }
}

#[tokio::test]
async fn without_an_executor_the_call_can_be_repeated() {
    let place = tempfile::tempdir().expect("a directory");
    let client = Client::new(place.path().join("nothing.sock"));
    let failure = client.run(Operation::Capacity {}).await.expect_err("nobody there");
    assert_eq!((failure.reason.as_str(), failure.retriable), ("ExecutorUnreachable", true));
}
