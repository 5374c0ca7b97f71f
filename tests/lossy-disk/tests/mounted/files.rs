//! Files by the standard library.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::Path,
};

use npanel_lossy_disk::{Step, Temper, Times, When};

use crate::disk;

fn sync(path: &Path) {
    File::open(path).expect("opened").sync_all().expect("synced");
}

/// Replaces a file as it should be done, or as it should not.
fn replace(directory: &Path, content: &str, is_careful: bool) -> std::io::Result<()> {
    let staged = directory.join("staged");
    fs::write(&staged, content)?;
    if is_careful {
        File::open(&staged)?.sync_all()?;
    }
    fs::rename(&staged, directory.join("file"))?;
    if is_careful {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[test]
fn a_program_that_does_not_sync_loses_its_data_and_one_that_does_keeps_it() {
    let Some((_directory, mut disk)) = disk(7) else { return };
    let path = disk.path().to_owned();
    replace(&path, "first", true).expect("replaced");
    let mut lost = 0;
    for round in 0..40 {
        replace(&path, "careless", false).expect("replaced");
        disk.power_on().expect("power");
        lost += u32::from(fs::read_to_string(path.join("file")).is_ok_and(|found| found != "careless"));
        let careful = format!("careful {round}");
        replace(&path, &careful, true).expect("replaced");
        let loss = disk.power_on().expect("power");
        assert_eq!(fs::read_to_string(path.join("file")).expect("it is there"), careful, "{loss}");
    }
    assert!(lost > 10, "only {lost} of 40 replacements without a sync were lost");
}

#[test]
fn a_program_whose_syncs_do_nothing_is_one_that_does_not_sync() {
    let Some((_directory, mut disk)) = disk(7) else { return };
    let path = disk.path().to_owned();
    replace(&path, "before", true).expect("replaced");
    disk.ignore_syncs("staged");
    for _ in 0..2 {
        replace(&path, "after", true).expect("replaced");
        disk.power_on_with(Temper::Nothing).expect("power");
        assert_eq!(fs::read(path.join("file")).expect("its name was synced"), b"");
    }
}

#[test]
fn the_power_goes_in_the_middle_and_comes_back() {
    let Some((_directory, mut disk)) = disk(7) else { return };
    let path = disk.path().to_owned();
    replace(&path, "before", true).expect("replaced");
    disk.cut_when(Some(When { step: Some(Step::Rename), path: "file".to_owned(), passing: 0 }));
    replace(&path, "after", true).expect_err("the power is gone");
    assert!(disk.is_cut());
    fs::write(path.join("other"), "").expect_err("the power is gone");
    disk.power_on_with(Temper::Nothing).expect("power");
    assert_eq!(fs::read_to_string(path.join("file")).expect("there"), "before");
    replace(&path, "again", true).expect("it goes on");
}

#[test]
fn a_disk_is_full_and_has_room_again() {
    let Some((_directory, disk)) = disk(7) else { return };
    let path = disk.path().join("file");
    disk.set_free(Some(1 << 20));
    let free = nix::sys::statvfs::statvfs(disk.path()).expect("asked");
    assert_eq!(free.blocks_available() * free.fragment_size(), 1 << 20);
    let full = fs::write(&path, vec![1; 2 << 20]).expect_err("it is full");
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    assert_eq!(fs::metadata(&path).expect("there").len(), 1 << 20, "as much as fits");
    disk.set_free(None);
    fs::write(&path, vec![2; 2 << 20]).expect("there is room");
    assert_eq!(fs::read(&path).expect("read"), vec![2; 2 << 20]);
}

#[test]
fn a_sync_fails_once_and_says_so_once() {
    let Some((_directory, mut disk)) = disk(7) else { return };
    let path = disk.path().join("file");
    let mut file = File::create(&path).expect("made");
    sync(disk.path());
    disk.fail_syncs("file", Times::Once);
    file.write_all(b"given up").expect("written");
    file.sync_data().expect_err("it fails");
    file.sync_data().expect("it says nothing of it any more");
    assert_eq!(disk.failed_syncs(), 1);
    assert_eq!(fs::read(&path).expect("read"), b"given up");
    drop(file);
    disk.power_on_with(Temper::Everything).expect("power");
    assert_eq!(fs::read(&path).expect("read"), [0; 8], "its length, and nothing in it");
    disk.fail_syncs("file", Times::Always);
    for _ in 0..3 {
        File::open(&path).expect("opened").sync_all().expect_err("it fails");
    }
    disk.let_syncs_be();
    sync(&path);
}

#[test]
fn directories_of_many_files_are_listed_and_removed() {
    let Some((_directory, disk)) = disk(7) else { return };
    let many = disk.path().join("deep/many");
    fs::create_dir_all(&many).expect("made");
    for number in 0..2000 {
        File::create(many.join(format!("a-file-with-a-name-{number}"))).expect("made");
    }
    assert_eq!(fs::read_dir(&many).expect("listed").count(), 2000);
    fs::rename(many.join("a-file-with-a-name-7"), disk.path().join("moved")).expect("renamed");
    fs::copy(disk.path().join("moved"), many.join("copied")).expect("copied");
    fs::remove_dir_all(disk.path().join("deep")).expect("removed");
    assert_eq!(fs::read_dir(disk.path()).expect("listed").count(), 1);
}

#[test]
fn a_file_has_two_names_of_which_either_may_go() {
    let Some((_directory, mut disk)) = disk(7) else { return };
    let path = disk.path().to_owned();
    replace(&path, "one", true).expect("replaced");
    fs::hard_link(path.join("file"), path.join("second")).expect("linked");
    fs::hard_link(path.join("file"), path.join("second")).expect_err("it is there");
    sync(&path);
    fs::remove_file(path.join("file")).expect("removed");
    assert_eq!(fs::read_to_string(path.join("second")).expect("there"), "one");
    disk.power_on_with(Temper::Nothing).expect("power");
    assert_eq!(fs::read_to_string(path.join("file")).expect("its removal was not synced"), "one");
    assert_eq!(fs::read_to_string(path.join("second")).expect("there"), "one");
}

#[test]
fn locks_keep_others_out() {
    let Some((_directory, disk)) = disk(7) else { return };
    let path = disk.path().join("lock");
    let (one, other) = (File::create(&path).expect("made"), File::open(&path).expect("opened"));
    one.try_lock().expect("locked");
    assert!(matches!(other.try_lock(), Err(fs::TryLockError::WouldBlock)));
}
