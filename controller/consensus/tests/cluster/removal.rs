//! Controllers that are removed, and others that come in their place.

use std::time::Duration;

use npanel_model::TenantId;
use tokio::time::{Instant, timeout};

use crate::members::{Members, PATIENCE};

impl Members {
    async fn write(&self, at: u64, name: &str) {
        self.accept(at, self.by_admin(), self.tenant(TenantId::generate(), name)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_controller_is_removed_and_another_takes_its_place() {
    let mut members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
    let (dead, alive) = (others[0], others[1]);
    members.kill(dead).await;
    members.remove(alive, dead).await.expect("two of the two that stay answer");
    let mut staying = vec![leader, alive];
    staying.sort_unstable();
    members.wait_for_members(&staying).await;
    members.write(alive, "without-it").await;

    members.enrol_at(alive, 4).await;
    members.run(4).await;
    staying.push(4);
    members.wait_for_members(&staying).await;
    members.write(4, "with-another").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_is_removed_and_another_leads() {
    let members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
    members.remove(others[0], leader).await.expect("the others answer");
    members.wait_for_members(&others).await;
    members.leader_among(&others).await;
    members.write(others[1], "by-the-next-leader").await;
    let known = members.member(others[0]).state().controllers().await.expect("a list");
    assert!(known.iter().all(|controller| controller.id.0 != leader));
    let revoked = members.member(others[0]).state().revoked_controllers().await.expect("a list");
    assert_eq!(revoked, [leader.to_be_bytes().to_vec()]);
    members.wait_for_farewell(leader).await;
    for id in others {
        assert!(!*members.member(id).removed().borrow(), "{id} stays");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_either_is_removed_and_the_other_goes_on() {
    for removes_leader in [true, false] {
        let mut members = Members::start(2).await;
        let leader = members.leader_among(&[1, 2]).await;
        let follower = 3 - leader;
        let (removed, stays) = if removes_leader { (leader, follower) } else { (follower, leader) };
        let term = members.term(stays);
        members.remove(stays, removed).await.expect("both answer");
        members.wait_for_farewell(removed).await;
        members.kill(removed).await;
        members.leader_among(&[stays]).await;
        members.wait_for_members(&[stays]).await;
        members.write(stays, "alone").await;
        let terms = members.term(stays) - term;
        assert!(terms <= 2, "it began {terms} terms to lead by itself");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_four_none_is_removed_that_is_needed_to_decide_it() {
    let mut members = Members::start(4).await;
    let leader = members.leader_among(&[1, 2, 3, 4]).await;
    let others: Vec<u64> = (1..=4).filter(|id| *id != leader).collect();
    members.kill(others[0]).await;
    members.remove(others[1], leader).await.expect("three of four decide, two of three go on");
    members.wait_for_farewell(leader).await;
    members.kill(leader).await;
    members.leader_among(&others[1..]).await;
    members.write(others[1], "decided").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_learns_from_its_state_that_it_was_removed() {
    let members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let removed = [1, 2, 3].into_iter().find(|id| *id != leader).expect("a follower");
    members.remove(leader, removed).await.expect("the others answer");
    members.wait_for_farewell(removed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_away_learns_from_the_others_that_it_was_removed() {
    let mut members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let away = [1, 2, 3].into_iter().find(|id| *id != leader).expect("a follower");
    members.kill(away).await;
    members.remove(leader, away).await.expect("the others answer");
    let staying: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != away).collect();
    members.wait_for_members(&staying).await;
    let term = members.member(leader).status().term;
    members.run(away).await;
    members.wait_for_farewell(away).await;
    assert_eq!(members.member(leader).status().term, term);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_leave_too_few_to_decide_is_refused() {
    let mut members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
    members.kill(others[0]).await;
    for alive in [leader, others[1]] {
        let refused = members.remove(others[1], alive).await.expect_err("one of two would answer");
        assert_eq!(refused.code, "in_use");
        assert!(refused.message.contains("only 1 of these answer"), "{}", refused.message);
    }
    let gone = members.remove(leader, 77).await.expect_err("nobody");
    assert_eq!(gone.code, "not_found");
    members.write(leader, "nothing-has-changed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_controller_stays() {
    let members = Members::start(1).await;
    let refused = members.remove(1, 1).await.expect_err("nobody would be left");
    assert_eq!(refused.code, "in_use");
    members.write(1, "it-goes-on").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_removals_at_once_do_not_take_more_than_can_be_done_without() {
    let mut members = Members::start(4).await;
    let leader = members.leader_among(&[1, 2, 3, 4]).await;
    let others: Vec<u64> = (1..=4).filter(|id| *id != leader).collect();
    members.kill(others[0]).await;
    // Without either, two of the three that stay answer; without both, one of two.
    let (one, other) = tokio::join!(members.remove(leader, others[1]), members.remove(others[1], others[2]));
    assert_eq!(u8::from(one.is_ok()) + u8::from(other.is_ok()), 1, "{one:?} {other:?}");
    members.leader_among(&[leader, others[1], others[2]]).await;
    members.write(leader, "decided").await;
}

/// Three, of whom one was removed and votes still, and another is cut off; with the leader.
async fn one_removed_and_one_cut_off() -> (Members, u64, u64, u64) {
    loop {
        let members = Members::start(3).await;
        let leader = members.leader_among(&[1, 2, 3]).await;
        let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
        members.remove(leader, others[0]).await.expect("all answer");
        members.cut_off(others[1]);
        // The leader may have begun to change the members in between: that is another case.
        if members.member(leader).status().peers.iter().all(|peer| peer.is_voter) {
            return (members, leader, others[0], others[1]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_goes_only_when_the_others_can_decide_without_it() {
    let (members, leader, removed, away) = one_removed_and_one_cut_off().await;
    // Longer than the members are looked at, and others asked.
    let end = Instant::now() + Duration::from_secs(4);
    for number in 0.. {
        if Instant::now() >= end {
            break;
        }
        let written = timeout(PATIENCE, members.write(leader, &format!("t-{number}"))).await;
        written.expect("two of three decide");
        let is_voter =
            |id| members.member(leader).status().peers.iter().any(|one| one.id.0 == id && one.is_voter);
        assert!(is_voter(removed), "the change was begun");
    }
    members.join_again(away);
    let mut staying = [leader, away];
    staying.sort_unstable();
    members.wait_for_members(&staying).await;
    members.write(away, "without-it").await;
}
