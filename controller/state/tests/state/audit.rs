//! Accepted writes are the leaves of the audit's tree, and the leader vouches for it.

use std::path::{Path, PathBuf};

use npanel_audit::{
    Checkpoint, Fault, Frontier, Hash, Kept, SignedCheckpoint, Verified, VerifierKey, origin, verify_copy,
};
use npanel_model::{PlanId, Timestamp};
use npanel_pki::{AuditKey, ClusterKey};
use npanel_proto::command::{
    CreateAuditKey, CreatePlan, DeletePlan, Envelope, Principal, RecordCheckpoint, UpdatePlan,
    envelope::Command, outcome, principal::Who,
};
use npanel_state::{AuditFilter, FEATURE_LEVEL, RefusalCode};
use rusqlite::Connection;

use crate::support::{NOW, World, by, content, open};

const LEADER: Who = Who::ControllerId(1);

/// A fleet's state whose audit is vouched for.
pub(crate) struct Audited {
    pub(crate) world: World,
    key: AuditKey,
    pub(crate) verifier: VerifierKey,
    directory: tempfile::TempDir,
}

impl Audited {
    /// With twenty-odd entries, a checkpoint in the middle and one at the end.
    pub(crate) async fn new() -> Self {
        let mut world = World::new().await;
        let key = AuditKey::generate();
        let sealed_key = ClusterKey::generate().wrap_audit_key(&key).expect("sealed");
        let create = CreateAuditKey { public_key: key.public().to_vec(), sealed_key };
        world.accept(LEADER, Command::CreateAuditKey(create)).await;
        let verifier = VerifierKey::new(&origin("test"), &key.public()).expect("a key");
        let mut audited = Self { world, key, verifier, directory: tempfile::tempdir().expect("a directory") };
        audited.plans(8).await;
        audited.checkpoint().await;
        audited.plans(9).await;
        audited.checkpoint().await;
        audited
    }

    pub(crate) async fn plans(&mut self, count: u32) {
        for _ in 0..count {
            let name = format!("p{}", self.world.index);
            let command = plan(&self.world, PlanId::generate(), &name);
            self.world.accept(self.world.by_admin(), command).await;
        }
    }

    /// Leaves as a database keeps them.
    async fn leaves(&self) -> Vec<Hash> {
        let path = self.copy("leaves").await;
        let db = Connection::open(path).expect("it opens");
        let columns = npanel_audit::StoredEntry::COLUMNS;
        let mut statement =
            db.prepare(&format!("SELECT {columns} FROM audit ORDER BY log_index")).expect("a query");
        let read = |row: &rusqlite::Row<'_>| Ok(npanel_audit::StoredEntry::read(row)?.entry.leaf_hash());
        statement.query_map([], read).expect("rows").collect::<Result<_, _>>().expect("entries")
    }

    pub(crate) async fn tree(&self) -> Frontier {
        let mut tree = Frontier::default();
        for leaf in self.leaves().await {
            tree.append(leaf);
        }
        tree
    }

    /// By this key, in the name of the real one.
    pub(crate) fn signed(&self, key: &AuditKey, size: u64, root: Hash) -> SignedCheckpoint {
        let checkpoint = Checkpoint { origin: origin("test"), size, root };
        let signature = key.sign(checkpoint.text().as_bytes());
        checkpoint.signed(&self.verifier, &signature)
    }

    fn record(&self, size: u64, root: Hash) -> Command {
        let note = self.signed(&self.key, size, root).to_string();
        Command::RecordCheckpoint(RecordCheckpoint { note })
    }

    pub(crate) async fn checkpoint(&mut self) -> SignedCheckpoint {
        let tree = self.tree().await;
        let command = self.record(tree.size(), tree.root());
        self.world.accept(LEADER, command).await;
        self.signed(&self.key, tree.size(), tree.root())
    }

    pub(crate) async fn copy(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        let _ = std::fs::remove_file(&path);
        self.world.store.copy_to(path.clone()).await.expect("a copy");
        path
    }

    /// A copy in which somebody has done this.
    pub(crate) async fn tampered(&self, how: impl FnOnce(&Connection)) -> PathBuf {
        let path = self.copy("tampered").await;
        let db = Connection::open(&path).expect("it opens");
        how(&db);
        path
    }

    pub(crate) fn verified(&self, path: &Path) -> Verified {
        verify_copy(path, None, &[]).expect("a database")
    }

    /// With a checkpoint that was kept outside.
    pub(crate) fn verified_against(&self, path: &Path, kept: SignedCheckpoint) -> Verified {
        let kept = Kept { source: "safe.txt".into(), checkpoint: kept };
        verify_copy(path, Some(&self.verifier), &[kept]).expect("a database")
    }

    pub(crate) async fn faults(&self, sql: &str) -> Vec<Fault> {
        let path = self.tampered(|db| db.execute_batch(sql).expect("tampered")).await;
        self.verified(&path).faults
    }
}

fn plan(world: &World, id: PlanId, name: &str) -> Command {
    Command::CreatePlan(CreatePlan {
        plan_id: id.to_bytes(),
        tenant_id: world.root.to_bytes(),
        name: name.into(),
        disk_mb: 1000,
        php_version: "8.2".into(),
        ..CreatePlan::default()
    })
}

#[tokio::test]
async fn an_entry_says_who_what_and_how_it_was_before_and_after() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let plan_id = PlanId::generate();
    let create = Command::CreatePlan(CreatePlan {
        plan_id: plan_id.to_bytes(),
        tenant_id: acme.tenant.to_bytes(),
        name: "gold".into(),
        disk_mb: 1,
        php_version: "8.2".into(),
        ..CreatePlan::default()
    });
    world.accept(by(acme.key), create).await;
    let created = world.index;
    let change = |disk_mb| {
        Command::UpdatePlan(UpdatePlan {
            plan_id: plan_id.to_bytes(),
            disk_mb: Some(disk_mb),
            ..UpdatePlan::default()
        })
    };
    world.accept(by(acme.key), change(2)).await;
    world.accept(by(acme.key), change(2)).await;
    world.accept(by(acme.key), Command::DeletePlan(DeletePlan { plan_id: plan_id.to_bytes() })).await;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("copy.db");
    world.store.copy_to(path.clone()).await.expect("a copy");
    let db = Connection::open(path).expect("it opens");
    let entry = |index: u64| {
        let columns = npanel_audit::StoredEntry::COLUMNS;
        db.query_row(
            &format!("SELECT {columns} FROM audit WHERE log_index = ?1"),
            [index],
            npanel_audit::StoredEntry::read,
        )
        .expect("an entry")
        .entry
    };
    let [made, changed, unchanged, deleted] = [0, 1, 2, 3].map(|after| entry(created + after));
    assert_eq!(made.actor, format!("api_key/{}", acme.key));
    assert_eq!((made.tenant, made.actor_tenant), (acme.tenant, Some(acme.tenant)));
    assert_eq!((made.action.as_str(), made.object_kind.as_str()), ("plan.create", "plan"));
    assert_eq!((made.object.clone(), made.time_millis), (plan_id.to_bytes(), NOW));
    assert_eq!(made.before, None);
    assert!(made.after.is_some());
    assert_eq!(changed.before, made.after);
    assert_ne!(changed.after, changed.before);
    assert_eq!(unchanged.before, changed.after);
    assert_eq!(unchanged.after, unchanged.before, "a change to what is there already changes nothing");
    assert_eq!((deleted.before, deleted.after), (unchanged.after, None));
}

#[tokio::test]
async fn what_is_refused_or_only_foreseen_is_no_entry() {
    let mut audited = Audited::new().await;
    let root = audited.tree().await.root();
    let missing = Command::DeletePlan(DeletePlan { plan_id: PlanId::generate().to_bytes() });
    audited.world.refuse(audited.world.by_admin(), missing).await;
    let envelope = Envelope {
        principal: Some(Principal { who: Some(audited.world.by_admin()) }),
        feature_level: FEATURE_LEVEL,
        time_millis: audited.world.now,
        command: Some(plan(&audited.world, PlanId::generate(), "foreseen")),
        ..Envelope::default()
    };
    audited.world.store.foresee(envelope).await.expect("foreseen");
    assert_eq!(audited.tree().await.root(), root);
    audited.plans(1).await;
    audited.checkpoint().await;
    assert_eq!(audited.verified(&audited.copy("after").await).faults, []);
}

#[tokio::test]
async fn a_checkpoint_is_of_what_the_tree_was_and_by_the_leader() {
    let mut audited = Audited::new().await;
    audited.plans(3).await;
    let tree = audited.tree().await;
    let (size, root) = (tree.size(), tree.root());
    let wrong = audited.record(size, Hash::of(b"another"));
    assert_eq!(audited.world.refuse(LEADER, wrong).await, RefusalCode::Invalid);
    let too_much = audited.record(size + 1, root);
    assert_eq!(audited.world.refuse(LEADER, too_much).await, RefusalCode::Invalid);
    let none = Command::RecordCheckpoint(RecordCheckpoint { note: "no checkpoint".into() });
    assert_eq!(audited.world.refuse(LEADER, none).await, RefusalCode::Invalid);
    let right = audited.record(size, root);
    let by_admin = audited.world.by_admin();
    assert_eq!(audited.world.refuse(by_admin, right.clone()).await, RefusalCode::Forbidden);
    // The tree goes on while a checkpoint is on its way.
    audited.plans(2).await;
    audited.world.accept(LEADER, right.clone()).await;
    assert_eq!(audited.world.refuse(LEADER, right).await, RefusalCode::Invalid);
    let second = CreateAuditKey { public_key: vec![1; 32], sealed_key: vec![1] };
    assert_eq!(audited.world.refuse(LEADER, Command::CreateAuditKey(second)).await, RefusalCode::Invalid);
}

#[tokio::test]
async fn what_was_agreed_on_before_the_tree_stays_outside_of_it() {
    let mut world = World::new().await;
    let before = content(&world.store).await.iter().filter(|row| row.starts_with("audit: ")).count();
    let envelope = Envelope {
        principal: Some(Principal { who: Some(world.by_admin()) }),
        feature_level: 2,
        time_millis: world.now,
        command: Some(plan(&world, PlanId::generate(), "old")),
        ..Envelope::default()
    };
    let outcome = world.apply_envelope(envelope).await.outcome;
    assert!(matches!(outcome, Some(outcome::Outcome::Accepted(_))), "{outcome:?}");
    let rows = content(&world.store).await;
    let entries: Vec<_> = rows.iter().filter(|row| row.starts_with("audit: ")).collect();
    assert_eq!(entries.len(), before + 1);
    assert_eq!(
        entries
            .iter()
            .filter(|row| row.ends_with("Null, Null, Text([112, 108, 97, 110]), Null, Null, Blob([]), Null"))
            .count(),
        1
    );
}

#[tokio::test]
async fn the_tree_goes_on_over_a_restart_and_a_snapshot() {
    let audited = Audited::new().await;
    let (half, rest) = audited.world.records.split_at(audited.world.records.len() / 2);
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let first = open(&at("first")).await;
    first.apply(half.to_vec()).await.expect("applied");
    let snapshot = at("snapshot.db");
    first.copy_to(snapshot.clone()).await.expect("a copy");
    drop(first);
    let restarted = open(&at("first")).await;
    let joined = open(&at("joined")).await;
    joined.replace_by(&snapshot).await.expect("replaced");
    for store in [restarted, joined] {
        store.apply(rest.to_vec()).await.expect("applied");
        assert_eq!(content(&store).await, content(&audited.world.store).await);
    }
}

#[tokio::test]
async fn a_list_is_of_those_beneath_filtered_and_goes_on() {
    let mut world = World::new().await;
    let (acme, other) = (world.reseller("acme", None).await, world.reseller("other", None).await);
    world.now += 60_000;
    let since = Timestamp::from_millis(world.now);
    let alice = world.new_account(&acme, "alice", None).await;
    world.now += 60_000;
    let until = Timestamp::from_millis(world.now);
    world.new_account(&other, "bob", None).await;
    let list = async |scope, filter| {
        let page = world.store.reader().audit(scope, filter, None, 100).await.expect("a page");
        assert_eq!(page.searched_to, None);
        page.entries.into_iter().map(|stored| stored.entry.action).collect::<Vec<_>>()
    };
    let all = list(world.root, AuditFilter::default()).await;
    assert_eq!(all.first().map(String::as_str), Some("account.create"));
    assert_eq!(all.last().map(String::as_str), Some("tenant.create"));
    assert_eq!(
        list(acme.tenant, AuditFilter::default()).await,
        ["account.create", "plan.create", "api_key.create"]
    );
    let by_time = AuditFilter { since: Some(since), ..AuditFilter::default() };
    assert_eq!(list(world.root, by_time.clone()).await.len(), 2);
    let by_time = AuditFilter { until: Some(until), ..by_time };
    assert_eq!(list(world.root, by_time).await, ["account.create"]);
    for filter in [
        AuditFilter { object: Some(alice.to_bytes()), ..AuditFilter::default() },
        AuditFilter {
            actor: Some(format!("api_key/{}", acme.key)),
            action: Some("account.create".into()),
            object_kind: Some("account".into()),
            ..AuditFilter::default()
        },
        AuditFilter {
            tenant_id: Some(acme.tenant),
            action: Some("account.create".into()),
            ..AuditFilter::default()
        },
    ] {
        assert_eq!(list(world.root, filter.clone()).await, ["account.create"], "{filter:?}");
        assert_eq!(list(other.tenant, filter).await, [""; 0]);
    }
    let reader = world.store.reader();
    let first = reader.audit(world.root, AuditFilter::default(), None, 3).await.expect("a page").entries;
    let second = reader
        .audit(world.root, AuditFilter::default(), Some(first[2].entry.log_index), 100)
        .await
        .expect("a page")
        .entries;
    assert_eq!(first.len() + second.len(), all.len());
    let position = first[0].position.expect("in the tree");
    assert!(reader.audit_entry(other.tenant, position).await.expect("an entry").is_some());
    assert!(reader.audit_entry(acme.tenant, position).await.expect("a query").is_none());
}
