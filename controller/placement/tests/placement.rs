//! What placement promises, for every fleet.

use npanel_model::{Limit, Megabytes, NodeId, NodeRole, Part};
use npanel_placement::{
    Availability, NodeView, PartReport, Placement, Reason, Report, Request, Runtime, Verdict, ZONE_NODES,
    ZonePlacement, place, place_zone,
};
use proptest::prelude::*;

fn node(number: u8, carries: u64, disk_free: u64) -> NodeView {
    NodeView {
        id: id(number),
        name: format!("n{number}").parse().expect("a name"),
        roles: vec![NodeRole::Web, NodeRole::Database, NodeRole::Dns],
        availability: Availability::Ready { disk_free: Megabytes(disk_free) },
        pool: "default".parse().expect("a pool"),
        php_versions: vec!["8.2".parse().expect("a version")],
        carries,
        slots: Limit::Unlimited,
    }
}

fn id(number: u8) -> NodeId {
    let mut bytes = [0; 16];
    bytes[15] = number;
    NodeId::from_bytes(&bytes).expect("sixteen bytes")
}

fn web(disk: u64) -> Request {
    Request {
        runtime: Runtime::Php("8.2".parse().expect("a version")),
        ..Request::new(NodeRole::Web, Megabytes(disk))
    }
}

fn chosen(placement: &Placement) -> Option<NodeId> {
    match placement {
        Placement::Placed { node, .. } => Some(*node),
        Placement::Refused { .. } => None,
    }
}

#[test]
fn the_node_that_carries_least_is_chosen() {
    let placement = place(&[node(1, 5, 100), node(2, 3, 100), node(3, 4, 900)], &web(10));
    assert_eq!(chosen(&placement), Some(id(2)));
    assert_eq!(
        placement.to_string(),
        "n2 is chosen (carries 3, 100 MB free); n3 carries 4 already, the best one 3; n1 carries 5 already, the best one 3"
    );
}

#[test]
fn the_other_part_draws_the_account_together() {
    let request = Request { near: Some(id(1)), ..Request::new(NodeRole::Database, Megabytes(10)) };
    let nodes = [node(1, 50, 100), node(2, 0, 100)];
    assert_eq!(chosen(&place(&nodes, &request)), Some(id(1)));
    assert_eq!(chosen(&place(&nodes[1..], &request)), Some(id(2)));
}

#[test]
fn every_filter_says_why() {
    let nodes = [
        NodeView { roles: vec![NodeRole::Dns], ..node(1, 0, 100) },
        NodeView { pool: "ssd".parse().expect("a pool"), ..node(2, 0, 100) },
        node(3, 0, 100),
        NodeView { php_versions: vec![], ..node(4, 0, 100) },
        NodeView { availability: Availability::Unreachable, ..node(5, 0, 100) },
        NodeView { availability: Availability::Draining, ..node(6, 0, 100) },
        NodeView { slots: Limit::AtMost(7), ..node(7, 7, 100) },
        node(8, 0, 9),
    ];
    let request = Request { pool: Some("default".parse().expect("a pool")), avoid: vec![id(3)], ..web(10) };
    let placement = place(&nodes, &request);
    assert_eq!(chosen(&placement), None);
    assert_eq!(
        placement.to_string(),
        "n1 does not have the role web (has dns); n2 is not in the pool default (is in ssd); \
         n3 is excluded by the request; n4 does not have PHP 8.2 (has none); n5 is not connected; \
         n6 is being drained; n7 is full (carries 7 of 7); \
         n8 has too little disk space (needs 10 MB, 9 MB free)"
    );
    assert_eq!(place(&[], &request).to_string(), "there are no nodes");
}

#[test]
fn a_zone_gets_two_nodes_or_as_many_as_there_are() {
    let request = Request::new(NodeRole::Dns, Megabytes(0));
    let fleet = [node(1, 9, 1), node(2, 1, 1), node(3, 2, 1)];
    for (nodes, expected) in [(&fleet[..], vec![id(2), id(3)]), (&fleet[..1], vec![id(1)])] {
        match place_zone(nodes, &request) {
            ZonePlacement::Placed { nodes, .. } => assert_eq!(nodes, expected),
            refused => panic!("{refused}"),
        }
    }
    assert!(matches!(place_zone(&[], &request), ZonePlacement::Refused { .. }));
}

#[test]
fn the_report_is_json_for_the_api() {
    let placement = place(&[node(1, 0, 100), node(2, 1, 100)], &web(10));
    let report = Report { parts: vec![PartReport::new(Part::Web, &placement)] };
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!(
        json,
        serde_json::json!({"parts": [{"part": "web", "chosen": id(1).to_string(), "nodes": [
            {"node_id": id(1).to_string(), "name": "n1", "verdict": "chosen", "reason": "carries 0, 100 MB free"},
            {"node_id": id(2).to_string(), "name": "n2", "verdict": "fits",
             "reason": "carries 1 already, the best one 0"},
        ]}]})
    );
    let read: npanel_sdk_types::PlacementReport = serde_json::from_value(json).expect("the wire type");
    assert_eq!(read.parts[0].chosen, Some(id(1)));
}

prop_compose! {
    fn any_node(number: u8)(
        roles in prop::sample::subsequence(NodeRole::ALL.to_vec(), 0..=NodeRole::ALL.len()),
        disk in 0..200u64,
        state in 0..4,
        pool in prop::sample::select(vec!["default", "ssd"]),
        php in prop::sample::subsequence(vec!["7.4", "8.2", "8.3"], 0..=3),
        carries in 0..5u64,
        slots in prop::option::of(0..5u64),
    ) -> NodeView {
        let availability = match state {
            0 => Availability::Unreachable,
            1 => Availability::Draining,
            _ => Availability::Ready { disk_free: Megabytes(disk) },
        };
        NodeView {
            roles,
            availability,
            pool: pool.parse().expect("a pool"),
            php_versions: php.iter().map(|text| text.parse().expect("a version")).collect(),
            carries,
            slots: slots.into(),
            ..node(number, 0, 0)
        }
    }
}

fn any_fleet() -> impl Strategy<Value = Vec<NodeView>> {
    (0..8u8).prop_flat_map(|count| (0..count).map(any_node).collect::<Vec<_>>())
}

prop_compose! {
    fn any_request()(
        role in prop::sample::select(NodeRole::ALL.to_vec()),
        php in prop::option::of(prop::sample::select(vec!["7.4", "8.2"])),
        disk in 0..150u64,
        pool in prop::option::of(prop::sample::select(vec!["default", "ssd"])),
        avoid in prop::collection::vec(0..8u8, 0..3),
        near in prop::option::of(0..8u8),
    ) -> Request {
        Request {
            runtime: php.map_or(Runtime::Any, |text| Runtime::Php(text.parse().expect("a version"))),
            pool: pool.map(|text| text.parse().expect("a pool")),
            avoid: avoid.into_iter().map(id).collect(),
            near: near.map(id),
            ..Request::new(role, Megabytes(disk))
        }
    }
}

/// The filters, written a second time and otherwise.
fn fits(node: &NodeView, request: &Request) -> bool {
    let free = match node.availability {
        Availability::Ready { disk_free } => disk_free,
        _ => return false,
    };
    let runtime = match &request.runtime {
        Runtime::Any => true,
        Runtime::Php(version) => node.php_versions.iter().any(|has| has == version),
    };
    let slots = match node.slots {
        Limit::Unlimited => true,
        Limit::AtMost(most) => node.carries < most,
    };
    runtime
        && slots
        && free >= request.disk
        && node.roles.contains(&request.role)
        && request.pool.as_ref().is_none_or(|pool| *pool == node.pool)
        && !request.avoid.contains(&node.id)
}

proptest! {
    #[test]
    fn the_order_of_the_nodes_does_not_matter(
        (fleet, shuffled) in any_fleet().prop_flat_map(|fleet| (Just(fleet.clone()), Just(fleet).prop_shuffle())),
        request in any_request(),
    ) {
        prop_assert_eq!(place(&fleet, &request), place(&shuffled, &request));
        prop_assert_eq!(place_zone(&fleet, &request), place_zone(&shuffled, &request));
    }

    #[test]
    fn a_node_that_fails_a_filter_is_never_chosen(fleet in any_fleet(), request in any_request()) {
        let able: Vec<NodeId> = fleet.iter().filter(|node| fits(node, &request)).map(|node| node.id).collect();
        match place(&fleet, &request) {
            Placement::Placed { node, .. } => prop_assert!(able.contains(&node)),
            Placement::Refused { .. } => prop_assert!(able.is_empty()),
        }
        match place_zone(&fleet, &request) {
            ZonePlacement::Placed { nodes, .. } => {
                prop_assert_eq!(nodes.len(), able.len().min(ZONE_NODES));
                prop_assert!(nodes.iter().all(|node| able.contains(node)));
                prop_assert!(nodes.iter().enumerate().all(|(at, node)| !nodes[..at].contains(node)));
            }
            ZonePlacement::Refused { .. } => prop_assert!(able.is_empty()),
        }
    }

    #[test]
    fn every_node_has_one_verdict(fleet in any_fleet(), request in any_request()) {
        let placement = place(&fleet, &request);
        let mut judged: Vec<NodeId> = placement.verdicts().iter().map(|judged| judged.node).collect();
        judged.sort();
        let mut all: Vec<NodeId> = fleet.iter().map(|node| node.id).collect();
        all.sort();
        prop_assert_eq!(judged, all);
        for judged in placement.verdicts() {
            let able = fleet.iter().any(|node| node.id == judged.node && fits(node, &request));
            prop_assert_eq!(able, !matches!(judged.verdict, Verdict::Filtered(_)));
            prop_assert!(!judged.to_string().is_empty());
        }
        let avoided = placement.verdicts().iter().filter(|judged| judged.verdict == Verdict::Filtered(Reason::Avoided));
        for judged in avoided {
            prop_assert!(request.avoid.contains(&judged.node));
        }
    }
}
