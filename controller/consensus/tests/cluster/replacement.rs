//! A controller that comes late gets the state by a snapshot, however its transfer ends.

use std::{fs, os::unix::fs::FileExt, path::PathBuf, time::Duration};

use npanel_consensus::ClusterStatus;
use npanel_model::TenantId;
use npanel_proto::command::{CreateTenant, envelope::Command};
use npanel_state::Store;
use tokio::time::timeout;

use crate::members::{Members, PATIENCE, received};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whose_log_was_purged_catches_up_by_a_snapshot() {
    let mut members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let behind = [1, 2, 3].into_iter().find(|id| *id != leader).expect("a follower");
    members.kill(behind).await;
    for number in 0..30 {
        let command = members.tenant(TenantId::generate(), &format!("t-{number}"));
        members.accept(leader, members.by_admin(), command).await;
    }
    members.member(leader).compact().await.expect("a snapshot is made and the log purged");
    members.run(behind).await;
    let target = members.member(leader).status().applied_index;
    let mut applied = members.member(behind).applied();
    timeout(PATIENCE, applied.wait_for(|index| *index >= target)).await.expect("in time").expect("it runs");
    let root = members.root;
    let state = members.member(behind).state();
    let page = npanel_state::Page { limit: 100, ..npanel_state::Page::default() };
    let tenants = state.tenants(root, npanel_state::TenantFilter::default(), &page).await.expect("a list");
    assert_eq!(tenants.len(), 31);
    let ClusterStatus { last_log_index, applied_index, .. } = members.member(behind).status();
    assert!(applied_index <= last_log_index);
}

/// A cluster of which one controller is behind by a snapshot of some 12 MiB. Returns it, the leader, and how far the leader is.
async fn far_behind() -> (Members, u64, u64, u64) {
    let mut members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let behind = [1, 2, 3].into_iter().find(|id| *id != leader).expect("a follower");
    members.kill(behind).await;
    for number in 0..24 {
        let Command::CreateTenant(tenant) = members.tenant(TenantId::generate(), &format!("t-{number}"))
        else {
            unreachable!("it makes a tenant")
        };
        let large = CreateTenant { wrapped_data_key: [vec![1], vec![number; 499_999]].concat(), ..tenant };
        members.accept(leader, members.by_admin(), Command::CreateTenant(large)).await;
    }
    members.member(leader).compact().await.expect("a snapshot is made and the log purged");
    // What is being sent to one who does not answer goes when that has failed.
    let oldest = members.path(leader).join("raft-log/000000000001.log");
    let purged = async {
        while oldest.exists() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, purged).await.expect("the log is purged in time");
    let target = members.member(leader).status().applied_index;
    (members, leader, behind, target)
}

/// Starts the one that is behind, and stops it when it has received a part. Returns that.
async fn stop_halfway(members: &mut Members, behind: u64) -> (PathBuf, u64) {
    let snapshots = members.path(behind).join("snapshots");
    *members.traffic.cut_halfway.lock().expect("no panic") = Some((behind, snapshots.clone()));
    members.run(behind).await;
    let is_cut = || members.traffic.cut_off.lock().expect("no panic").contains(&behind);
    let cut = async {
        while !is_cut() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, cut).await.expect("a part in time");
    members.kill(behind).await;
    members.join_again(behind);
    let (path, have) = received(&snapshots).expect("the part is there");
    assert!(have < 10 << 20, "all of it was received: {have}");
    (path, have)
}

async fn comes_to_the_leaders_content(members: &mut Members, leader: u64, behind: u64, target: u64) {
    members.run(behind).await;
    let mut applied = members.member(behind).applied();
    timeout(PATIENCE, applied.wait_for(|index| *index >= target)).await.expect("in time").expect("it runs");
    members.kill(behind).await;
    members.kill(leader).await;
    let state = |id: u64| {
        let state = members.path(id).join("state");
        let name = fs::read_to_string(state.join("CURRENT")).expect("a state");
        let db = rusqlite::Connection::open(state.join(name)).expect("it opens");
        let all = "SELECT group_concat(name || length(wrapped_data_key) || hex(substr(wrapped_data_key, 1, 4)), ' ')
                   FROM (SELECT name, wrapped_data_key FROM tenants ORDER BY name)";
        let intact: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
        let tenants: String = db.query_row(all, [], |row| row.get(0)).expect("tenants");
        (intact, tenants, Store::content_hash_in(&state).expect("a hash").position.is_some())
    };
    assert_eq!(state(behind), state(leader));
    assert_eq!(state(behind).0, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_is_interrupted_goes_on_where_it_stopped() {
    let (mut members, leader, behind, _) = far_behind().await;
    let (path, have) = stop_halfway(&mut members, behind).await;
    // Still the same one, though the leader goes on.
    for number in 0..3 {
        let command = members.tenant(TenantId::generate(), &format!("later-{number}"));
        members.accept(leader, members.by_admin(), command).await;
    }
    let target = members.member(leader).status().applied_index;
    let file = fs::File::options().read(true).write(true).open(&path).expect("it opens");
    members.run(behind).await;
    let goes_on = async {
        while file.metadata().expect("it is there").len() == have {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, goes_on).await.expect("it goes on in time");
    assert!(file.metadata().expect("it is there").len() > have, "it began anew");
    let mut applied = members.member(behind).applied();
    timeout(PATIENCE, applied.wait_for(|index| *index >= target)).await.expect("in time").expect("it runs");
    members.kill(behind).await;
    comes_to_the_leaders_content(&mut members, leader, behind, target).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_damaged_on_the_way_is_never_installed() {
    let (mut members, leader, behind, target) = far_behind().await;
    let (path, have) = stop_halfway(&mut members, behind).await;
    let file = fs::File::options().write(true).open(path).expect("it opens");
    // Within a tenant's key, which a database does not look at.
    file.write_all_at(&[99; 64 * 1024], have / 2).expect("damaged");
    comes_to_the_leaders_content(&mut members, leader, behind, target).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_killed_between_receiving_and_installing_installs_at_its_start() {
    let mut members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let behind = [1, 2, 3].into_iter().find(|id| *id != leader).expect("a follower");
    members.kill(behind).await;
    for number in 0..30 {
        let command = members.tenant(TenantId::generate(), &format!("t-{number}"));
        members.accept(leader, members.by_admin(), command).await;
    }
    members.member(leader).compact().await.expect("a snapshot is made and the log purged");
    let target = members.member(leader).status().applied_index;
    // As a crash leaves it: the snapshot has its name, and the state is not of it yet.
    let paths = [1, 2, 3].map(|id| members.path(id).join("snapshots"));
    let of = |id: u64| &paths[usize::try_from(id).expect("small") - 1];
    let made = fs::read_dir(of(leader)).expect("a directory").flatten();
    let made = made.map(|file| file.path()).find(|path| path.to_string_lossy().contains("snapshot-"));
    let made = made.expect("a snapshot");
    fs::copy(&made, of(behind).join(made.file_name().expect("a name"))).expect("copied");
    fs::write(of(behind).join("installing.db"), b"a part").expect("written");
    fs::write(of(behind).join("building.db"), b"a part").expect("written");
    members.run(behind).await;
    assert!(*members.member(behind).applied().borrow() + 5 >= target, "it was not installed at the start");
    let names: Vec<_> =
        fs::read_dir(of(behind)).expect("a directory").flatten().map(|file| file.file_name()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    members.kill(behind).await;
    comes_to_the_leaders_content(&mut members, leader, behind, target).await;
}
