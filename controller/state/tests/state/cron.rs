//! Scheduled jobs of accounts.

use npanel_model::{AccountId, OperationId};
use npanel_proto::command::{CronJob, DeleteAccount, SetCronJobs, SuspendAccount, envelope::Command};
use npanel_state::{IntentSource, ObjectKind, RefusalCode};

use crate::support::{World, by};

fn operation() -> Vec<u8> {
    OperationId::generate().to_bytes()
}

fn set(id: AccountId, commands: impl IntoIterator<Item = String>) -> Command {
    let job = |command| CronJob { schedule: "7 3 * * *".into(), command };
    Command::SetCronJobs(SetCronJobs {
        account_id: id.to_bytes(),
        jobs: commands.into_iter().map(job).collect(),
        operation_id: operation(),
    })
}

/// The generation of the account's table on its node, and how many jobs the node is told to run; none if it is to go.
async fn told(world: &World) -> Option<(u64, usize)> {
    let reader = world.store.reader();
    let wanted = reader.wanted_on(world.node).await.expect("a list");
    let object = wanted.into_iter().find(|object| object.kind == ObjectKind::CronTable)?;
    if object.tombstone_seconds.is_some() {
        return None;
    }
    match reader.intent(object.kind, &object.id).await.expect("a query") {
        Some(IntentSource::CronTable { jobs, .. }) => Some((object.generation.0, jobs.len())),
        _ => None,
    }
}

#[tokio::test]
async fn an_account_has_at_most_a_hundred_jobs() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", None).await;
    let commands = |count: usize| (0..count).map(|number| format!("run {number}"));
    assert_eq!(world.refuse(by(acme.key), set(id, commands(101))).await, RefusalCode::LimitReached);
    assert_eq!(told(&world).await, None);
    world.accept(by(acme.key), set(id, commands(100))).await;
    assert_eq!(told(&world).await, Some((1, 100)));
}

#[tokio::test]
async fn the_same_jobs_again_are_no_change() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", None).await;
    world.accept(by(acme.key), set(id, ["a".to_owned()])).await;
    let again = world.accept(by(acme.key), set(id, ["a".to_owned()])).await;
    assert!(again.operation_id.is_empty(), "nodes have nothing to do");
    assert_eq!(told(&world).await, Some((1, 1)));
    world.accept(by(acme.key), set(id, ["b".to_owned(), "c".to_owned()])).await;
    assert_eq!(told(&world).await, Some((2, 2)));
}

#[tokio::test]
async fn anothers_account_gets_no_jobs() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let other = world.reseller("other", None).await;
    let id = world.new_account(&acme, "alice", None).await;
    let refused = world.refuse(by(other.key), set(id, ["a".to_owned()])).await;
    assert_eq!(refused, RefusalCode::NotFound);
    assert_eq!(told(&world).await, None);
}

#[tokio::test]
async fn jobs_rest_with_their_account_and_go_with_it() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", None).await;
    world.accept(by(acme.key), set(id, ["a".to_owned()])).await;
    let suspend = SuspendAccount {
        account_id: id.to_bytes(),
        reason: String::new(),
        operation_id: operation(),
        ..SuspendAccount::default()
    };
    world.accept(by(acme.key), Command::SuspendAccount(suspend)).await;
    assert_eq!(told(&world).await, Some((2, 0)));
    world.accept(by(acme.key), set(id, ["b".to_owned()])).await;
    assert_eq!(told(&world).await, Some((3, 0)), "what is set meanwhile rests too");
    let delete =
        DeleteAccount { account_id: id.to_bytes(), operation_id: operation(), ..DeleteAccount::default() };
    world.accept(by(acme.key), Command::DeleteAccount(delete)).await;
    assert_eq!(told(&world).await, None);
}
