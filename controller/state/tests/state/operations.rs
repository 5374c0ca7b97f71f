//! Operations that are over and old.

use npanel_model::OperationId;
use npanel_proto::command::{PurgeOperations, UpdateCluster, envelope::Command, principal::Who};
use npanel_state::{OperationFilter, Page, RefusalCode};

use crate::support::{World, by, content};

const DAY: i64 = 24 * 3600 * 1000;

impl World {
    async fn purge(&mut self, most: u32) {
        let command = Command::PurgeOperations(PurgeOperations { most });
        self.accept(Who::ControllerId(1), command).await;
    }

    async fn operations(&self) -> Vec<OperationId> {
        let page = Page { limit: 100, ..Page::default() };
        let rows = self.store.reader().operations(self.root, OperationFilter::default(), &page).await;
        rows.expect("a list").into_iter().map(|row| row.id).collect()
    }

    async fn rows_of(&self, table: &str) -> usize {
        let rows = content(&self.store).await;
        rows.iter().filter(|row| row.starts_with(&format!("{table}: "))).count()
    }
}

#[tokio::test]
async fn what_is_over_and_old_goes_and_what_goes_on_stays() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    world.new_account(&acme, "alice", None).await;
    world.observe_all("converged").await;
    world.now += 20 * DAY;
    world.new_account(&acme, "bobby", None).await;
    world.observe_all("converged").await;
    world.new_account(&acme, "carol", None).await;
    assert_eq!(world.operations().await.len(), 3);
    world.now += 9 * DAY;
    world.purge(100).await;
    assert_eq!(world.operations().await.len(), 3, "nothing is thirty days old");
    world.now += 2 * DAY;
    world.purge(100).await;
    assert_eq!(world.operations().await.len(), 2);
    world.now += 365 * DAY;
    world.purge(100).await;
    assert_eq!(world.operations().await.len(), 1, "what goes on is no matter of age");
    assert_eq!(world.rows_of("operation_targets").await, 1);
    world.observe_all("converged").await;
    world.now += 31 * DAY;
    assert!(world.store.reader().has_operations_to_purge(at(world.now)).await.expect("a query"));
    world.purge(100).await;
    assert_eq!(world.operations().await, []);
    assert!(!world.store.reader().has_operations_to_purge(at(world.now)).await.expect("a query"));
}

fn at(millis: i64) -> npanel_model::Timestamp {
    npanel_model::Timestamp::from_millis(millis)
}

#[tokio::test]
async fn a_batch_is_no_larger_than_asked_for_and_a_large_operation_takes_several() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    // An account, a site and a zone: three targets.
    world.new_account(&acme, "alice", Some("example.com")).await;
    world.observe_all("converged").await;
    world.now += 31 * DAY;
    let mut left = world.rows_of("operation_targets").await + world.rows_of("operations").await;
    assert_eq!(left, 4);
    while left > 0 {
        world.purge(1).await;
        let now = world.rows_of("operation_targets").await + world.rows_of("operations").await;
        assert_eq!(now, left - 1);
        left = now;
    }
}

#[tokio::test]
async fn how_long_is_the_platforms_to_say_and_the_doing_the_leaders() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    world.new_account(&acme, "alice", None).await;
    world.observe_all("converged").await;
    let keep = |seconds| {
        Command::UpdateCluster(UpdateCluster {
            operation_retention_seconds: Some(seconds),
            ..UpdateCluster::default()
        })
    };
    assert_eq!(world.refuse(by(acme.key), keep(86_400)).await, RefusalCode::Forbidden);
    world.accept(world.by_admin(), keep(86_400)).await;
    let purge = Command::PurgeOperations(PurgeOperations { most: 10 });
    assert_eq!(world.refuse(world.by_admin(), purge).await, RefusalCode::Forbidden);
    world.now += 2 * DAY;
    world.purge(10).await;
    assert_eq!(world.operations().await, []);
}
