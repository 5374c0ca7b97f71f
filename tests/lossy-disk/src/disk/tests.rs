//! What a cut leaves, and what it may not take.

use std::{collections::BTreeMap, ffi::OsStr};

use nix::errno::Errno;
use proptest::prelude::*;

use super::{BLOCK, Disk, Making, Number, Temper};
use crate::faults::{Step, Times, When};

const FILE: Making = Making { is_directory: false, mode: 0o600, owner: (0, 0) };
const DIRECTORY: Making = Making { is_directory: true, mode: 0o700, owner: (0, 0) };

fn name(text: &str) -> &OsStr {
    OsStr::new(text)
}

fn make(disk: &mut Disk, text: &str) -> Number {
    disk.make(Number::ROOT, name(text), FILE).expect("made")
}

/// A file whose name and content are on disk.
fn on_disk(disk: &mut Disk, text: &str, bytes: &[u8]) -> Number {
    let file = make(disk, text);
    disk.write(file, 0, bytes).expect("written");
    disk.sync(file).expect("synced");
    disk.sync_directory(Number::ROOT).expect("synced");
    file
}

fn after(disk: &Disk, temper: Temper) -> Disk {
    disk.survivor(temper, &mut fastrand::Rng::with_seed(1)).0
}

fn read(disk: &Disk, text: &str) -> Option<Vec<u8>> {
    let file = disk.look_up(Number::ROOT, name(text)).ok()?;
    Some(disk.read(file, 0, usize::MAX / 2).expect("read").to_vec())
}

#[test]
fn what_is_written_and_not_synced_is_lost_and_what_is_synced_is_not() {
    let mut disk = Disk::empty();
    let file = on_disk(&mut disk, "file", &[1; 2000]);
    disk.write(file, 1000, &[2; 2000]).expect("written");
    assert_eq!(read(&after(&disk, Temper::Nothing), "file"), Some(vec![1; 2000]));
    let whole = [vec![1; 1000], vec![2; 2000]].concat();
    assert_eq!(read(&after(&disk, Temper::Everything), "file"), Some(whole.clone()));
    disk.sync(file).expect("synced");
    assert_eq!(read(&after(&disk, Temper::Nothing), "file"), Some(whole));
}

#[test]
fn sectors_are_lost_each_by_itself_and_out_of_order() {
    let mut disk = Disk::empty();
    let file = on_disk(&mut disk, "file", &[0; 8 * 512]);
    for sector in 0..8 {
        disk.write(file, sector * 512, &[7; 512]).expect("written");
    }
    let (mut later_without_earlier, mut some) = (false, false);
    for seed in 0..50 {
        let left = disk.survivor(Temper::Any(0.5), &mut fastrand::Rng::with_seed(seed)).0;
        let found = read(&left, "file").expect("there");
        let kept: Vec<bool> = found.chunks(512).map(|sector| sector == [7; 512]).collect();
        assert!(found.chunks(512).all(|sector| sector == [7; 512] || sector == [0; 512]), "a sector is torn");
        some |= kept.contains(&true) && kept.contains(&false);
        later_without_earlier |= kept.windows(2).any(|pair| pair == [false, true]);
    }
    assert!(some && later_without_earlier);
}

#[test]
fn a_write_is_torn_at_a_sector_and_its_length_may_come_without_it() {
    let mut disk = Disk::empty();
    let file = on_disk(&mut disk, "file", b"");
    disk.write(file, 0, &[7; 2048]).expect("written");
    let (mut torn, mut hollow) = (false, false);
    for seed in 0..200 {
        let found = read(&disk.survivor(Temper::Any(0.3), &mut fastrand::Rng::with_seed(seed)).0, "file");
        let found = found.expect("there");
        torn |= found.ends_with(&[7]) && found.len() < 2048;
        hollow |= found == [0; 2048];
    }
    assert!(torn && hollow);
}

#[test]
fn a_name_is_lost_until_its_directory_is_synced_even_if_its_file_is() {
    let mut disk = Disk::empty();
    let file = make(&mut disk, "file");
    disk.write(file, 0, b"bytes").expect("written");
    disk.sync(file).expect("synced");
    assert_eq!(read(&after(&disk, Temper::Nothing), "file"), None);
    disk.sync_directory(Number::ROOT).expect("synced");
    assert_eq!(read(&after(&disk, Temper::Nothing), "file"), Some(b"bytes".to_vec()));
    disk.remove(Number::ROOT, name("file"), false).expect("removed");
    assert_eq!(read(&disk, "file"), None);
    assert_eq!(
        read(&after(&disk, Temper::Nothing), "file"),
        Some(b"bytes".to_vec()),
        "its removal is not synced"
    );
    disk.sync_directory(Number::ROOT).expect("synced");
    assert_eq!(read(&after(&disk, Temper::Nothing), "file"), None);
}

#[test]
fn a_rename_is_there_wholly_or_not_at_all_also_between_directories() {
    let mut disk = Disk::empty();
    let directory = disk.make(Number::ROOT, name("directory"), DIRECTORY).expect("made");
    on_disk(&mut disk, "old", b"new");
    let target = disk.make(directory, name("target"), FILE).expect("made");
    disk.sync_directory(directory).expect("synced");
    disk.rename((Number::ROOT, name("old")), (directory, name("target")), true).expect("renamed");
    let there = |disk: &Disk| {
        let now = disk.look_up(directory, name("target")).expect("one of the two");
        (disk.look_up(Number::ROOT, name("old")).is_ok(), now == target)
    };
    assert_eq!(there(&after(&disk, Temper::Nothing)), (true, true));
    assert_eq!(there(&after(&disk, Temper::Everything)), (false, false));
    for seed in 0..50 {
        let left = disk.survivor(Temper::Any(0.5), &mut fastrand::Rng::with_seed(seed)).0;
        let (old, is_target) = there(&left);
        assert_eq!(old, is_target, "half a rename");
    }
    disk.sync_directory(directory).expect("synced");
    assert_eq!(there(&after(&disk, Temper::Nothing)), (false, false), "one side is enough");
}

#[test]
fn what_a_failed_sync_gave_up_no_later_sync_brings_to_disk() {
    let mut disk = Disk::empty();
    let file = on_disk(&mut disk, "file", &[1; 1024]);
    disk.write(file, 0, &[2; 512]).expect("written");
    disk.faults.fail_syncs(Some(("fi".to_owned(), Times::Once)));
    assert_eq!(disk.sync(file), Err(Errno::EIO));
    disk.sync(file).expect("it says nothing of it");
    assert_eq!(read(&disk, "file"), Some([[2; 512], [1; 512]].concat()), "it is read from memory");
    assert_eq!(read(&after(&disk, Temper::Everything), "file"), Some(vec![1; 1024]));
    disk.write(file, 0, &[3; 512]).expect("written");
    disk.sync(file).expect("synced");
    assert_eq!(read(&after(&disk, Temper::Nothing), "file"), Some([[3; 512], [1; 512]].concat()));
}

#[test]
fn a_full_disk_takes_what_fits_and_what_has_its_place_already() {
    let mut disk = Disk::empty();
    let file = on_disk(&mut disk, "file", &[1; 4096]);
    disk.set_free(Some(BLOCK));
    assert_eq!(disk.space().free, 1);
    assert_eq!(disk.write(file, 4000, &[2; 10_000]), Ok(4192), "up to its end");
    assert_eq!(disk.write(file, 8192, &[2]), Err(Errno::ENOSPC));
    assert_eq!(disk.resize(file, 8193), Err(Errno::ENOSPC));
    assert_eq!(disk.write(file, 0, &[3; 8192]), Ok(8192), "in its place");
    disk.remove(Number::ROOT, name("file"), false).expect("removed");
    let next = make(&mut disk, "next");
    assert_eq!(disk.write(next, 0, &[4; 8192]), Ok(8192), "its space is free");
}

#[test]
fn the_power_goes_with_the_step_that_was_asked_for() {
    let mut disk = Disk::empty();
    let file = on_disk(&mut disk, "file", b"old");
    disk.faults.cut_when(Some(When { step: Some(Step::Write), path: "file".to_owned(), passing: 1 }));
    assert_eq!(disk.write(file, 0, b"new"), Ok(3));
    assert_eq!(disk.write(file, 3, b"er"), Err(Errno::EIO), "nobody hears of it");
    assert!(disk.faults.is_cut());
    assert_eq!(disk.sync(file), Err(Errno::EIO));
    assert_eq!(disk.read(file, 0, 3), Err(Errno::EIO));
    assert_eq!(read(&after(&disk, Temper::Everything), "file"), Some(b"newer".to_vec()));
    assert_eq!(read(&after(&disk, Temper::Nothing), "file"), Some(b"old".to_vec()));
}

#[derive(Debug, Clone)]
enum Deed {
    Write { file: u8, at: u16, fill: u8 },
    Sync { file: u8 },
    Rename { file: u8, to: u8 },
    Remove { file: u8 },
    SyncNames,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (0..4_u8, 0..3000_u16, any::<u8>()).prop_map(|(file, at, fill)| Deed::Write { file, at, fill }),
        3 => (0..4_u8).prop_map(|file| Deed::Sync { file }),
        2 => (0..4_u8, 0..4_u8).prop_map(|(file, to)| Deed::Rename { file, to }),
        1 => (0..4_u8).prop_map(|file| Deed::Remove { file }),
        3 => Just(Deed::SyncNames),
    ]
}

fn temper() -> impl Strategy<Value = Temper> {
    prop_oneof![
        Just(Temper::Nothing),
        Just(Temper::Everything),
        Just(Temper::Prefix),
        (0.0..1.0).prop_map(Temper::Any)
    ]
}

fn carry_out(disk: &mut Disk, deed: &Deed) {
    let called = |number: u8| format!("f{number}");
    let find = |disk: &Disk, number: u8| disk.look_up(Number::ROOT, name(&called(number)));
    match *deed {
        Deed::Write { file, at, fill } => {
            let file = find(disk, file).unwrap_or_else(|_| make(disk, &called(file)));
            disk.write(file, u64::from(at), &[fill; 700]).expect("written");
        }
        Deed::Sync { file } => drop(find(disk, file).map(|file| disk.sync(file).expect("synced"))),
        Deed::Rename { file, to } => {
            let (from, to) = (called(file), called(to));
            let _ = disk.rename((Number::ROOT, name(&from)), (Number::ROOT, name(&to)), true);
        }
        Deed::Remove { file } => {
            let _ = disk.remove(Number::ROOT, name(&called(file)), false);
        }
        Deed::SyncNames => disk.sync_directory(Number::ROOT).expect("synced"),
    }
}

fn all(disk: &Disk) -> BTreeMap<String, Vec<u8>> {
    let named = |number: u8| format!("f{number}");
    (0..4).filter_map(|file| Some((named(file), read(disk, &named(file))?))).collect()
}

proptest! {
    #[test]
    fn once_all_is_synced_no_cut_takes_anything(
        deeds in prop::collection::vec(deed(), 0..40),
        temper in temper(),
        seed in any::<u64>(),
    ) {
        let mut disk = Disk::empty();
        deeds.iter().for_each(|deed| carry_out(&mut disk, deed));
        (0..4).for_each(|file| carry_out(&mut disk, &Deed::Sync { file }));
        carry_out(&mut disk, &Deed::SyncNames);
        let (left, loss) = disk.survivor(temper, &mut fastrand::Rng::with_seed(seed));
        prop_assert_eq!(all(&left), all(&disk));
        prop_assert!(!loss.is_any(), "{}", loss);
        prop_assert_eq!(left.nodes.len(), all(&left).len() + 1, "something without a name is left");
    }

    #[test]
    fn a_cut_that_takes_nothing_is_like_a_kill_and_what_is_found_is_on_disk(
        deeds in prop::collection::vec(deed(), 0..40),
        temper in temper(),
        seed in any::<u64>(),
    ) {
        let mut disk = Disk::empty();
        deeds.iter().for_each(|deed| carry_out(&mut disk, deed));
        prop_assert_eq!(all(&after(&disk, Temper::Everything)), all(&disk));
        let left = disk.survivor(temper, &mut fastrand::Rng::with_seed(seed)).0;
        prop_assert_eq!(all(&after(&left, Temper::Nothing)), all(&left), "a second cut takes nothing more");
    }
}
