//! Whatever the power takes away, what was acknowledged is there, and the log opens.

use proptest::prelude::*;

use super::{
    lossy_disk::LossyDisk,
    support::{Change, Model, held, open},
};

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => (1..6_u8, 0..900_u16, any::<u8>()).prop_map(|(count, size, fill)| Change::Append { count, size, fill }),
        2 => (0..6_u8).prop_map(|back| Change::Truncate { back }),
        2 => (0..12_u8).prop_map(|forward| Change::Purge { forward }),
        1 => any::<u8>().prop_map(|term| Change::Vote { term }),
    ]
}

/// Changes, and the power failing after so many steps of the disk.
fn life() -> impl Strategy<Value = (Vec<Change>, u64)> {
    (prop::collection::vec(change(), 1..24), 0..120_u64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn what_was_acknowledged_outlasts_any_loss_of_power(
        lives in prop::collection::vec(life(), 1..4),
        seed in any::<u64>(),
    ) {
        let mut chance = fastrand::Rng::with_seed(seed);
        let (mut disk, mut model) = (LossyDisk::default(), Model::new());
        for (changes, steps) in lives {
            disk.fail_after(steps);
            let mut under_way = model.clone();
            if let Ok(mut log) = open(&disk) {
                prop_assert_eq!(&held(&log), &model);
                for change in &changes {
                    let (done, then) = model.change(&mut log, change);
                    under_way = then;
                    if done.is_err() {
                        break;
                    }
                    model = under_way.clone();
                }
            }
            disk = disk.after_power_loss(&mut chance);
            let found = held(&open(&disk).expect("a loss of power damages nothing"));
            // What was under way is there wholly or not at all.
            prop_assert!(found == model || found == under_way, "{found:?}\nis neither {model:?}\nnor {under_way:?}");
            model = found;
        }
        let mut log = open(&disk).expect("it opens again");
        prop_assert_eq!(&held(&log), &model);
        let (done, then) = model.change(&mut log, &Change::Append { count: 3, size: 100, fill: 1 });
        prop_assert!(done.is_ok());
        prop_assert_eq!(held(&log), then);
    }
}
