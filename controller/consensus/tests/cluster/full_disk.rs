//! A leader whose disk is full refuses writes, and takes them again when there is space; reads go on.

use std::{sync::atomic::Ordering, time::Duration};

use npanel_consensus::ProposeError;
use npanel_model::TenantId;
use tokio::time::{sleep, timeout};

use crate::members::{Members, PATIENCE, envelope};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_on_a_full_disk_refuses_writes_at_once_and_takes_them_again_by_itself() {
    let members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let follower = [1, 2, 3].into_iter().find(|id| *id != leader).expect("a follower");
    let write = async |at: u64| {
        let command = members.tenant(TenantId::generate(), &format!("t-{}", TenantId::generate()));
        members.member(at).propose(envelope(members.by_admin(), command)).await
    };
    write(follower).await.expect("decided");
    members.running[&leader].free.store(1 << 20, Ordering::Relaxed);
    let is_refused = async |at| matches!(write(at).await, Err(ProposeError::DiskFull));
    let refused = async {
        while !is_refused(leader).await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, refused).await.expect("writes are refused in time");

    // At once, wherever they are asked for, and nothing of them is kept anywhere.
    let end = members.member(leader).status().last_log_index;
    for at in [leader, follower] {
        for _ in 0..100 {
            assert!(timeout(Duration::from_secs(1), is_refused(at)).await.expect("at once"), "at {at}");
        }
    }
    assert_eq!(members.member(leader).status().last_log_index, end, "something was begun");
    for at in [leader, follower] {
        members.member(at).linearize().await.expect("reads go on");
    }

    members.running[&leader].free.store(1 << 40, Ordering::Relaxed);
    let taken = async {
        while write(follower).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, taken).await.expect("writes go on in time");
}
