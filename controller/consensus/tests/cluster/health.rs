//! Every controller says how it is, to whoever asks, with a leader and without.

use std::time::{Duration, Instant};

use npanel_consensus::{Asked, Health};
use npanel_model::{ControllerId, TenantId};
use tokio::time::timeout;

use crate::members::{Members, PATIENCE};

impl Members {
    async fn asks(&self, at: u64, id: u64) -> Asked {
        self.member(at).ask_health(ControllerId(id), &format!("c{id}.example:1")).await
    }

    async fn told(&self, at: u64, id: u64) -> Health {
        self.asks(at, id).await.health().cloned().expect("it answers")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_says_itself_how_far_it_is_and_the_leader_how_far_the_others_are() {
    let mut members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
    members.kill(others[0]).await;
    for number in 0..5 {
        let command = members.tenant(TenantId::generate(), &format!("t-{number}"));
        members.accept(leader, members.by_admin(), command).await;
    }
    let of_leader = members.told(others[1], leader).await;
    assert_eq!((of_leader.leader, of_leader.term > 0), (Some(ControllerId(leader)), true));
    let disk = of_leader.disk.expect("a disk");
    assert!(disk.total > 0 && disk.free <= disk.total && !of_leader.version.is_empty());
    let lacks = of_leader.last_log_index - of_leader.replicated[&ControllerId(others[0])];
    assert!((5..20).contains(&lacks), "the dead one lacks {lacks} entries");
    let own = members.told(others[1], others[1]).await;
    assert_eq!(
        (own.leader, own.replicated.len()),
        (Some(ControllerId(leader)), 0),
        "only a leader knows of others"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_answer_takes_a_second_and_one_without_a_leader_answers() {
    let members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
    members.cut_off(leader);
    members.cut_off(others[1]);
    let begun = Instant::now();
    assert_eq!(members.asks(others[0], others[1]).await, Asked::Unreached);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // Nobody leads any more, and this one finds that out by itself.
    let leaderless = async { while members.told(others[0], others[0]).await.leader.is_some() {} };
    timeout(PATIENCE, leaderless).await.expect("in time");
    members.join_again(others[1]);
    let other = members.told(others[0], others[1]).await;
    assert!(other.last_log_index > 0 && other.applied_index > 0);
}
