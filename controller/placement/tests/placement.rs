//! What placement promises, for every fleet.

use npanel_model::{
    Amounts, AntiAffinity, Megabytes, NodeId, NodeLimits, NodeRole, Overcommit, Overselling, Part, Strategy,
    Timestamp,
};
use npanel_placement::{
    Apart, Carries, Filter, Fleet, Heard, NodeView, PartReport, Promise, Reason, Report, Request, Runtime,
    Verdict, Wish, ZONE_NODES, words,
};
use proptest::{prelude::*, strategy::Strategy as _};

const NOW: i64 = 1_000_000;

/// A node and whether it is connected, with how much free disk space.
type Known = (NodeView, Option<u64>);

fn node(number: u8, carries: u64, disk_free: u64) -> Known {
    let view = NodeView {
        id: id(number),
        name: format!("n{number}").parse().expect("a name"),
        roles: vec![NodeRole::Web, NodeRole::Database, NodeRole::Dns],
        missing: Vec::new(),
        pool: "default".parse().expect("a pool"),
        availability_zone: None,
        labels: Vec::new(),
        php_versions: vec!["8.2".parse().expect("a version")],
        schedulable: true,
        limits: NodeLimits {
            accounts: npanel_model::Limit::Unlimited,
            disk: Megabytes(0),
            disk_overcommit: Overcommit::NONE,
            memory: Megabytes(0),
            memory_overcommit: Overcommit::NONE,
        },
        reserved: Amounts::default(),
        carries: Carries { web: carries, database: carries, zones: carries },
    };
    (view, Some(disk_free))
}

fn with(mut node: Known, change: impl FnOnce(&mut NodeView)) -> Known {
    change(&mut node.0);
    node
}

fn in_zone(node: Known, zone: &str) -> Known {
    with(node, |view| view.availability_zone = Some(zone.parse().expect("a zone")))
}

fn id(number: u8) -> NodeId {
    let mut bytes = [0; 16];
    bytes[15] = number;
    NodeId::from_bytes(&bytes).expect("sixteen bytes")
}

fn heard(disk_free: u64) -> Heard {
    let disk_free = Megabytes(disk_free);
    Heard { at: Timestamp::from_millis(NOW), disk_free, has_leftovers: false }
}

fn fleet(nodes: &[Known]) -> Fleet {
    let mut fleet = Fleet::default();
    for (view, disk_free) in nodes {
        fleet.set(view.clone());
        fleet.hear(view.id, disk_free.map(heard));
    }
    fleet
}

fn request(role: NodeRole, disk: u64) -> Request {
    let amounts = Amounts::account(Megabytes(disk), Megabytes(0));
    let heard_since = Timestamp::from_millis(NOW - 1);
    Request { amounts, disk_free: Megabytes(disk), ..Request::new(role, Strategy::Spread, heard_since) }
}

fn web(disk: u64) -> Request {
    Request { runtime: Runtime::Php("8.2".parse().expect("a version")), ..request(NodeRole::Web, disk) }
}

fn chosen(nodes: &[Known], request: &Request) -> Option<NodeId> {
    fleet(nodes).place(request).node()
}

fn said(nodes: &[Known], request: &Request) -> String {
    let fleet = fleet(nodes);
    words(&fleet.judge(request, &fleet.place(request)))
}

#[test]
fn the_node_that_carries_least_is_chosen() {
    assert_eq!(
        said(&[node(1, 5, 100), node(2, 3, 100), node(3, 4, 900)], &web(10)),
        "n2 is chosen (carries 3, 0 % full, 100 MB free); n3 carries 4 already, the best one 3; \
         n1 carries 5 already, the best one 3"
    );
}

#[test]
fn a_node_with_leftovers_gets_neither_accounts_nor_zones_and_says_why() {
    let nodes = [node(1, 5, 100), node(2, 3, 100)];
    let mut fleet = fleet(&nodes);
    fleet.hear(id(2), Some(Heard { has_leftovers: true, ..heard(100) }));
    let decision = fleet.place(&web(10));
    assert_eq!((decision.node(), decision.refused_by(Filter::Leftovers)), (Some(id(1)), 1));
    let said = words(&fleet.judge(&web(10), &decision));
    assert!(said.contains("n2 has leftovers of another node"), "{said}");
    assert_eq!(fleet.place_zone(&request(NodeRole::Dns, 0)).nodes().collect::<Vec<_>>(), [id(1)]);
    fleet.hear(id(2), Some(heard(100)));
    assert_eq!(fleet.place(&web(10)).node(), Some(id(2)));
}

#[test]
fn the_fullest_that_fits_is_chosen_where_nodes_are_to_be_filled() {
    let full = |number, accounts| {
        with(node(number, accounts, 100), |view| {
            view.limits.accounts = npanel_model::Limit::AtMost(10);
            view.reserved.accounts = accounts;
        })
    };
    let nodes = [full(1, 2), full(2, 9), full(3, 10), full(4, 5)];
    let packed = Request { strategy: Strategy::BinPack, ..web(10) };
    assert_eq!(chosen(&nodes, &packed), Some(id(2)));
    assert_eq!(chosen(&nodes, &web(10)), Some(id(1)));
    assert!(said(&nodes, &packed).contains("n4 is 50 % full, the best one 90 %"));
}

#[test]
fn the_other_part_draws_the_account_together() {
    let request = Request { near: Some(id(1)), ..request(NodeRole::Database, 10) };
    let nodes = [node(1, 50, 100), node(2, 0, 100)];
    assert_eq!(chosen(&nodes, &request), Some(id(1)));
    assert_eq!(chosen(&nodes[1..], &request), Some(id(2)));
}

#[test]
fn a_tenants_accounts_keep_apart_as_far_as_they_can() {
    let nodes = [in_zone(node(1, 0, 100), "a"), in_zone(node(2, 0, 100), "a"), in_zone(node(3, 9, 100), "b")];
    let apart = |on: &[(u8, u64)], anti_affinity| Request {
        apart: Apart { anti_affinity, tenant_on: on.iter().map(|(n, count)| (id(*n), *count)).collect() },
        ..web(10)
    };
    let preferred = |on: &[(u8, u64)]| apart(on, AntiAffinity::Preferred);
    assert_eq!(chosen(&nodes, &preferred(&[(1, 1)])), Some(id(3)), "another zone first");
    assert_eq!(chosen(&nodes, &preferred(&[(1, 1), (3, 2)])), Some(id(2)), "then another node");
    assert_eq!(chosen(&nodes[..1], &preferred(&[(1, 1)])), Some(id(1)), "but somewhere");
    let required = apart(&[(1, 1), (3, 2)], AntiAffinity::Required);
    assert_eq!(chosen(&nodes, &required), Some(id(2)));
    assert_eq!(
        said(&nodes[..1], &required),
        "n1 has 1 of the tenant's accounts, and the plan keeps them apart"
    );
}

#[test]
fn every_filter_says_why() {
    let nodes = [
        with(node(1, 0, 100), |view| view.roles = vec![NodeRole::Dns]),
        with(node(2, 0, 100), |view| view.missing = vec![(NodeRole::Web, "no PHP".into())]),
        with(node(3, 0, 100), |view| view.pool = "ssd".parse().expect("a pool")),
        with(node(4, 0, 100), |view| view.availability_zone = Some("b".parse().expect("a zone"))),
        node(5, 0, 100),
        in_zone(node(6, 0, 100), "a"),
        with(in_zone(node(7, 0, 100), "a"), |view| view.labels = vec!["gpu=no".parse().expect("a label")]),
        node(8, 0, 100),
        node(9, 0, 100),
        node(10, 0, 100),
        node(11, 0, 100),
        node(12, 0, 100),
        node(13, 0, 100),
        node(14, 0, 9),
    ];
    let mut nodes = nodes.map(|known| known);
    for known in &mut nodes[7..] {
        known.0.availability_zone = Some("a".parse().expect("a zone"));
        known.0.labels = vec!["disk=nvme".parse().expect("a label")];
    }
    nodes[8].0.php_versions.clear();
    nodes[9].1 = None;
    nodes[10].0.schedulable = false;
    nodes[11].0.limits.accounts = npanel_model::Limit::AtMost(7);
    nodes[11].0.reserved.accounts = 7;
    nodes[12].0.limits.disk = Megabytes(100);
    nodes[12].0.reserved.disk = Megabytes(95);
    let request = Request {
        wish: Wish {
            node: None,
            pool: Some("default".parse().expect("a pool")),
            availability_zone: Some("a".parse().expect("a zone")),
            labels: vec!["disk=nvme".parse().expect("a label")],
        },
        avoid: vec![id(8)],
        ..web(10)
    };
    assert_eq!(
        said(&nodes, &request),
        "n1 does not have the role web (has dns); n2 cannot fill the role web (no PHP); \
         n3 is not in the pool default (is in ssd); n4 is not in the availability zone a (is in b); \
         n5 is not known to be in the availability zone a; n6 does not have the label disk=nvme; \
         n7 does not have the label disk=nvme; n8 is excluded by the request; \
         n9 does not have PHP 8.2 (has none); n10 is not connected; n11 is cordoned: it gets nothing new; \
         n12 is full (has 7 of 7 accounts); \
         n13 has too little disk space left to promise (needs 10 MB, 95 MB of 100 MB reserved); \
         n14 has too little free disk space (needs 10 MB, 9 MB free)"
    );
    assert_eq!(said(&[], &request), "there are no nodes");
    let named = Request { wish: Wish { node: Some(id(2)), ..Wish::default() }, ..web(10) };
    assert_eq!(chosen(&[node(1, 0, 100), node(2, 7, 100)], &named), Some(id(2)));
    assert_eq!(said(&[node(1, 0, 100)], &named), "n1 is not the node that was asked for");
}

#[test]
fn a_tenant_that_may_oversell_gets_more_than_is_there() {
    let nodes = [with(node(1, 0, 100), |view| {
        view.limits.disk = Megabytes(1000);
        view.limits.disk_overcommit = 200.try_into().expect("a percentage");
        view.reserved.disk = Megabytes(1000);
    })];
    assert_eq!(chosen(&nodes, &web(10)), None);
    assert_eq!(chosen(&nodes, &Request { overselling: Overselling::Allowed, ..web(10) }), Some(id(1)));
}

#[test]
fn what_is_promised_counts_until_it_is_settled() {
    let one_left =
        |number| with(node(number, 0, 100), |view| view.limits.accounts = npanel_model::Limit::AtMost(1));
    let mut fleet = fleet(&[one_left(1), one_left(2)]);
    let promise = |node| Promise { node, role: NodeRole::Web, amounts: web(10).amounts };
    let first = fleet.place(&web(10)).node().expect("a node");
    fleet.promise(&promise(first));
    let second = fleet.place(&web(10)).node().expect("another node");
    assert_ne!(first, second);
    fleet.promise(&promise(second));
    assert_eq!(fleet.place(&web(10)).node(), None);
    fleet.settle(&promise(first));
    assert_eq!(fleet.place(&web(10)).node(), Some(first));
}

#[test]
fn a_zone_gets_two_nodes_or_as_many_as_there_are() {
    let request = request(NodeRole::Dns, 0);
    let nodes = [node(1, 9, 1), node(2, 1, 1), node(3, 2, 1)];
    for (nodes, expected) in [(&nodes[..], vec![id(2), id(3)]), (&nodes[..1], vec![id(1)]), (&[], vec![])] {
        assert_eq!(fleet(nodes).place_zone(&request).nodes().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn the_nodes_of_a_zone_stand_apart_where_they_can() {
    let request = request(NodeRole::Dns, 0);
    let nodes = [
        in_zone(node(1, 1, 1), "a"),
        in_zone(node(2, 2, 1), "a"),
        in_zone(node(3, 9, 1), "b"),
        node(4, 3, 1),
    ];
    let fleet_of_four = fleet(&nodes);
    let decision = fleet_of_four.place_zone(&request);
    assert_eq!(decision.nodes().collect::<Vec<_>>(), [id(1), id(3)]);
    assert!(
        words(&fleet_of_four.judge(&request, &decision))
            .contains("n2 is not known to be in another availability zone than the first that was chosen")
    );
    assert_eq!(fleet(&nodes[..2]).place_zone(&request).nodes().collect::<Vec<_>>(), [id(1), id(2)]);
}

#[test]
fn the_report_is_json_for_the_api() {
    let fleet = fleet(&[node(1, 0, 100), node(2, 1, 100)]);
    let report = Report {
        parts: vec![PartReport::kept(Part::Web, &fleet, &web(10), &fleet.place(&web(10)))],
        zone: None,
    };
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!(
        json,
        serde_json::json!({"parts": [{"part": "web", "chosen": id(1).to_string(), "nodes": [
            {"node_id": id(1).to_string(), "name": "n1", "verdict": "chosen",
             "reason": "carries 0, 0 % full, 100 MB free"},
            {"node_id": id(2).to_string(), "name": "n2", "verdict": "fits",
             "reason": "carries 1 already, the best one 0"},
        ]}]})
    );
    let read: npanel_sdk_types::PlacementReport = serde_json::from_value(json).expect("the wire type");
    assert_eq!(read.parts[0].chosen, Some(id(1)));
}

#[test]
fn what_is_kept_of_a_large_fleet_is_short_and_counts_every_node() {
    let mut nodes: Vec<Known> = (0..100).map(|number| node(number, u64::from(number), 100)).collect();
    for known in &mut nodes[60..] {
        known.0.schedulable = false;
    }
    let fleet = fleet(&nodes);
    let report = PartReport::kept(Part::Web, &fleet, &web(10), &fleet.place(&web(10)));
    assert_eq!(report.verdicts.nodes.len(), 10);
    assert_eq!(report.verdicts.nodes[0].verdict, "chosen");
    let others: Vec<_> = report.verdicts.others.iter().map(|others| (others.reason, others.nodes)).collect();
    assert_eq!(others, [("not_the_best", 50), ("cordoned", 40)]);
    let json = serde_json::to_value(Report { parts: vec![report], zone: None }).expect("JSON");
    let read: npanel_sdk_types::PlacementReport = serde_json::from_value(json).expect("the wire type");
    assert_eq!(read.parts[0].others.len(), 2);
    let whole = PartReport::whole(Part::Web, &fleet, &web(10), &fleet.place(&web(10)));
    assert_eq!(whole.verdicts.nodes.len(), 100);
}

prop_compose! {
    fn any_node(number: u8)(
        roles in prop::sample::subsequence(NodeRole::ALL.to_vec(), 0..=NodeRole::ALL.len()),
        missing in prop::sample::subsequence(NodeRole::ALL.to_vec(), 0..=1),
        disk in 0..200u64,
        state in 0..4,
        pool in prop::sample::select(vec!["default", "ssd"]),
        zone in prop::option::of(prop::sample::select(vec!["a", "b"])),
        labels in prop::sample::subsequence(vec!["x=1", "x=2", "y=1"], 0..=3),
        php in prop::sample::subsequence(vec!["7.4", "8.2", "8.3"], 0..=3),
        carries in 0..5u64,
        slots in prop::option::of(0..5u64),
        (total, overcommit, reserved) in (0..300u64, 50..200u64, 0..300u64),
    ) -> Known {
        let heard = (state != 0).then_some(disk);
        let (view, _) = node(number, carries, disk);
        let parsed = |zone: &str| zone.parse().expect("a zone");
        let view = NodeView {
            roles,
            missing: missing.into_iter().map(|role| (role, "gone".to_owned())).collect(),
            schedulable: state != 1,
            pool: pool.parse().expect("a pool"),
            availability_zone: zone.map(parsed),
            labels: labels.iter().map(|text| text.parse().expect("a label")).collect(),
            php_versions: php.iter().map(|text| text.parse().expect("a version")).collect(),
            limits: NodeLimits {
                accounts: slots.into(),
                disk: Megabytes(total),
                disk_overcommit: overcommit.try_into().expect("a percentage"),
                ..view.limits
            },
            reserved: Amounts { accounts: carries, disk: Megabytes(reserved), memory: Megabytes(0) },
            ..view
        };
        (view, heard)
    }
}

fn any_fleet() -> impl prop::strategy::Strategy<Value = Vec<Known>> {
    (0..8u8).prop_flat_map(|count| (0..count).map(any_node).collect::<Vec<_>>())
}

prop_compose! {
    fn any_request()(
        role in prop::sample::select(NodeRole::ALL.to_vec()),
        php in prop::option::of(prop::sample::select(vec!["7.4", "8.2"])),
        disk in 0..150u64,
        pool in prop::option::of(prop::sample::select(vec!["default", "ssd"])),
        zone in prop::option::of(prop::sample::select(vec!["a", "c"])),
        labels in prop::sample::subsequence(vec!["x=1", "y=1"], 0..=2),
        avoid in prop::collection::vec(0..8u8, 0..3),
        near in prop::option::of(0..8u8),
        (packed, required, oversell) in any::<(bool, bool, bool)>(),
        tenant_on in prop::collection::vec((0..8u8, 1..3u64), 0..4),
    ) -> Request {
        Request {
            runtime: php.map_or(Runtime::Any, |text| Runtime::Php(text.parse().expect("a version"))),
            wish: Wish {
                node: None,
                pool: pool.map(|text| text.parse().expect("a pool")),
                availability_zone: zone.map(|text| text.parse().expect("a zone")),
                labels: labels.iter().map(|text| text.parse().expect("a label")).collect(),
            },
            avoid: avoid.into_iter().map(id).collect(),
            near: near.map(id),
            strategy: if packed { Strategy::BinPack } else { Strategy::Spread },
            overselling: if oversell { Overselling::Allowed } else { Overselling::Forbidden },
            apart: Apart {
                anti_affinity: if required { AntiAffinity::Required } else { AntiAffinity::Preferred },
                tenant_on: tenant_on.into_iter().map(|(node, count)| (id(node), count)).collect(),
            },
            ..request(role, disk)
        }
    }
}

/// The filters, written a second time and otherwise.
fn fits((node, heard): &Known, request: &Request) -> bool {
    let runtime = match &request.runtime {
        Runtime::Any => true,
        Runtime::Php(version) => node.php_versions.iter().any(|has| has == version),
    };
    // The account has its share there.
    let is_together = request.near == Some(node.id);
    let alone = is_together
        || request.apart.anti_affinity == AntiAffinity::Preferred
        || !request.apart.tenant_on.iter().any(|(on, _)| *on == node.id);
    let wish = &request.wish;
    runtime
        && alone
        && heard.is_some_and(|free| is_together || Megabytes(free) >= request.disk_free)
        && node.schedulable
        && (is_together
            || node.limits.shortage(&node.reserved, &request.amounts, request.overselling).is_none())
        && node.roles.contains(&request.role)
        && !node.missing.iter().any(|(role, _)| *role == request.role)
        && wish.pool.as_ref().is_none_or(|pool| *pool == node.pool)
        && wish.availability_zone.as_ref().is_none_or(|zone| node.availability_zone.as_ref() == Some(zone))
        && wish.labels.iter().all(|label| node.labels.contains(label))
        && !request.avoid.contains(&node.id)
}

proptest! {
    #[test]
    fn the_order_and_the_past_of_the_nodes_do_not_matter(
        (nodes, shuffled) in any_fleet().prop_flat_map(|nodes| (Just(nodes.clone()), Just(nodes).prop_shuffle())),
        request in any_request(),
        others in any_fleet(),
    ) {
        let one = fleet(&nodes);
        // Nodes that were otherwise, were there, and went.
        let mut other = fleet(&others);
        for (view, _) in &others {
            if !shuffled.iter().any(|(kept, _)| kept.id == view.id) {
                other.remove(view.id);
            }
        }
        for (view, disk_free) in &shuffled {
            other.set(view.clone());
            other.hear(view.id, disk_free.map(heard));
        }
        let ids = |decision: npanel_placement::Decision| decision.nodes().collect::<Vec<_>>();
        prop_assert_eq!(ids(one.place(&request)), ids(other.place(&request)));
        prop_assert_eq!(ids(one.place_zone(&request)), ids(other.place_zone(&request)));
        let (first, second) = (one.place(&request), other.place(&request));
        prop_assert_eq!(one.judge(&request, &first), other.judge(&request, &second));
    }

    #[test]
    fn a_node_that_fails_a_filter_is_never_chosen(nodes in any_fleet(), request in any_request()) {
        let able: Vec<NodeId> = nodes.iter().filter(|node| fits(node, &request)).map(|node| node.0.id).collect();
        let fleet = fleet(&nodes);
        let chosen = fleet.place(&request).node();
        prop_assert_eq!(chosen.is_some(), !able.is_empty());
        prop_assert!(chosen.is_none_or(|node| able.contains(&node)));
        let zone: Vec<NodeId> = fleet.place_zone(&request).nodes().collect();
        prop_assert_eq!(zone.len(), able.len().min(ZONE_NODES));
        prop_assert!(zone.iter().all(|node| able.contains(node)));
        prop_assert!(zone.iter().enumerate().all(|(at, node)| !zone[..at].contains(node)));
    }

    #[test]
    fn every_node_has_one_verdict(nodes in any_fleet(), request in any_request()) {
        let fleet = fleet(&nodes);
        let decision = fleet.place(&request);
        let verdicts = fleet.judge(&request, &decision);
        let mut judged: Vec<NodeId> = verdicts.iter().map(|judged| judged.node).collect();
        judged.sort();
        let mut all: Vec<NodeId> = nodes.iter().map(|node| node.0.id).collect();
        all.sort();
        prop_assert_eq!(judged, all);
        for judged in &verdicts {
            let able = nodes.iter().any(|node| node.0.id == judged.node && fits(node, &request));
            prop_assert_eq!(able, !matches!(judged.verdict, Verdict::Filtered(_)));
            prop_assert!(judged.verdict != Verdict::Filtered(Reason::NotNamed), "a filter without its reason");
        }
    }
}
