//! A log begins anew behind a state that is there: a backup's, or what one of a lost majority has.

use std::{fs, io, path::Path};

use npanel_consensus::{Beginning, ClusterError, all_of, begin, extent};
use npanel_model::{ControllerId, TenantId};
use npanel_proto::command::{Certificate, EnrolController, RestoreCluster, envelope::Command};
use npanel_state::{Page, Reader, TenantFilter};
use tokio::time::timeout;

use crate::members::{Members, PATIENCE, envelope};

const NUMBER: u64 = 1_790_000_000;

fn beginning(id: u64) -> Beginning {
    let restoration = RestoreCluster {
        epoch: NUMBER,
        controller: Some(EnrolController {
            controller_id: id,
            name: format!("c{id}"),
            fleet_address: format!("c{id}.example:1"),
            certificate: Some(Certificate {
                serial: vec![9; 9],
                not_after_millis: i64::MAX,
                key_fingerprint: vec![7; 32],
                ..Certificate::default()
            }),
            ..EnrolController::default()
        }),
        from_index: 1,
        uids_passed_over: 1,
    };
    let (id, address) = (ControllerId(id), format!("c{id}.example:1"));
    Beginning { id, address, after: NUMBER << 20, command: Command::RestoreCluster(restoration) }
}

async fn tenants(state: &Reader, root: TenantId) -> usize {
    let page = Page { limit: 100, ..Page::default() };
    state.tenants(root, TenantFilter::default(), &page).await.expect("a list").len()
}

async fn copy(members: &Members, id: u64, to: &Path) {
    let mut copied = members.member(id).copy_state().await.expect("a copy");
    io::copy(&mut copied.file, &mut fs::File::create(to).expect("a file")).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_goes_on_from_a_copy_and_others_join_it_anew() {
    let mut members = Members::start(2).await;
    let leader = members.leader_among(&[1, 2]).await;
    for number in 0..5 {
        let command = members.tenant(TenantId::generate(), &format!("t-{number}"));
        members.accept(leader, members.by_admin(), command).await;
    }
    let before = members.member(leader).status();
    let scratch = tempfile::tempdir().expect("a directory");
    let state = scratch.path().join("state.db");
    copy(&members, leader, &state).await;
    let left = fs::read_dir(members.path(leader).join("snapshots")).expect("a directory");
    assert!(left.flatten().all(|file| !file.file_name().to_string_lossy().contains("copying")));
    for id in [1, 2] {
        members.kill(id).await;
    }

    let from = begin(&members.path(NUMBER), &state, beginning(NUMBER)).await.expect("begun");
    assert_eq!(from.index, before.applied_index);
    members.run(NUMBER).await;
    // A start that ends before anything is written, and another.
    members.kill(NUMBER).await;
    members.run(NUMBER).await;
    assert_eq!(members.leader_among(&[NUMBER]).await, NUMBER);
    let status = members.member(NUMBER).status();
    assert!(status.term > before.term && status.applied_index >= NUMBER << 20, "{status:?}");
    let command = members.tenant(TenantId::generate(), "after");
    members.accept(NUMBER, members.by_admin(), command).await;
    assert_eq!(tenants(members.member(NUMBER).state(), members.root).await, 7);

    members.enrol_at(NUMBER, NUMBER + 1).await;
    members.run(NUMBER + 1).await;
    members.wait_for_members(&[NUMBER, NUMBER + 1]).await;
    let target = members.member(NUMBER).status().applied_index;
    let mut applied = members.member(NUMBER + 1).applied();
    timeout(PATIENCE, applied.wait_for(|index| *index >= target)).await.expect("in time").expect("it runs");
    assert_eq!(tenants(members.member(NUMBER + 1).state(), members.root).await, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_a_survivors_log_is_in_what_it_goes_on_from() {
    let mut members = Members::start(2).await;
    let leader = members.leader_among(&[1, 2]).await;
    let other = 3 - leader;
    members.kill(other).await;
    // Nobody is there to agree: it is in the log, and not in the state.
    let end = members.member(leader).status().last_log_index;
    let command = members.tenant(TenantId::generate(), "not-agreed-on");
    let cluster = members.member(leader).clone();
    let proposing = tokio::spawn(async move { cluster.propose(envelope_of(command)).await });
    timeout(PATIENCE, async {
        while members.member(leader).status().last_log_index == end {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it is in the log");
    proposing.abort();
    members.kill(leader).await;

    let directory = members.path(leader);
    let found = extent(&directory).await.expect("readable");
    assert!(found.last.index > found.applied.index, "{found:?}");
    let scratch = tempfile::tempdir().expect("a directory");
    let state = scratch.path().join("state.db");
    let at = all_of(&directory, scratch.path(), state.clone()).await.expect("all of it");
    assert_eq!(at.index, found.last.index);
    assert_eq!(extent(&directory).await.expect("readable"), found, "its own is as it was");
    fs::rename(&directory, scratch.path().join("before")).expect("set aside");
    begin(&directory, &state, beginning(leader)).await.expect("begun");
    members.run(leader).await;
    assert_eq!(members.leader_among(&[leader]).await, leader);
    assert_eq!(tenants(members.member(leader).state(), members.root).await, 2);
    // The one that was thought to be lost calls it, and is told that it is out.
    members.run(other).await;
    members.wait_for_farewell(other).await;
}

fn envelope_of(command: Command) -> npanel_proto::command::Envelope {
    envelope(npanel_proto::command::principal::Who::ControllerId(1), command)
}

#[tokio::test]
async fn what_is_no_state_or_would_go_back_begins_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("state.db");
    fs::write(&file, "no database").expect("written");
    let to = directory.path().join("anew");
    assert!(matches!(begin(&to, &file, beginning(5)).await, Err(ClusterError::State(_))));
    let members = Members::start(1).await;
    copy(&members, 1, &file).await;
    let back = Beginning { after: 1, ..beginning(5) };
    let refused = begin(&to, &file, back).await.expect_err("it goes back").to_string();
    assert!(refused.contains("cannot begin after 1"), "{refused}");
    let wrong = beginning(5);
    let refused = begin(&to, &file, Beginning { id: ControllerId(6), ..wrong }).await.expect_err("refused");
    assert!(matches!(refused, ClusterError::Refused(_)), "{refused}");
    assert!(extent(&members.path(1)).await.is_err(), "a daemon runs on it");
}
