//! How many decisions a second one core makes on a fleet of 5,000 nodes, with all that a decision reads: pools,
//! availability zones, labels, limits, a tenant with accounts on 500 nodes, and heartbeats that come in meanwhile.
//! `make bench` runs it.

use std::time::Duration;

use npanel_model::{
    Amounts, Limit, Megabytes, NodeId, NodeLimits, NodeRole, Overcommit, Part, Strategy, Timestamp,
};
use npanel_placement::{Apart, Carries, Fleet, Heard, NodeView, PartReport, Promise, Request, Runtime};

const NODES: u16 = 5_000;
const TARGET: f64 = 10_000.0;
const SPAN: Duration = Duration::from_secs(3);
/// Each node is heard every two seconds.
const HEARD_PER_SECOND: f64 = NODES as f64 / 2.0;

fn id(number: u16) -> NodeId {
    let mut bytes = [0; 16];
    bytes[14..].copy_from_slice(&number.to_be_bytes());
    NodeId::from_bytes(&bytes).expect("sixteen bytes")
}

fn heard(number: u16) -> Heard {
    let disk_free = Megabytes(100_000 + u64::from(number));
    Heard { at: Timestamp::from_millis(1_000), disk_free, has_leftovers: false }
}

fn view(number: u16) -> NodeView {
    let text = |what: &str, of: u16| format!("{what}{}", number % of);
    NodeView {
        id: id(number),
        name: format!("n{number}").parse().expect("a name"),
        roles: vec![NodeRole::Web, NodeRole::Database],
        missing: Vec::new(),
        pool: text("pool", 4).parse().expect("a pool"),
        availability_zone: Some(text("zone-", 3).parse().expect("a zone")),
        labels: vec![
            text("rack=r", 200).parse().expect("a label"),
            text("disk=d", 3).parse().expect("a label"),
        ],
        php_versions: vec!["8.2".parse().expect("a version"), "8.4".parse().expect("a version")],
        schedulable: !number.is_multiple_of(50),
        limits: NodeLimits {
            accounts: Limit::AtMost(500),
            disk: Megabytes(2_000_000),
            disk_overcommit: 150.try_into().expect("a percentage"),
            memory: Megabytes(64_000),
            memory_overcommit: Overcommit::NONE,
        },
        reserved: Amounts {
            accounts: u64::from(number % 450),
            disk: Megabytes(u64::from(number % 450) * 4_000),
            memory: Megabytes(u64::from(number % 450) * 100),
        },
        carries: Carries { web: u64::from(number % 450), database: u64::from(number % 450), zones: 0 },
    }
}

fn request(near: Option<NodeId>) -> Request {
    Request {
        runtime: Runtime::Php("8.2".parse().expect("a version")),
        amounts: Amounts::account(Megabytes(4_000), Megabytes(100)),
        disk_free: Megabytes(4_000),
        near,
        apart: Apart { tenant_on: (0..500).map(|number| (id(number * 10), 2)).collect(), ..Apart::default() },
        ..Request::new(NodeRole::Web, Strategy::Spread, Timestamp::from_millis(500))
    }
}

/// How long this program's one thread has been on a processor (proc(5), schedstat): on a busy machine, what it would
/// do on a core of its own.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("a Linux kernel");
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok()).expect("a number first");
    Duration::from_nanos(nanoseconds)
}

fn main() {
    let mut fleet = Fleet::default();
    for number in 0..NODES {
        fleet.set(view(number));
        fleet.hear(id(number), Some(heard(number)));
    }
    let open = request(None);
    let mut narrow = request(Some(id(77)));
    narrow.wish.labels = vec!["disk=d1".parse().expect("a label")];
    println!("Decisions on {NODES} nodes, on one core:");
    let mut worst = f64::MAX;
    for (what, request, kept) in [
        ("any node", &open, false),
        ("of a label", &narrow, false),
        ("any node, and the report", &open, true),
    ] {
        let rate = rate(&mut fleet, request, kept);
        worst = worst.min(rate);
        println!("  {what:<28} {rate:>9.0}/s   {:.2} of the target of {TARGET}/s", rate / TARGET);
    }
    println!("  {}", if worst >= TARGET { "target reached" } else { "target missed" });
}

/// Decides again and again: each is promised, and settled when the next is made; heartbeats come in as they would.
fn rate(fleet: &mut Fleet, request: &Request, kept: bool) -> f64 {
    let begun = on_cpu();
    let (mut made, mut beats) = (0_u32, 0.0);
    while on_cpu() - begun < SPAN {
        let decision = fleet.place(request);
        if kept {
            let report = PartReport::kept(Part::Web, fleet, request, &decision);
            assert!(!report.verdicts.nodes.is_empty());
        }
        let node = decision.node().expect("a node that fits");
        let promise = Promise { node, role: NodeRole::Web, amounts: request.amounts };
        fleet.promise(&promise);
        fleet.settle(&promise);
        made += 1;
        let due = (on_cpu() - begun).as_secs_f64() * HEARD_PER_SECOND;
        while beats < due {
            let number = (beats as u64 % u64::from(NODES)) as u16;
            fleet.hear(id(number), Some(heard(number)));
            beats += 1.0;
        }
    }
    f64::from(made) / (on_cpu() - begun).as_secs_f64()
}
