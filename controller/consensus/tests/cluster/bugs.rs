//! Each bug is put in once, and is found by the check that is there for it; without the bug the same test finds nothing.
//!
//! What is put in is in for every member of this process, so one such test runs at a time, and no other beside it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Instant,
};

use fail::FailScenario;
use npanel_linear::{
    Model, Operation, Outcome, Tick, Verdict, is_linearizable,
    models::{Capped, Take, Taken, Unique, UniqueAnswer, UniqueCall},
};
use npanel_model::{NodeId, TenantId, Timestamp, TokenId};
use npanel_proto::{
    command::{
        Certificate, CreateToken, EnrolNode, UpdateTenant, envelope::Command, outcome, principal::Who,
    },
    controller::{RaftMessage, controller_client::ControllerClient},
};
use npanel_state::Store;
use openraft::{
    CommittedLeaderId, LogId, Vote,
    raft::{VoteRequest, VoteResponse},
};
use tokio::time::timeout;

use crate::members::{Members, PATIENCE, envelope};

const ALL: [u64; 3] = [1, 2, 3];
const STEPS: usize = 10_000;

/// The bugs of a scenario. They are out again when it ends.
fn with(bugs: &[&str]) -> FailScenario<'static> {
    let scenario = FailScenario::setup();
    bugs.iter().for_each(|bug| fail::cfg(*bug, "return").expect("a failpoint"));
    scenario
}

fn is_explained<M: Model>(model: &M, history: &[Operation<M::Call, M::Answer>]) -> bool {
    is_linearizable(model, history, STEPS) == Verdict::Linearizable
}

fn tick(begun: Instant) -> Tick {
    Tick::try_from(begun.elapsed().as_micros()).expect("a short test")
}

impl Members {
    /// Waits until all have applied what is decided now.
    async fn all_apply(&self) {
        let leader = self.leader_among(&ALL).await;
        let name = format!("mark-{}", fastrand::u32(..));
        let mark = self.accept(leader, self.by_admin(), self.tenant(TenantId::generate(), &name)).await.index;
        for id in ALL {
            let mut applied = self.member(id).applied();
            timeout(PATIENCE, applied.wait_for(|now| *now >= mark)).await.expect("in time").expect("it runs");
        }
    }

    /// Stops all, the leader last, so that none is further than the others.
    async fn stop_all(&mut self) {
        let leader = self.leader_among(&ALL).await;
        for id in ALL.into_iter().filter(|id| *id != leader).chain([leader]) {
            self.kill(id).await;
        }
    }

    async fn run_all(&mut self) {
        for id in ALL {
            self.run(id).await;
        }
    }
}

/// What the members hold, after one of them has died in the middle of applying a command.
async fn contents_after_a_crash() -> BTreeSet<(u64, Vec<u8>)> {
    let mut members = Members::start(3).await;
    let tenant = TenantId::generate();
    members.accept(1, members.by_admin(), members.tenant(tenant, "before")).await;
    members.all_apply().await;
    fail::cfg("state::crash", "1*return").expect("a failpoint");
    let change =
        UpdateTenant { tenant_id: tenant.to_bytes(), name: Some("after".into()), ..UpdateTenant::default() };
    // It may be answered by the one that dies, and so not at all.
    drop(members.member(1).propose(envelope(members.by_admin(), Command::UpdateTenant(change))).await);
    for id in ALL {
        members.kill(id).await;
    }
    members.run_all().await;
    members.all_apply().await;
    members.stop_all().await;
    let content = |id| {
        let found = Store::content_hash_in(&members.path(id).join("state")).expect("a content");
        (found.position.map_or(0, |at| at.index), found.hash.to_vec())
    };
    ALL.into_iter().map(content).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_in_the_log_apart_from_its_rows_makes_contents_differ() {
    let scenario = with(&[]);
    let same = contents_after_a_crash().await;
    assert_eq!(same.len(), 1, "without the bug they hold the same: {same:?}");
    scenario.teardown();
    let _scenario = with(&["state::position_apart"]);
    let differ = contents_after_a_crash().await;
    assert!(differ.len() > 1, "one of them has passed the command over");
    assert!(differ.iter().map(|(index, _)| index).collect::<BTreeSet<_>>().len() == 1, "{differ:?}");
}

/// The files of a state that a loss of power leaves: its write-ahead log was not synced.
fn state_on_disk(state: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(state).expect("a directory").map(|entry| entry.expect("an entry").path());
    let is_synced = |path: &PathBuf| {
        let name = path.to_string_lossy();
        path.is_file() && !name.ends_with("-wal") && !name.ends_with("-shm")
    };
    files.filter(is_synced).map(|path| (path.clone(), std::fs::read(path).expect("a file"))).collect()
}

async fn claim(
    members: &Members,
    at: u64,
    name: &str,
    who: u64,
    begun: Instant,
) -> Operation<UniqueCall, UniqueAnswer> {
    let called = tick(begun);
    let create = members.tenant(TenantId::generate(), name);
    let outcome = members.member(at).propose(envelope(members.by_admin(), create)).await.expect("decided");
    let answer = match outcome.outcome.expect("an outcome") {
        outcome::Outcome::Accepted(_) => UniqueAnswer::Won,
        outcome::Outcome::Refused(refused) => {
            assert_eq!(refused.code, "name_taken");
            UniqueAnswer::Taken
        }
    };
    let outcome = Outcome::Answered(answer, tick(begun));
    Operation { client: usize::try_from(who).expect("small"), call: UniqueCall::Claim(who), called, outcome }
}

/// Who claimed a name before and after all members lost their power at once.
async fn claims_around_a_loss_of_power(bug: Option<&str>) -> Vec<Operation<UniqueCall, UniqueAnswer>> {
    let begun = Instant::now();
    let mut members = Members::start(3).await;
    members.all_apply().await;
    bug.into_iter().for_each(|bug| fail::cfg(bug, "return").expect("a failpoint"));
    let before = claim(&members, 1, "mine", 1, begun).await;
    let states = ALL.map(|id| (id, members.path(id).join("state")));
    let on_disk = states.map(|(id, state)| (id, state_on_disk(&state)));
    members.stop_all().await;
    for (id, files) in on_disk {
        let path = members.path(id);
        std::fs::remove_dir_all(path.join("state")).expect("removed");
        std::fs::create_dir(path.join("state")).expect("made");
        files.into_iter().for_each(|(path, bytes)| std::fs::write(path, bytes).expect("written"));
        npanel_consensus::lose_power(&path.join("raft-log")).expect("lost");
    }
    bug.into_iter().for_each(fail::remove);
    members.run_all().await;
    let leader = members.leader_among(&ALL).await;
    vec![before, claim(&members, leader, "mine", 2, begun).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_it_was_synced_is_missing_after_a_loss_of_power() {
    let _scenario = with(&[]);
    let kept = claims_around_a_loss_of_power(None).await;
    assert!(is_explained(&Unique, &kept), "without the bug it is there: {kept:?}");
    let lost = claims_around_a_loss_of_power(Some("log::ack_before_sync")).await;
    assert!(!is_explained(&Unique, &lost), "a name was given twice: {lost:?}");
}

async fn enrol(members: &Members, at: u64, token: &[u8], begun: Instant) -> Operation<Take, Taken> {
    let called = tick(begun);
    let serial = NodeId::generate().to_bytes();
    let certificate = Certificate {
        serial: serial.clone(),
        not_after_millis: i64::MAX,
        key_fingerprint: [serial.clone(), serial.clone()].concat(),
        ..Certificate::default()
    };
    let command = Command::EnrolNode(EnrolNode {
        node_id: serial,
        name: format!("n{}", fastrand::u32(..)),
        certificate: Some(certificate),
        token_id: token.to_vec(),
        token_secret_hash: vec![7; 32],
    });
    let outcome = members.member(at).propose(envelope(Who::TokenId(token.to_vec()), command)).await;
    let answer = match outcome.expect("decided").outcome.expect("an outcome") {
        outcome::Outcome::Accepted(_) => Taken::Given,
        outcome::Outcome::Refused(refused) => {
            assert_eq!(refused.code, "token_invalid", "{refused:?}");
            Taken::NoneLeft
        }
    };
    let outcome = Outcome::Answered(answer, tick(begun));
    Operation { client: usize::try_from(at).expect("small"), call: Take, called, outcome }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_used_twice_cannot_be_explained() {
    let _scenario = with(&[]);
    let members = Members::start(3).await;
    let begun = Instant::now();
    for (bug, is_found) in [(None, false), (Some("state::token_kept"), true)] {
        let token = TokenId::generate().to_bytes();
        let create = Command::CreateToken(CreateToken {
            token_id: token.clone(),
            role: "node".into(),
            secret_hash: vec![7; 32],
            uses: 1,
            expires_millis: Timestamp::now().as_millis() + 600_000,
            pool: "default".into(),
            ..CreateToken::default()
        });
        members.accept(1, members.by_admin(), create).await;
        bug.into_iter().for_each(|bug| fail::cfg(bug, "return").expect("a failpoint"));
        let (one, other) = tokio::join!(enrol(&members, 1, &token, begun), enrol(&members, 2, &token, begun));
        let history = [one, other];
        assert_eq!(!is_explained(&Capped(1), &history), is_found, "{history:?}");
    }
}

/// Asks a member for its vote, as a candidate whose log is ahead of all, until it is given or it is said to be another's.
async fn ask_for_vote(members: &Members, of: u64, vote: Vote<u64>) -> bool {
    let mut client = ControllerClient::new(members.line(vote.leader_id().node_id, of));
    let last_log_id = Some(LogId::new(CommittedLeaderId::new(vote.leader_id().term - 1, 0), 1_000_000));
    let payload = rmp_serde::to_vec_named(&VoteRequest { vote, last_log_id }).expect("it serialises");
    let asking = async {
        loop {
            let asked = client.vote(RaftMessage { payload: payload.clone(), data: Vec::new() }).await;
            let Ok(answer) = asked else { continue };
            let answer: Result<VoteResponse<u64>, openraft::error::RaftError<u64>> =
                rmp_serde::from_slice(&answer.into_inner().payload).expect("it is its answer");
            let answer = answer.expect("a vote");
            // Until then it still trusts its last leader.
            if answer.vote_granted || answer.vote.leader_id().term == vote.leader_id().term {
                return answer.vote_granted;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, asking).await.expect("an answer in time")
}

/// The candidates that one member votes for in one term, around a crash. The second comes before the first in the library's order
/// of candidates: the other way round it might have both votes, and take the term over.
async fn votes_around_a_crash() -> BTreeSet<u64> {
    let mut members = Members::start(3).await;
    members.all_apply().await;
    let term = members.member(3).status().term + 10;
    members.kill(1).await;
    members.kill(2).await;
    let mut given = BTreeSet::new();
    for candidate in [2, 1] {
        if ask_for_vote(&members, 3, Vote::new(term, candidate)).await {
            given.insert(candidate);
        }
        members.kill(3).await;
        members.run(3).await;
    }
    given
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_that_is_written_late_is_given_twice() {
    let scenario = with(&[]);
    assert_eq!(votes_around_a_crash().await, BTreeSet::from([2]));
    scenario.teardown();
    let _scenario = with(&["log::vote_late"]);
    assert_eq!(votes_around_a_crash().await, BTreeSet::from([1, 2]), "one leads who was passed over");
}
