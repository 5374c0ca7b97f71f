//! Rolling upgrades: members that go up to different feature levels, as those of different versions do.

use std::time::Duration;

use npanel_consensus::Cluster;
use npanel_model::TenantId;
use npanel_proto::command::{FeatureLevelLimit, UpdateCluster, envelope::Command, outcome::Outcome};
use npanel_state::{FEATURE_LEVEL, Page, TenantFilter};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use crate::members::{Members, PATIENCE, envelope};

/// The levels of an earlier, this, and a later version.
const EARLIER: u32 = FEATURE_LEVEL - 1;
const LATER: u32 = FEATURE_LEVEL + 1;

/// What came in at level 4.
fn hold(limit: Option<u32>) -> Command {
    let feature_level_limit = Some(FeatureLevelLimit { limit });
    Command::UpdateCluster(UpdateCluster { feature_level_limit, ..UpdateCluster::default() })
}

impl Members {
    /// Starts a member anew that goes up to another level, and waits until it has caught up.
    async fn upgrade(&mut self, id: u64, level: u32) {
        self.kill(id).await;
        self.levels.insert(id, level);
        self.run(id).await;
        let caught_up = async { while self.member(id).linearize().await.is_err() {} };
        timeout(PATIENCE, caught_up).await.expect("it has caught up in time");
    }

    async fn wait_for_level(&self, level: u32) {
        for id in self.running.keys() {
            let cluster = self.member(*id);
            let mut applied = cluster.applied();
            let raised = async {
                while cluster.feature_level() != Some(level) {
                    applied.changed().await.expect("it runs");
                }
            };
            timeout(PATIENCE, raised).await.expect("it is raised in time");
        }
    }

    async fn require_all_at(&self, level: u32) {
        for id in self.running.keys() {
            self.member(*id).linearize().await.expect("a leader");
            assert_eq!(self.member(*id).feature_level(), Some(level), "controller {id}");
        }
    }

    /// What becomes of a command of the newest level at each member: the refusal's code, or nothing.
    async fn try_what_is_new(&self) -> Vec<Option<String>> {
        let mut refusals = Vec::new();
        for id in self.running.keys() {
            let asked = envelope(self.by_admin(), hold(Some(LATER)));
            let outcome = self.member(*id).propose(asked).await.expect("decided").outcome;
            refusals.push(match outcome.expect("an outcome") {
                Outcome::Accepted(_) => None,
                Outcome::Refused(refused) => Some(refused.code),
            });
        }
        refusals
    }

    /// Kills and starts leaders until this one leads.
    async fn have_lead(&mut self, wanted: u64) {
        let ids: Vec<u64> = self.running.keys().copied().collect();
        for _ in 0..50 {
            let leader = self.leader_among(&ids).await;
            if leader == wanted {
                return;
            }
            self.kill(leader).await;
            let others: Vec<u64> = ids.iter().copied().filter(|id| *id != leader).collect();
            self.leader_among(&others).await;
            self.run(leader).await;
        }
        panic!("controller {wanted} was never elected");
    }

    /// Writes again and again at a member, until told to stop; how many writes were acknowledged.
    fn keep_writing(
        &self,
        at: &Cluster,
        prefix: &'static str,
        stop: watch::Receiver<bool>,
    ) -> JoinHandle<u64> {
        let (at, root, who) = (at.clone(), self.root, self.by_admin());
        tokio::spawn(async move {
            let mut count = 0;
            while !*stop.borrow() || count == 0 {
                let name = format!("{prefix}-{count}");
                let command = Command::CreateTenant(npanel_proto::command::CreateTenant {
                    tenant_id: TenantId::generate().to_bytes(),
                    parent_id: root.to_bytes(),
                    name,
                    wrapped_data_key: vec![1],
                    ..Default::default()
                });
                let outcome = at.propose(envelope(who.clone(), command)).await.expect("decided").outcome;
                assert!(matches!(outcome, Some(Outcome::Accepted(_))), "{outcome:?}");
                count += 1;
            }
            count
        })
    }

    async fn names(&self, at: u64, prefix: &str) -> u64 {
        self.member(at).linearize().await.expect("a leader");
        let mut page = Page { limit: 1000, ..Page::default() };
        let mut count = 0;
        loop {
            let state = self.member(at).state();
            let tenants = state.tenants(self.root, TenantFilter::default(), &page).await.expect("a list");
            let Some(last) = tenants.last() else { return count };
            page.after = Some(last.id.to_bytes());
            count +=
                tenants.iter().filter(|tenant| tenant.name.to_string().starts_with(prefix)).count() as u64;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_upgrade_loses_no_write_and_raises_the_level_after_the_last() {
    let mut members = Members::start_at(3, EARLIER).await;
    let refused = vec![Some("feature_level_too_low".to_owned()); 3];
    assert_eq!(members.try_what_is_new().await, refused);
    let mut written = Vec::new();
    for (id, at, prefix) in [(1, 2, "first"), (2, 3, "second"), (3, 1, "third")] {
        members.require_all_at(EARLIER).await;
        let (stop, stopped) = watch::channel(false);
        let writing = members.keep_writing(&members.member(at).clone(), prefix, stopped);
        members.upgrade(id, FEATURE_LEVEL).await;
        if id < 3 {
            assert_eq!(members.try_what_is_new().await, refused, "after controller {id}");
        }
        stop.send_replace(true);
        written.push((prefix, writing.await.expect("every write was acknowledged")));
    }
    members.wait_for_level(FEATURE_LEVEL).await;
    assert_eq!(members.try_what_is_new().await, vec![None; 3]);
    for at in [1, 2, 3] {
        for (prefix, count) in &written {
            assert_eq!(members.names(at, prefix).await, *count, "{prefix} on controller {at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_version_leads_the_other() {
    let mut members = Members::start_at(3, EARLIER).await;
    members.upgrade(1, FEATURE_LEVEL).await;
    for leader in [1, 2] {
        members.have_lead(leader).await;
        for at in [1, 2, 3] {
            let command = members.tenant(TenantId::generate(), &format!("t-{leader}-{at}"));
            members.accept(at, members.by_admin(), command).await;
        }
        let refused = vec![Some("feature_level_too_low".to_owned()); 3];
        assert_eq!(members.try_what_is_new().await, refused, "controller {leader} leads");
    }
    assert_eq!(members.names(3, "t-").await, 6);
    members.require_all_at(EARLIER).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_does_not_answer_is_waited_for_until_it_is_removed() {
    let mut members = Members::start_at(3, EARLIER).await;
    members.kill(3).await;
    for id in [1, 2] {
        members.upgrade(id, FEATURE_LEVEL).await;
    }
    let (stop, stopped) = watch::channel(false);
    let writing = members.keep_writing(&members.member(1).clone(), "meanwhile", stopped);
    // Longer than the leader takes to ask all of them more than once.
    let mut applied = members.member(1).applied();
    drop(timeout(Duration::from_secs(4), async { while applied.changed().await.is_ok() {} }).await);
    stop.send_replace(true);
    writing.await.expect("writes go on");
    members.require_all_at(EARLIER).await;
    members.remove(1, 3).await.expect("the others can do without it");
    members.wait_for_level(FEATURE_LEVEL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_go_as_far_as_the_cluster_does_not_start() {
    let mut members = Members::start(3).await;
    members.kill(3).await;
    members.levels.insert(3, EARLIER);
    let error = members.try_run(3).await.expect_err("it does not start").to_string();
    assert!(
        error
            .contains(&format!("at feature level {FEATURE_LEVEL}, and this controller goes up to {EARLIER}")),
        "{error}"
    );
    assert!(error.contains("max_feature_level"), "{error}");
    members.levels.insert(3, FEATURE_LEVEL);
    members.run(3).await;
    members.require_all_at(FEATURE_LEVEL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_level_that_is_held_is_raised_when_it_is_let_go() {
    let mut members = Members::start(3).await;
    members.accept(1, members.by_admin(), hold(Some(FEATURE_LEVEL))).await;
    for id in [1, 2, 3] {
        members.upgrade(id, LATER).await;
    }
    for at in [1, 2, 3] {
        let command = members.tenant(TenantId::generate(), &format!("t-{at}"));
        members.accept(at, members.by_admin(), command).await;
    }
    members.require_all_at(FEATURE_LEVEL).await;
    members.accept(1, members.by_admin(), hold(None)).await;
    members.wait_for_level(LATER).await;
}
