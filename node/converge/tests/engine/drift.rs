//! What is touched by hand.

use std::time::Duration;

use npanel_executor::Target;
use npanel_model::NodeRole;

use crate::{
    node::{Node, pass},
    offers::{key, zone},
};

const SWEEPS: Duration = Duration::from_secs(30);

fn target(number: u8) -> Target {
    Target::Zone(format!("z{number}.example.com").parse().expect("a zone"))
}

#[tokio::test(start_paused = true)]
async fn what_drifted_is_ensured_again_and_told() {
    let node = Node::boot();
    node.push(&[zone(1), zone(2)]);
    node.converged(&[zone(1), zone(2)]).await;
    node.fake.drift(target(1));
    pass(SWEEPS).await;
    assert_eq!(node.fake.of("zone z1.example.com").len(), 2);
    assert_eq!(node.fake.of("zone z2.example.com").len(), 1, "the other is left alone");
    let events = node.events();
    assert_eq!((events.len(), events[0].reason.as_str()), (1, "DriftRepaired"));
    assert_eq!(events[0].object, Some(key(&zone(1))));
    assert_eq!(events[0].differences[0].found, "another");
    assert_eq!(node.report(key(&zone(1))).map(|report| report.state.word()), Some("converged"));
}

#[tokio::test(start_paused = true)]
async fn what_is_ensured_as_ever_is_no_event() {
    let node = Node::boot();
    node.push(&[zone(1)]);
    node.converged(&[zone(1)]).await;
    pass(Duration::from_secs(3 * 3600)).await;
    assert!(node.fake.of("zone z1.example.com").len() > 1);
    assert_eq!(node.events(), []);
}

#[tokio::test(start_paused = true)]
async fn shared_configuration_is_repaired_too() {
    let node = Node::boot();
    node.push(&[zone(1)]);
    node.converged(&[zone(1)]).await;
    node.fake.drift(Target::Base(NodeRole::Dns));
    pass(SWEEPS).await;
    assert_eq!(node.fake.of("base dns").len(), 2);
    assert_eq!(node.events()[0].object, None);
}

#[tokio::test(start_paused = true)]
async fn who_insists_is_answered_ever_more_slowly_and_never_given_up() {
    let node = Node::boot();
    node.push(&[zone(1)]);
    node.converged(&[zone(1)]).await;
    for _ in 0..120 {
        if node.fake.of("zone z1.example.com").len() < 200 {
            node.fake.drift(target(1));
        }
        pass(Duration::from_secs(5)).await;
    }
    let calls = node.fake.of("zone z1.example.com");
    let waits: Vec<_> = calls.windows(2).map(|pair| pair[1].begun - pair[0].begun).collect();
    assert!(calls.len() < 30, "{} repairs in ten minutes", calls.len());
    assert!(waits.iter().skip(1).all(|wait| *wait <= Duration::from_secs(66)), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_object_keeps_its_own_pace_whatever_a_sweep_says() {
    let node = Node::boot();
    node.push(&[zone(1)]);
    node.converged(&[zone(1)]).await;
    node.fake.fail("zone z1.example.com", "check", false);
    for _ in 0..60 {
        node.fake.drift(target(1));
        pass(Duration::from_secs(5)).await;
    }
    assert_eq!(node.fake.of("zone z1.example.com").len(), 2);
    assert_eq!(node.events().iter().filter(|event| event.reason == "RepairFailed").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_of_the_executor_everything_is_ensured_again() {
    let node = Node::boot();
    node.push(&[zone(1), zone(2)]);
    node.converged(&[zone(1), zone(2)]).await;
    pass(SWEEPS).await;
    node.fake.restart();
    pass(SWEEPS).await;
    for text in ["base dns", "zone z1.example.com", "zone z2.example.com"] {
        assert_eq!(node.fake.of(text).len(), 2, "{text}");
    }
}
