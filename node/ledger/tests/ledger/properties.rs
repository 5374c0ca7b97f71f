//! Whatever comes in whatever order: the ledger and a plain model of its rules agree, before and after a
//! restart.

use std::collections::BTreeMap;

use crate::offers::{account, now, parsed, tombstone};
use npanel_ledger::{AcceptError, Fence, Ledger, Offer, Verdict};
use npanel_proto::{
    ledger_digest,
    node::{InventoryEntry, ObjectIntent, ObjectRef},
};
use proptest::prelude::*;
use tempfile::TempDir;

#[derive(Debug, Clone)]
struct Step {
    fence: Fence,
    batch: Vec<ObjectIntent>,
    restart: bool,
}

fn intent() -> impl Strategy<Value = ObjectIntent> {
    (1u8..5, 1u64..6, prop_oneof![Just(None), Just(Some("8.2")), Just(Some("8.4"))]).prop_map(
        |(id, generation, php)| match php {
            Some(php) => account(id, generation, php),
            None => tombstone(1, id, generation, 60),
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let fence = (1u64..3, 1u64..4, 1u64..3).prop_map(|(epoch, term, leader)| Fence { epoch, term, leader });
    let restart = prop::bool::weighted(0.2);
    (fence, prop::collection::vec(intent(), 1..4), restart).prop_map(|(fence, batch, restart)| Step {
        fence,
        batch,
        restart,
    })
}

/// The rules in their plainest form.
#[derive(Default)]
struct Model {
    fence: Fence,
    objects: BTreeMap<Vec<u8>, ObjectIntent>,
}

impl Model {
    fn takes(&mut self, fence: Fence, batch: &[ObjectIntent]) -> Option<Vec<&'static str>> {
        if fence < self.fence {
            return None;
        }
        self.fence = fence;
        Some(batch.iter().map(|message| self.takes_one(message)).collect())
    }

    fn takes_one(&mut self, message: &ObjectIntent) -> &'static str {
        let id = message.object.as_ref().expect("an object").id.clone();
        match self.objects.get(&id) {
            Some(have) if have == message => "unchanged",
            Some(have) if have.generation >= message.generation => "refused",
            _ => {
                self.objects.insert(id, message.clone());
                "accepted"
            }
        }
    }

    fn inventory(&self) -> Vec<InventoryEntry> {
        let entry = |(id, have): (&Vec<u8>, &ObjectIntent)| InventoryEntry {
            object: Some(ObjectRef { kind: 1, id: id.clone() }),
            generation: have.generation,
            tombstone: *have == tombstone(1, id[0], have.generation, 60),
        };
        self.objects.iter().map(entry).collect()
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "accepted",
        Verdict::Unchanged => "unchanged",
        Verdict::Refused(_) => "refused",
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_keeps_its_rules(steps in prop::collection::vec(step(), 1..15)) {
        let directory = TempDir::new().expect("a directory");
        let open = || Ledger::open(directory.path()).expect("a ledger");
        let mut ledger = open();
        let mut model = Model::default();
        for step in steps {
            let offers: Vec<Offer> = step.batch.iter().map(parsed).collect();
            let answer = match ledger.accept(step.fence, &offers, now()) {
                Ok(verdicts) => Some(verdicts.iter().map(word).collect::<Vec<_>>()),
                Err(AcceptError::StaleFence(_)) => None,
                Err(error) => panic!("{error}"),
            };
            prop_assert_eq!(answer, model.takes(step.fence, &step.batch));
            if step.restart {
                drop(ledger);
                ledger = open();
            }
            prop_assert_eq!(ledger.fence(), model.fence);
            prop_assert_eq!(ledger.inventory(), model.inventory());
            prop_assert_eq!(ledger.digest(), ledger_digest(&model.inventory()));
        }
    }
}
