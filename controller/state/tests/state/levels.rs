//! The feature level that the cluster is at.

use npanel_proto::command::{
    FeatureLevelLimit, RaiseFeatureLevel, UpdateCluster, envelope::Command, principal::Who,
};
use npanel_state::{FEATURE_LEVEL, OLDEST_FEATURE_LEVEL, RefusalCode, Store, StoreError};

use crate::support::{World, content};

const LEADER: Who = Who::ControllerId(1);

fn raise(level: u32) -> Command {
    Command::RaiseFeatureLevel(RaiseFeatureLevel { level })
}

/// Came in at level 4.
fn hold(limit: Option<u32>) -> Command {
    let feature_level_limit = Some(FeatureLevelLimit { limit });
    Command::UpdateCluster(UpdateCluster { feature_level_limit, ..UpdateCluster::default() })
}

fn level(world: &World) -> Option<u32> {
    *world.store.feature_level().borrow()
}

impl World {
    async fn raise_to(&mut self, level: u32) {
        self.level = level;
        self.accept(LEADER, raise(level)).await;
    }
}

#[tokio::test]
async fn a_cluster_is_at_the_level_that_it_was_made_at() {
    for made_at in OLDEST_FEATURE_LEVEL..=FEATURE_LEVEL {
        let world = World::at_level(made_at).await;
        assert_eq!(level(&world), Some(made_at));
        let cluster = world.store.reader().cluster().await.expect("a query").expect("a cluster");
        assert_eq!((cluster.feature_level, cluster.feature_level_limit), (made_at, None));
    }
    // From before levels were agreed on, when the leader's was all there was.
    assert_eq!(level(&World::at_level(2).await), Some(OLDEST_FEATURE_LEVEL));
}

#[tokio::test]
async fn what_takes_a_higher_level_is_refused_until_the_level_is_raised() {
    let mut world = World::at_level(3).await;
    assert_eq!(world.refuse(world.by_admin(), hold(Some(4))).await, RefusalCode::FeatureLevelTooLow);
    // Whatever level is claimed for it.
    world.level = 4;
    assert_eq!(world.refuse(world.by_admin(), hold(Some(4))).await, RefusalCode::FeatureLevelTooLow);
    let nothing_new = Command::UpdateCluster(UpdateCluster::default());
    assert_eq!(world.refuse(world.by_admin(), nothing_new).await, RefusalCode::FeatureLevelTooLow);
    world.raise_to(4).await;
    assert_eq!(level(&world), Some(4));
    world.accept(world.by_admin(), hold(Some(4))).await;
}

#[tokio::test]
async fn the_level_is_raised_by_controllers_alone_and_never_lowered() {
    let mut world = World::at_level(3).await;
    world.level = 4;
    assert_eq!(world.refuse(world.by_admin(), raise(4)).await, RefusalCode::Forbidden);
    world.raise_to(4).await;
    let before = content(&world.store).await;
    world.level = 3;
    world.accept(LEADER, raise(3)).await;
    world.level = 4;
    world.accept(LEADER, raise(4)).await;
    assert_eq!(level(&world), Some(4));
    let settings =
        |rows: &[String]| rows.iter().filter(|row| row.starts_with("cluster: ")).cloned().collect::<Vec<_>>();
    assert_eq!(settings(&content(&world.store).await), settings(&before));
}

#[tokio::test]
async fn a_raise_is_of_the_level_that_it_brings() {
    let mut world = World::at_level(3).await;
    world.level = 3;
    assert_eq!(world.refuse(LEADER, raise(4)).await, RefusalCode::Invalid);
    assert_eq!(level(&world), Some(3));
}

#[tokio::test]
async fn what_was_proposed_below_the_level_is_applied_by_the_levels_rules() {
    let mut world = World::at_level(3).await;
    world.raise_to(4).await;
    world.accept(world.by_admin(), hold(Some(5))).await;
    // Another leader's, who had not heard of it yet.
    world.level = 3;
    let change = UpdateCluster { operation_retention_seconds: Some(864_000), ..UpdateCluster::default() };
    world.accept(world.by_admin(), Command::UpdateCluster(change)).await;
    let entries = content(&world.store).await;
    let audited: Vec<_> = entries.iter().filter(|row| row.starts_with("audit: ")).collect();
    // What the second change found is what the first one left, in the form of level 4.
    let digests = |row: &&String| row.rsplit(", Blob(").map(str::to_owned).take(3).collect::<Vec<_>>();
    let (first, second) = (digests(&audited[audited.len() - 2]), digests(&audited[audited.len() - 1]));
    assert_eq!(first[1], second[2], "{first:?} {second:?}");
}

#[tokio::test]
async fn an_operator_holds_the_level_where_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut world = World::at_level(4).await;
    world.store = Store::open_up_to(directory.path(), 5).await.expect("of a later version");
    for record in world.records.clone() {
        world.store.apply(vec![record]).await.expect("applied");
    }
    assert_eq!(world.refuse(world.by_admin(), hold(Some(3))).await, RefusalCode::Invalid);
    world.accept(world.by_admin(), hold(Some(4))).await;
    world.level = 5;
    assert_eq!(world.refuse(LEADER, raise(5)).await, RefusalCode::Invalid);
    world.level = 4;
    world.accept(world.by_admin(), hold(None)).await;
    world.raise_to(5).await;
    assert_eq!(level(&world), Some(5));
}

#[tokio::test]
async fn a_store_that_does_not_go_so_far_stops_before_the_level_and_takes_no_snapshot_of_it() {
    let mut world = World::at_level(3).await;
    world.raise_to(4).await;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("held");
    let held = Store::open_up_to(&path, 3).await.expect("it opens");
    let (last, before) = world.records.split_last().expect("records");
    held.apply(before.to_vec()).await.expect("applied");
    let at = held.applied().borrow().clone();
    let stopped = held.apply(vec![last.clone()]).await.expect_err("it stops");
    assert!(matches!(stopped, StoreError::Beyond { level: 4, most: 3 }), "{stopped}");
    assert_eq!(*held.applied().borrow(), at);

    let file = directory.path().join("snapshot.db");
    world.store.copy_to(file.clone()).await.expect("a copy");
    let other = Store::open_up_to(&directory.path().join("other"), 3).await.expect("it opens");
    let refused = other.replace_by(&file).await.expect_err("it is not installed");
    assert!(matches!(refused, StoreError::Beyond { level: 4, most: 3 }), "{refused}");
    let beyond = Store::open(&directory.path().join("third")).await.expect("it opens");
    beyond.replace_by(&file).await.expect("installed");
    drop(beyond);
    let closed = Store::open_up_to(&directory.path().join("third"), 3).await.expect_err("it does not open");
    assert!(closed.to_string().contains("at feature level 4, and this controller goes up to 3"), "{closed}");
}

#[tokio::test]
async fn a_snapshot_of_a_version_with_more_migrations_is_gone_on_with() {
    let world = World::new().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("snapshot.db");
    world.store.copy_to(file.clone()).await.expect("a copy");
    let newer = rusqlite::Connection::open(&file).expect("it opens");
    newer
        .execute_batch(
            "CREATE TABLE newer (id INTEGER);
             INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9000, 'newer', 1, x'00', 1)",
        )
        .expect("migrated");
    drop(newer);
    let other = Store::open(&directory.path().join("other")).await.expect("it opens");
    other.replace_by(&file).await.expect("installed");
    assert_eq!(*other.feature_level().borrow(), Some(FEATURE_LEVEL));
}
