//! Controllers that are cut off, and come back.

use npanel_model::TenantId;
use tokio::time::timeout;

use crate::members::{Members, PATIENCE};

/// So often somebody who stands without asking would have begun several terms.
const CALLS: usize = 12;

impl Members {
    pub(crate) fn term(&self, id: u64) -> u64 {
        self.member(id).status().term
    }

    async fn write_at(&self, at: u64, name: &str) -> u64 {
        self.accept(at, self.by_admin(), self.tenant(TenantId::generate(), name)).await.index
    }

    async fn wait_for_entry(&self, at: u64, index: u64) {
        let mut applied = self.member(at).applied();
        timeout(PATIENCE, applied.wait_for(|now| *now >= index)).await.expect("in time").expect("it runs");
    }

    /// Waits until those who are cut off have called others in vain, again and again.
    async fn wait_for_calls_in_vain(&self) {
        let mut lost = self.traffic.lost.subscribe();
        let enough = *lost.borrow_and_update() + CALLS;
        timeout(PATIENCE, lost.wait_for(|lost| *lost >= enough))
            .await
            .expect("it calls in time")
            .expect("counted");
    }

    /// Waits until one that is cut off, and calls others in vain, says so.
    async fn wait_until_leaderless(&self, id: u64) {
        let mut lost = self.traffic.lost.subscribe();
        let leaderless = lost.wait_for(|_| self.member(id).status().leader.is_none());
        timeout(PATIENCE, leaderless).await.expect("it notices in time").expect("counted");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_cut_off_ends_nobodys_term() {
    let members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let alone = [1, 2, 3].into_iter().find(|id| *id != leader).expect("a follower");
    members.write_at(alone, "before").await;
    let term = members.term(leader);
    members.cut_off(alone);
    members.wait_for_calls_in_vain().await;
    assert_eq!(members.term(alone), term, "it began terms of its own");
    members.write_at(leader, "meanwhile").await;

    members.join_again(alone);
    let index = members.write_at(leader, "together").await;
    members.wait_for_entry(alone, index).await;
    assert!(members.member(leader).leadership().borrow().is_leader(), "it was deposed");
    assert_eq!([members.term(leader), members.term(alone)], [term, term]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_cut_off_follows_the_next() {
    let members = Members::start(3).await;
    let old = members.leader_among(&[1, 2, 3]).await;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != old).collect();
    members.cut_off(old);
    let next = members.leader_among(&others).await;
    let index = members.write_at(next, "by-the-next").await;
    members.join_again(old);
    members.wait_for_entry(old, index).await;
    assert_eq!(members.term(old), members.term(next));
    assert!(members.member(next).leadership().borrow().is_leader());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_cut_off_knows_of_no_leader_until_it_is_back() {
    let members = Members::start(3).await;
    let old = members.leader_among(&[1, 2, 3]).await;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != old).collect();
    members.cut_off(old);
    let next = members.leader_among(&others).await;
    members.wait_until_leaderless(old).await;
    let index = members.write_at(next, "while-it-was-away").await;
    assert_eq!(members.member(next).status().leader.map(|id| id.0), Some(next), "a majority answers");
    members.join_again(old);
    members.wait_for_entry(old, index).await;
    assert_eq!(members.member(old).status().leader.map(|id| id.0), Some(next));

    let follower = others.into_iter().find(|id| *id != next).expect("three");
    members.cut_off(follower);
    members.wait_until_leaderless(follower).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_back_shows_what_was_decided_meanwhile_to_all_who_ask_together() {
    let members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let behind = (1..=3).find(|id| *id != leader).expect("a follower");
    members.cut_off(behind);
    let mut written = 0;
    for number in 0..20 {
        written = members.write_at(leader, &format!("t-{number}")).await;
    }
    let member = members.member(behind);
    assert!(*member.applied().borrow() < written, "it is not behind");
    members.join_again(behind);
    let reads = (0..100).map(|_| {
        let member = member.clone();
        tokio::spawn(async move { (member.linearize().await, *member.applied().borrow()) })
    });
    for read in reads.collect::<Vec<_>>() {
        let (read, shown) = read.await.expect("no panic");
        read.expect("a leader");
        assert!(shown >= written, "a read shows {shown}, and {written} was acknowledged before");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_confirms_no_read() {
    let members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    members.cut_off(leader);
    let reads = (0..10).map(|_| members.member(leader).linearize());
    for read in futures::future::join_all(reads).await {
        read.expect_err("nobody confirms that it leads");
    }
}
