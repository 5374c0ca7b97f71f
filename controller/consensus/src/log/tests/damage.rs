//! What a disk has lost or changed is refused, or did not matter.

use std::collections::BTreeMap;

use super::{
    super::{
        engine::Failure,
        frame::{FRAME_HEADER, SEGMENT_HEADER},
        recover::Unusable,
        segment::Damage,
    },
    lossy_disk::LossyDisk,
    support::{Change, Model, held, open},
};

type Image = BTreeMap<String, Vec<u8>>;

const NEWEST: &str = "000000000003.log";

/// A log of three segments after a life of its own.
fn small_log() -> (Image, Model) {
    let disk = LossyDisk::default();
    let mut log = open(&disk).expect("a new log");
    let append = |count, size| Change::Append { count, size, fill: 7 };
    let mut changes = vec![Change::Vote { term: 3 }, append(3, 300), append(1, 200), append(2, 10)];
    changes.extend([append(4, 250), append(3, 100), Change::Truncate { back: 2 }, append(2, 120)]);
    changes.extend([Change::Purge { forward: 1 }, append(5, 200), append(1, 40), append(1, 33)]);
    let mut model = Model::new();
    for change in &changes {
        let (done, then) = model.change(&mut log, change);
        done.expect("written");
        model = then;
    }
    assert_eq!(held(&log), model);
    let image = disk.image();
    assert!(image.contains_key(NEWEST), "{:?}", image.keys());
    (image, model)
}

/// Opens a changed log: what it holds, or why it is refused.
fn judge(image: &Image) -> Result<Model, Unusable> {
    open(&LossyDisk::of_image(image)).map(|log| held(&log))
}

/// How many of these changed logs are refused; all others must hold everything.
fn refusals(model: &Model, changed: impl Iterator<Item = (String, Image)>) -> usize {
    let judged = changed.map(|(what, image)| match judge(&image) {
        Ok(held) => {
            assert_eq!(&held, model, "{what}");
            0
        }
        Err(error) => {
            assert!(error.to_string().contains("join it anew"), "{what}: {error}");
            1
        }
    });
    judged.sum()
}

#[test]
fn a_changed_byte_anywhere_loses_nothing_in_silence() {
    let (image, model) = small_log();
    let bytes: usize = image.values().map(Vec::len).sum();
    let flips = image.iter().flat_map(|(name, bytes)| (0..bytes.len()).map(move |at| (name, at)));
    let changed = flips.flat_map(|(name, at)| [0x01, 0x80, 0xff].map(|bits| (name, at, bits))).map(
        |(name, at, bits)| {
            let mut image = image.clone();
            image.get_mut(name).expect("a file")[at] ^= bits;
            (format!("{bits:#x} at {at} of {name}"), image)
        },
    );
    let refused = refusals(&model, changed);
    assert!(refused > bytes, "{refused} of {} changes were refused", 3 * bytes);
}

#[test]
fn a_file_cut_short_anywhere_or_gone_loses_nothing_in_silence() {
    let (image, model) = small_log();
    let cuts = image.iter().flat_map(|(name, bytes)| (0..bytes.len()).map(move |length| (name, length)));
    let cut = cuts.map(|(name, length)| {
        let mut image = image.clone();
        image.get_mut(name).expect("a file").truncate(length);
        (format!("{name} cut to {length}"), image)
    });
    let gone = image.keys().map(|name| {
        let mut image = image.clone();
        image.remove(name);
        (format!("{name} gone"), image)
    });
    assert_eq!(refusals(&model, gone), image.len());
    let bytes: usize = image.values().map(Vec::len).sum();
    assert_eq!(refusals(&model, cut), bytes);
}

#[test]
fn zeros_in_place_of_any_sector_lose_nothing_in_silence() {
    let (image, model) = small_log();
    let sectors =
        image.iter().flat_map(|(name, bytes)| (0..bytes.len()).step_by(512).map(move |at| (name, at)));
    let wiped = sectors.filter(|(name, at)| {
        // The end of the last frame with its mark: two losses at once.
        let last = image[*name].iter().rposition(|byte| *byte != 0).unwrap_or(0);
        *name != NEWEST || last.saturating_sub(FRAME_HEADER) >= at + 512
    });
    let changed = wiped.map(|(name, at)| {
        let mut image = image.clone();
        let bytes = image.get_mut(name).expect("a file");
        let end = bytes.len().min(at + 512);
        bytes[at..end].fill(0);
        (format!("{name} wiped at {at}"), image)
    });
    assert!(refusals(&model, changed) > 0);
}

#[test]
fn a_frame_that_was_cut_off_is_cut_away_and_the_log_goes_on() {
    let (image, model) = small_log();
    let disk = LossyDisk::of_image(&image);
    let mut log = open(&disk).expect("it opens");
    disk.fail_after(1);
    let (failed, _) = model.change(&mut log, &Change::Append { count: 2, size: 150, fill: 9 });
    failed.expect_err("the power fails before the sync");
    for seed in 0..64 {
        let found = disk.after_power_loss(&mut fastrand::Rng::with_seed(seed));
        let mut log = open(&found).expect("it opens");
        let held_now = held(&log);
        assert!(
            held_now.entries.len() == model.entries.len()
                || held_now.entries.len() == model.entries.len() + 2
        );
        let (done, then) = held_now.change(&mut log, &Change::Append { count: 1, size: 600, fill: 1 });
        done.expect("written");
        assert_eq!(judge(&found.image()).expect("it opens again"), then);
    }
}

#[test]
fn an_acknowledged_last_frame_that_is_broken_is_not_taken_for_one_that_was_cut_off() {
    let (image, _) = small_log();
    let last = image[NEWEST].iter().rposition(|byte| *byte != 0).expect("a mark");
    let mut broken = image.clone();
    // The last byte before the mark, and its padding.
    broken.get_mut(NEWEST).expect("a file")[last - FRAME_HEADER - 4] ^= 1;
    let refused = judge(&broken).expect_err("it was acknowledged");
    assert!(matches!(refused, Unusable::Damaged { damage: Damage::Middle { .. }, .. }), "{refused}");
    let mut headless = image;
    headless.get_mut(NEWEST).expect("a file")[SEGMENT_HEADER / 2] ^= 1;
    let refused = judge(&headless).expect_err("it cannot be read");
    assert!(matches!(refused, Unusable::Damaged { damage: Damage::Header, .. }), "{refused}");
}

#[test]
fn a_full_disk_takes_nothing_and_the_log_goes_on_when_there_is_space() {
    let disk = LossyDisk::default();
    let (mut log, mut model) = (open(&disk).expect("a new log"), Model::new());
    let append = Change::Append { count: 1, size: 700, fill: 3 };
    disk.be_full(true);
    for change in [append.clone(), Change::Vote { term: 9 }] {
        let (refused, _) = model.change(&mut log, &change);
        assert!(matches!(refused, Err(Failure::Full)), "{refused:?}");
    }
    disk.be_full(false);
    for change in [append.clone(), Change::Vote { term: 9 }, append.clone(), append] {
        let (done, then) = model.change(&mut log, &change);
        done.expect("there is space");
        model = then;
    }
    assert_eq!(held(&open(&disk).expect("it opens again")), model);
}

#[test]
fn what_a_failed_sync_left_in_memory_only_is_acknowledged_by_nobody_until_it_is_on_disk() {
    let disk = LossyDisk::default();
    let mut log = open(&disk).expect("a new log");
    let append = |count| Change::Append { count, size: 100, fill: 7 };
    let (done, model) = Model::new().change(&mut log, &append(2));
    done.expect("written");
    disk.fail_to_sync();
    let (failed, then) = model.change(&mut log, &append(3));
    assert!(matches!(&failed, Err(Failure::Broken(why)) if why.contains("I/O error")), "{failed:?}");
    let (refused, _) = model.change(&mut log, &append(1));
    assert!(matches!(refused, Err(Failure::Broken(_))), "it went on: {refused:?}");
    assert!(matches!(log.save_vote(crate::types::Vote::new(9, 1)), Err(Failure::Broken(_))), "it voted");

    // Started again: what it finds, it tells the others that it has.
    drop(log);
    let found = held(&open(&disk).expect("it opens"));
    assert!(found == model || found == then, "{found:?}");
    let after = disk.after_power_loss(&mut fastrand::Rng::with_seed(4));
    assert_eq!(held(&open(&after).expect("it opens")), found, "what it had told is gone");
}
