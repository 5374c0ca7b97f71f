//! A controller that comes late gets the state by a snapshot.

use npanel_consensus::ClusterStatus;
use npanel_model::TenantId;
use tokio::time::timeout;

use crate::members::{Members, PATIENCE};

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
    let page = npanel_state::Page { after: None, limit: 100 };
    let tenants = state.tenants(root, npanel_state::TenantFilter::default(), &page).await.expect("a list");
    assert_eq!(tenants.len(), 31);
    let ClusterStatus { last_log_index, applied_index, .. } = members.member(behind).status();
    assert!(applied_index <= last_log_index);
}
