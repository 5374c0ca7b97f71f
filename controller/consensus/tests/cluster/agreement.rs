//! Writes at any controller, through the loss of the leader.

use npanel_model::TenantId;
use npanel_state::{Page, TenantFilter};
use tokio::time::timeout;

use crate::members::{Members, PATIENCE, envelope};

async fn names(members: &Members, at: u64) -> Vec<String> {
    let page = Page { limit: 1000, ..Page::default() };
    let state = members.member(at).state();
    let tenants = state.tenants(members.root, TenantFilter::default(), &page).await.expect("a list");
    tenants.into_iter().map(|tenant| tenant.name.to_string()).filter(|name| name != "platform").collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_at_a_follower_is_seen_there_and_everywhere() {
    let members = Members::start(3).await;
    members.leader_among(&[1, 2, 3]).await;
    for at in [1, 2, 3] {
        members
            .accept(at, members.by_admin(), members.tenant(TenantId::generate(), &format!("at-{at}")))
            .await;
        assert!(names(&members, at).await.contains(&format!("at-{at}")), "its own write");
    }
    for at in [1, 2, 3] {
        members.member(at).linearize().await.expect("a leader");
        assert_eq!(names(&members, at).await.len(), 3, "controller {at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_the_leader_and_happens_once() {
    let mut members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
    // Through a follower, so that the leader dies under writes that are on their way.
    let at = members.member(others[0]).clone();
    let writes: Vec<_> = (0..20)
        .map(|number| {
            let command = members.tenant(TenantId::generate(), &format!("t-{number}"));
            let (at, asked) = (at.clone(), envelope(members.by_admin(), command));
            tokio::spawn(async move { at.propose(asked).await })
        })
        .collect();
    members.kill(leader).await;
    for write in writes {
        let outcome = write.await.expect("no panic").expect("decided by the next leader");
        let accepted = matches!(outcome.outcome, Some(npanel_proto::command::outcome::Outcome::Accepted(_)));
        assert!(accepted, "{outcome:?}");
    }
    members.leader_among(&others).await;
    for id in &others {
        members.member(*id).linearize().await.expect("a leader");
        assert_eq!(names(&members, *id).await.len(), 20, "each once, on controller {id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minority_decides_nothing() {
    let mut members = Members::start(3).await;
    members.kill(2).await;
    members.kill(3).await;
    let asked = envelope(members.by_admin(), members.tenant(TenantId::generate(), "alone"));
    let answer = timeout(PATIENCE, members.member(1).propose(asked)).await.expect("an answer in time");
    assert!(answer.is_err(), "{answer:?}");
    assert!(names(&members, 1).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_there_after_all_were_stopped() {
    let mut members = Members::start(3).await;
    members.accept(1, members.by_admin(), members.tenant(TenantId::generate(), "kept")).await;
    for id in [1, 2, 3] {
        members.kill(id).await;
    }
    for id in [1, 2, 3] {
        members.run(id).await;
    }
    let leader = members.leader_among(&[1, 2, 3]).await;
    members.accept(leader, members.by_admin(), members.tenant(TenantId::generate(), "new")).await;
    members.member(1).linearize().await.expect("a leader");
    assert_eq!(names(&members, 1).await, ["kept", "new"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_write_is_answered_again_even_when_it_could_not_be_prepared_now() {
    let members = Members::start(1).await;
    let id = TenantId::generate();
    let mut asked = envelope(members.by_admin(), members.tenant(id, "once"));
    asked.idempotency_key = "k".into();
    members.member(1).propose(asked.clone()).await.expect("decided");
    members.refuse_preparation.store(true, std::sync::atomic::Ordering::Relaxed);
    let again = members.member(1).propose(asked).await.expect("decided").outcome;
    let replayed = matches!(&again, Some(npanel_proto::command::outcome::Outcome::Accepted(accepted)) if accepted.replayed);
    assert!(replayed, "{again:?}");
}

/// What a power cut took from its log, followers may have: in its old term it would make others by the same names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_away_for_a_moment_does_not_go_on_in_its_old_term() {
    for count in [3, 1] {
        let mut members = Members::start(count).await;
        let all: Vec<u64> = (1..=count).collect();
        let leader = members.leader_among(&all).await;
        let before = members.member(leader).status().term;
        members.kill(leader).await;
        members.run(leader).await;
        let next = members.leader_among(&all).await;
        let after = members.member(next).status().term;
        assert!(after > before, "of {count}: {next} leads in term {after}, {leader} led in {before}");
    }
}
