//! What survives the daemon, the machine and a damaged disk.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::offers::{FENCE, account, database, database_user, now, parsed, site, tombstone, zone};
use npanel_ledger::{AcceptError, Fence, Ledger, ObjectKey, Progress};
use npanel_model::Generation;
use npanel_proto::node::ObjectIntent;
use tempfile::TempDir;

fn ledger(directory: &TempDir) -> Ledger {
    Ledger::open(directory.path()).expect("a ledger")
}

fn everything() -> Vec<ObjectIntent> {
    let hash = format!("*{}", "A".repeat(40));
    vec![
        account(1, 1, "8.2"),
        site(1, "example.com"),
        database(1, "acme_a"),
        database_user(1, &hash),
        zone(1, &["192.0.2.1"]),
        account(2, 1, "8.2"),
    ]
}

fn accept(ledger: &Ledger, messages: &[ObjectIntent]) {
    let offers: Vec<_> = messages.iter().map(parsed).collect();
    ledger.accept(FENCE, &offers, now()).expect("verdicts");
}

fn key(message: &ObjectIntent) -> ObjectKey {
    parsed(message).key
}

#[test]
fn everything_accepted_is_there_after_a_restart() {
    let directory = TempDir::new().expect("a directory");
    let before = ledger(&directory);
    accept(&before, &everything());
    accept(&before, &[tombstone(1, 2, 2, 60)]);
    let until = now().plus(std::time::Duration::from_secs(60));
    let retained = Progress::Retained { since: now(), until };
    before.note_removal(key(&account(2, 1, "8.2")), Generation(2), retained).expect("noted");
    let (entries, digest) = (before.entries(), before.digest());
    drop(before);
    let after = ledger(&directory);
    assert_eq!(after.entries(), entries);
    assert_eq!(after.digest(), digest);
    assert_eq!(after.fence(), FENCE);
}

#[test]
fn a_lower_fence_is_refused_after_a_restart() {
    let directory = TempDir::new().expect("a directory");
    ledger(&directory).observe(Fence { epoch: 2, term: 9, leader: 2 }).expect("a fence");
    let after = ledger(&directory);
    assert!(after.observe(Fence { epoch: 2, term: 8, leader: 2 }).is_err());
    assert!(after.observe(Fence { epoch: 2, term: 9, leader: 1 }).is_err());
    assert!(after.observe(Fence { epoch: 2, term: 9, leader: 2 }).is_ok());
}

#[test]
fn a_fence_that_could_not_be_written_keeps_a_leader_of_before_out_all_the_same() {
    let directory = TempDir::new().expect("a directory");
    let ledger = ledger(&directory);
    accept(&ledger, &[account(1, 1, "8.2")]);
    let (newer, change) = (Fence { term: FENCE.term + 1, ..FENCE }, [parsed(&account(1, 2, "8.4"))]);
    // In the way of what is written aside, as a full disk is.
    let aside = directory.path().join(".new-fence");
    fs::create_dir(&aside).expect("a directory");
    assert!(matches!(ledger.observe(newer), Err(AcceptError::Store(_))));
    for accepted in [ledger.accept(FENCE, &change, now()), ledger.observe(FENCE).map(|()| Vec::new())] {
        assert!(matches!(accepted, Err(AcceptError::StaleFence(_))), "{accepted:?}");
    }
    let accepted = ledger.accept(newer, &change, now());
    assert!(matches!(accepted, Err(AcceptError::Store(_))), "its fence would be forgotten: {accepted:?}");
    assert_eq!(ledger.fence(), newer);
    fs::remove_dir(&aside).expect("removed");
    ledger.accept(newer, &change, now()).expect("verdicts");
    drop(ledger);
    assert_eq!(Ledger::open(directory.path()).expect("a ledger").fence(), newer);
}

#[test]
fn a_damaged_fence_is_no_lower_than_what_it_let_in() {
    let directory = TempDir::new().expect("a directory");
    accept(&ledger(&directory), &everything());
    fs::write(directory.path().join("fence"), b"damaged").expect("written");
    let after = ledger(&directory);
    assert_eq!(after.fence(), FENCE);
    assert_eq!(after.quarantined().len(), 1);
}

#[test]
fn a_damaged_file_costs_only_its_own_object() {
    for damage in [&b""[..], b"npanel-ledger-1\n", b"npanel-ledger-1\n0123456789012345678901234567890123"] {
        let directory = TempDir::new().expect("a directory");
        accept(&ledger(&directory), &everything());
        let name = key(&account(1, 1, "8.2")).to_string();
        fs::write(directory.path().join("objects").join(&name), damage).expect("written");
        let after = ledger(&directory);
        assert_eq!(after.entries().len(), everything().len() - 1);
        assert_eq!(after.quarantined()[0].file, name);
        assert_eq!(fs::read(directory.path().join("quarantine").join(&name)).expect("set aside"), damage);
        accept(&after, &[account(1, 1, "8.2")]);
        assert_eq!(after.entries().len(), everything().len());
    }
}

#[test]
fn a_single_flipped_bit_is_noticed() {
    let directory = TempDir::new().expect("a directory");
    accept(&ledger(&directory), &[account(1, 1, "8.2")]);
    let path = directory.path().join("objects").join(key(&account(1, 1, "8.2")).to_string());
    let whole = fs::read(&path).expect("a file");
    for position in [0, 20, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[position] ^= 1;
        fs::write(&path, damaged).expect("written");
        assert_eq!(ledger(&directory).quarantined().len(), 1, "at {position}");
    }
}

#[test]
fn a_file_under_the_name_of_another_object_is_set_aside() {
    let directory = TempDir::new().expect("a directory");
    accept(&ledger(&directory), &[account(1, 1, "8.2")]);
    let objects = directory.path().join("objects");
    let name = |id| key(&account(id, 1, "8.2")).to_string();
    fs::rename(objects.join(name(1)), objects.join(name(2))).expect("renamed");
    let after = ledger(&directory);
    assert_eq!((after.entries().len(), after.quarantined().len()), (0, 1));
}

#[test]
fn what_was_being_written_when_the_power_went_is_not_there() {
    let directory = TempDir::new().expect("a directory");
    accept(&ledger(&directory), &[account(1, 1, "8.2")]);
    let aside = directory.path().join("objects/.new-account-x");
    fs::write(&aside, b"half").expect("written");
    let after = ledger(&directory);
    assert_eq!((after.entries().len(), after.quarantined().len()), (1, 0));
    assert!(!aside.exists());
}

#[test]
fn a_batch_that_the_disk_refuses_is_not_in_memory_either() {
    let directory = TempDir::new().expect("a directory");
    let ledger = ledger(&directory);
    // A directory where the file should be written stands for a full disk (and works for root, too).
    let name = key(&account(2, 1, "8.2")).to_string();
    fs::create_dir(directory.path().join("objects").join(format!(".new-{name}"))).expect("made");
    let offers = [parsed(&account(1, 1, "8.2")), parsed(&account(2, 1, "8.2"))];
    assert!(ledger.accept(FENCE, &offers, now()).is_err());
    assert!(ledger.entries().is_empty());
}

#[test]
fn nobody_else_may_read_it() {
    let directory = TempDir::new().expect("a directory");
    let root = directory.path().join("ledger");
    let ledger = Ledger::open(&root).expect("a ledger");
    accept(&ledger, &everything());
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    for directory in [&root, &root.join("objects"), &root.join("quarantine")] {
        assert_eq!(mode(directory), 0o700, "{directory:?}");
    }
    for file in fs::read_dir(root.join("objects")).expect("a list") {
        assert_eq!(mode(&file.expect("a file").path()), 0o600);
    }
    assert_eq!(mode(&root.join("fence")), 0o600);
}

#[test]
fn two_daemons_cannot_open_one_ledger() {
    let directory = TempDir::new().expect("a directory");
    let _first = ledger(&directory);
    assert!(Ledger::open(directory.path()).is_err());
}
