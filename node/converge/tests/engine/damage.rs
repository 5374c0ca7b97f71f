//! Whatever is damaged, in whatever order and however often: in the end all of it is right, and each damage was told
//! once.

use std::time::Duration;

use npanel_executor::Target;
use npanel_ledger::ObjectKey;
use npanel_model::{NodeRole, Uid};
use proptest::{collection::vec, prelude::*};

use crate::{
    node::{Node, pass},
    offers::{account, database, key, site, zone},
};

/// Longer than the longest wait of a repair, and than it takes to look at everything.
const QUIET: Duration = Duration::from_secs(300);

/// What can be damaged: the operation that makes it, what a sweep calls it, and what an event says it is.
fn things() -> Vec<(&'static str, Target, Option<ObjectKey>)> {
    let name = |text: &str| text.parse().expect("a name");
    let zone_name = |text: &str| Target::Zone(name(text));
    vec![
        ("zone z1.example.com", zone_name("z1.example.com"), Some(key(&zone(1)))),
        ("zone z2.example.com", zone_name("z2.example.com"), Some(key(&zone(2)))),
        ("site s1.example.com", Target::Site(name("s1.example.com")), Some(key(&site(1, "s1.example.com")))),
        (
            "account u1 8.1",
            Target::Account(Uid::new(1_900_000_001).expect("a uid")),
            Some(key(&account(1, 1))),
        ),
        ("database acme_d3", Target::Database("acme_d3".parse().expect("a name")), Some(key(&database(3)))),
        ("base dns", Target::Base(NodeRole::Dns), None),
    ]
}

async fn every_damage_is_repaired_and_told(steps: &[(usize, u64)]) {
    let node = Node::boot();
    let offers = [zone(1), zone(2), account(1, 1), site(1, "s1.example.com"), database(3)];
    node.push(&offers);
    node.converged(&offers).await;
    let things = things();
    let mut damages = vec![0; things.len()];
    for (which, wait) in steps {
        let (operation, target, _) = &things[*which];
        // What is damaged twice before it is looked at is one damage.
        damages[*which] += usize::from(node.fake.damage(operation, target.clone()));
        pass(Duration::from_secs(*wait)).await;
    }
    pass(QUIET).await;
    assert_eq!(node.fake.damaged(), [""; 0], "not repaired after {steps:?}");
    let events = node.events();
    for ((operation, _, object), damages) in things.iter().zip(damages) {
        let told = events.iter().filter(|event| event.object == *object && event.reason == "DriftRepaired");
        assert_eq!(told.count(), damages, "{operation} after {steps:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_ends_repaired_and_told_once(steps in vec((0..6_usize, 0..90_u64), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(every_damage_is_repaired_and_told(&steps));
    }
}
