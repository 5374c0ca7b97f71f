//! A snapshot is of one moment, is known again, and replaces the state for everyone who reads.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use npanel_model::{AccountId, TenantId};
use npanel_state::{Page, Snapshot, Store, TenantFilter, Unsound};

use crate::support::{World, open};

const PATIENCE: Duration = Duration::from_secs(30);

async fn snapshot(store: &Store, to: &Path) -> Snapshot {
    store.copy_to(to.to_owned()).await.expect("a snapshot")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_made_while_the_writer_goes_on_is_the_state_of_its_place() {
    let mut world = World::new().await;
    let directory = tempfile::tempdir().expect("a directory");
    let (store, path) = (world.store.clone(), directory.path().to_owned());
    let (is_over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (until, counted) = (Arc::clone(&is_over), Arc::clone(&count));
    let making = tokio::spawn(async move {
        let mut made = Vec::new();
        while !until.load(Ordering::Relaxed) {
            let file = path.join(format!("{}.db", made.len()));
            made.push((snapshot(&store, &file).await, file));
            counted.store(made.len(), Ordering::Relaxed);
        }
        made
    });
    let deadline = Instant::now() + PATIENCE;
    for number in 0.. {
        world.reseller(&format!("reseller-{number}"), None).await;
        if number > 100 && count.load(Ordering::Relaxed) > 4 {
            break;
        }
        assert!(Instant::now() < deadline, "no snapshot is made while the writer goes on");
    }
    is_over.store(true, Ordering::Relaxed);
    let made = making.await.expect("no panic");
    let replica = open(&directory.path().join("replica")).await;
    let mut applied = 0;
    for (snapshot, file) in made {
        snapshot.check(&file, "test").expect("it is sound");
        let place = snapshot.applied.position.expect("a position").index;
        let to = usize::try_from(place).expect("small");
        replica.apply(world.records[applied..to].to_vec()).await.expect("applied");
        applied = to;
        let other = open(&directory.path().join(format!("of-{place}"))).await;
        other.replace_by(&file).await.expect("installed");
        let hash = async |store: &Store| store.content_hash().await.expect("a hash");
        assert_eq!(hash(&other).await, hash(&replica).await, "at {place}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_the_snapshot_is_refused_and_said_what_is_wrong() {
    let mut world = World::new().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("snapshot.db");
    let made = snapshot(&world.store, &file).await;
    made.check(&file, "test").expect("it is sound");
    made.check(&file, "").expect("whoever has no cluster takes it");
    let bytes = fs::read(&file).expect("it is there");
    let refused = |snapshot: &Snapshot, bytes: &[u8], own: &str| {
        fs::write(&file, bytes).expect("written");
        snapshot.check(&file, own).expect_err("it is refused")
    };

    let short = refused(&made, &bytes[..bytes.len() - 1], "test");
    assert!(matches!(short, Unsound::Length { .. }), "{short}");
    let long = refused(&made, &[&bytes[..], b"x"].concat(), "test");
    assert!(matches!(long, Unsound::Length { .. }), "{long}");
    for at in [0, 100, bytes.len() / 2, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let error = refused(&made, &damaged, "test");
        assert!(error.to_string().contains("it is damaged"), "{at}: {error}");
    }
    let foreign = refused(&made, &bytes, "another");
    assert!(
        foreign.to_string().contains("is of the cluster \"test\", and this controller's is \"another\""),
        "{foreign}"
    );

    // One that is whole, and of another place than was said.
    world.reseller("acme", None).await;
    let later = directory.path().join("later.db");
    let later = snapshot(&world.store, &later).await;
    let elsewhere = Snapshot { applied: later.applied, ..made };
    let error = refused(&elsewhere, &bytes, "test");
    assert!(matches!(error, Unsound::Place { .. }), "{error}");
}

/// The files beneath a directory that this process has open.
fn open_files(beneath: &Path) -> Vec<String> {
    let links = fs::read_dir("/proc/self/fd").expect("a directory").flatten();
    let targets = links.filter_map(|link| fs::read_link(link.path()).ok());
    targets.filter(|target| target.starts_with(beneath)).map(|target| target.display().to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_stays_on_the_database_that_a_snapshot_replaced() {
    let mut world = World::new().await;
    let directory = tempfile::tempdir().expect("a directory");
    let (file, replaced) = (directory.path().join("snapshot.db"), directory.path().join("replica"));
    let replica = open(&replaced).await;
    replica.apply(world.records.clone()).await.expect("applied");
    let acme = world.reseller("acme", None).await;
    let account = world.new_account(&acme, "alice", Some("alice.example.com")).await;
    snapshot(&world.store, &file).await;

    // Every kind of read, over and over, so that each has connections when the database is replaced.
    let (root, until) = (world.root, Arc::new(AtomicBool::new(false)));
    let readers: Vec<_> = (0..16)
        .map(|_| {
            let (reader, until, tenant) = (replica.reader().clone(), Arc::clone(&until), acme.tenant);
            tokio::spawn(async move {
                let mut has_seen = false;
                while !until.load(Ordering::Relaxed) {
                    let sees = reader.applied_index() > 5;
                    let found = seen(&reader, root, tenant, account).await;
                    assert!(found == [true; 3] || !sees && !has_seen, "sees {found:?} after the replacement");
                    has_seen = sees;
                }
            })
        })
        .collect();
    let installed = replica.replace_by(&file).await.expect("installed");
    assert!(installed.position.is_some_and(|position| position.index > 5));
    for _ in 0..200 {
        assert_eq!(seen(replica.reader(), root, acme.tenant, account).await, [true; 3]);
    }
    until.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.expect("no reader saw what was replaced");
    }
    // Its files go, too, once whoever had just begun to read has opened them.
    let deadline = Instant::now() + PATIENCE;
    while !of_first(&open_files(&replaced)).is_empty() || !of_first(&files(&replaced)).is_empty() {
        assert!(
            Instant::now() < deadline,
            "open: {:?}, there: {:?}",
            open_files(&replaced),
            files(&replaced)
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn files(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).expect("a directory").flatten();
    names.map(|one| one.file_name().to_string_lossy().into_owned()).collect()
}

/// Those of a store's files that are of its first database.
fn of_first(files: &[String]) -> Vec<&String> {
    files.iter().filter(|name| name.contains("state-1.db")).collect()
}

/// Whether a point read, one of what belongs to an object, and a list show what only the snapshot holds.
async fn seen(
    reader: &npanel_state::Reader,
    root: TenantId,
    tenant: TenantId,
    account: AccountId,
) -> [bool; 3] {
    let page = Page { limit: 10, ..Page::default() };
    [
        reader.tenant(root, tenant).await.expect("a query").is_some(),
        reader.account(root, account).await.expect("a query").is_some(),
        reader.tenants(root, TenantFilter::default(), &page).await.expect("a list").len() == 2,
    ]
}
