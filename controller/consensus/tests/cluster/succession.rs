//! A controller takes the place of another: one command, and all the rest follows from the state, whoever leads.

use std::time::Duration;

use npanel_model::{ControllerId, TenantId};
use npanel_proto::command::{Envelope, RemoveController, envelope::Command};
use tokio::time::timeout;

use crate::members::{Members, PATIENCE, envelope, replacement};

impl Members {
    async fn writes(&self, at: u64, name: &str) {
        self.accept(at, self.by_admin(), self.tenant(TenantId::generate(), name)).await;
    }

    /// Waits until the state of `at` has these controllers, and no others.
    async fn wait_for_state(&self, at: u64, ids: &[u64]) {
        let (state, mut applied) = (self.member(at).state(), self.member(at).applied());
        let same = async || {
            let all = state.controllers().await.expect("a list");
            all.iter().map(|one| one.id.0).eq(ids.iter().copied())
                && all.iter().all(|one| one.replaces.is_none())
        };
        let all = async {
            while !same().await {
                let _ = timeout(Duration::from_millis(100), applied.changed()).await;
            }
        };
        timeout(PATIENCE, all).await.expect("the controllers in time");
    }
}

/// The leader of three, and the two others.
async fn of_three() -> (Members, u64, u64, u64) {
    let members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
    (members, leader, others[0], others[1])
}

fn sorted(ids: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let mut ids: Vec<u64> = ids.into_iter().collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_one_of_three_is_replaced_while_writes_go_on_and_learns_it_when_it_comes_back() {
    let (mut members, leader, dead, alive) = of_three().await;
    members.kill(dead).await;
    let token = members.replace(alive, dead, false).await.expect("two of three decide");
    members.writes(alive, "begun").await;
    members.enrol_with(alive, 4, token).await;
    members.writes(leader, "enrolled").await;
    members.run(4).await;
    let staying = sorted([leader, alive, 4]);
    members.wait_for_members(&staying).await;
    for id in &staying {
        members.wait_for_state(*id, &staying).await;
    }
    members.writes(4, "replaced").await;
    let revoked = members.member(leader).state().revoked_controllers().await.expect("a list");
    assert_eq!(revoked, [dead.to_be_bytes().to_vec()]);
    let next = members.member(4).state().next_controller_id().await.expect("an id");
    assert_eq!(next, ControllerId(5), "its id is not used again");

    let term = members.member(leader).status().term;
    members.run(dead).await;
    members.wait_for_farewell(dead).await;
    assert_eq!(members.member(leader).status().term, term, "the others were disturbed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_leader_goes_on_with_a_replacement() {
    let mut members = Members::start(5).await;
    let all = [1, 2, 3, 4, 5];
    let leader = members.leader_among(&all).await;
    let others: Vec<u64> = all.into_iter().filter(|id| *id != leader).collect();
    let (dead, alive) = (others[0], &others[1..]);
    members.kill(dead).await;
    let token = members.replace(leader, dead, false).await.expect("four of five decide");
    members.enrol_with(leader, 6, token).await;
    members.run(6).await;
    // As far as it is by then: it knows no more than what is in the state.
    members.kill(leader).await;
    members.leader_among(alive).await;
    let staying = sorted(alive.iter().copied().chain([leader, 6]));
    members.wait_for_state(alive[0], &staying).await;
    members.run(leader).await;
    members.wait_for_members(&staying).await;
    members.writes(6, "replaced").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_outlasts_that_nothing_can_be_decided_for_a_while() {
    let (mut members, leader, dead, alive) = of_three().await;
    members.kill(dead).await;
    let token = members.replace(leader, dead, false).await.expect("two of three decide");
    members.enrol_with(leader, 4, token).await;
    members.kill(leader).await;
    members.run(4).await;
    members.run(leader).await;
    members.leader_among(&[leader, alive]).await;
    let staying = sorted([leader, alive, 4]);
    members.wait_for_members(&staying).await;
    members.wait_for_state(alive, &staying).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused_and_says_why() {
    let (mut members, leader, dead, alive) = of_three().await;
    let refused = |answer: Result<Vec<u8>, npanel_proto::command::Refused>| {
        let refused = answer.expect_err("it is refused");
        (refused.code, refused.message)
    };
    for at in [leader, alive] {
        for id in [leader, alive] {
            let (code, message) = refused(members.replace(at, id, false).await);
            assert_eq!(code, "in_use");
            assert!(message.contains("is alive") && message.contains("--even-if-alive"), "{message}");
        }
    }
    assert_eq!(refused(members.replace(alive, 77, false).await).0, "not_found");
    members.kill(dead).await;
    members.replace(alive, dead, false).await.expect("two of three decide");
    let (code, message) = refused(members.replace(alive, dead, false).await);
    assert_eq!(code, "in_use");
    assert!(message.contains("under way") && message.contains("npanel token delete"), "{message}");
    members.writes(leader, "nothing-has-changed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_itself_is_replaced_when_that_is_said() {
    let (mut members, leader, one, other) = of_three().await;
    let token = members.replace(one, leader, true).await.expect("all answer");
    members.enrol_with(one, 4, token).await;
    members.run(4).await;
    let staying = sorted([one, other, 4]);
    members.wait_for_members(&staying).await;
    members.leader_among(&staying).await;
    members.wait_for_state(one, &staying).await;
    members.wait_for_farewell(leader).await;
    members.writes(4, "by-another").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_that_is_given_up_leaves_the_members_as_they_were() {
    let (mut members, leader, dead, alive) = of_three().await;
    members.kill(dead).await;
    let token = members.replace(leader, dead, false).await.expect("two of three decide");
    members.enrol_with(leader, 4, token).await;
    members.remove(alive, 4).await.expect("it does not vote");
    members.run(dead).await;
    members.wait_for_members(&[1, 2, 3]).await;
    members.kill(dead).await;
    let token = members.replace(leader, dead, false).await.expect("none is under way");
    members.enrol_with(leader, 5, token).await;
    members.run(5).await;
    members.wait_for_members(&sorted([leader, alive, 5])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_answered_again_whoever_is_back_by_then_and_whoever_leads() {
    let (mut members, leader, dead, alive) = of_three().await;
    let request = |key: &str, command: &Command| Envelope {
        idempotency_key: format!("caller/{key}"),
        ..envelope(members.by_admin(), command.clone())
    };
    let (command, _) = replacement(dead, false);
    let (first, again, other) = (request("r1", &command), request("r1", &command), request("r2", &command));
    members.kill(dead).await;
    let accepted = members.decide(alive, first).await.expect("two of three decide");
    members.run(dead).await;
    for at in [leader, alive] {
        let repeated = members.decide(at, again.clone()).await.expect("it was accepted");
        assert!(repeated.replayed && repeated.object_id == accepted.object_id, "{repeated:?}");
    }
    let refused = members.decide(alive, other).await.expect_err("it is alive");
    assert!(refused.message.contains("is alive"), "{}", refused.message);
    members.kill(leader).await;
    members.leader_among(&[dead, alive]).await;
    members.decide(alive, again).await.expect("it was accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_is_answered_again_when_too_few_are_left_for_another() {
    let (mut members, leader, gone, alive) = of_three().await;
    let command = Command::RemoveController(RemoveController { controller_id: gone });
    let request =
        Envelope { idempotency_key: "caller/r1".into(), ..envelope(members.by_admin(), command.clone()) };
    members.decide(alive, request.clone()).await.expect("all answer");
    assert!(members.decide(alive, request).await.expect("it was accepted").replayed);
    members.kill(gone).await;
    let refused = members.decide(leader, envelope(members.by_admin(), command)).await.expect_err("gone");
    assert_eq!(refused.code, "not_found");
}
