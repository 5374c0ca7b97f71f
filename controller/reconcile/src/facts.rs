//! What a node says of itself, against what is known of it.

use npanel_model::{Megabytes, NodeId};
use npanel_proto::{
    command::{MissingCapability, UpdateNodeFacts},
    node::{self, HelloResponse},
};
use npanel_state::Node;

/// The command that brings the state up to date, if the node says something new.
pub(crate) fn update(id: NodeId, known: &Node, hello: &HelloResponse) -> Option<UpdateNodeFacts> {
    let facts = hello.facts.as_ref()?;
    let texts = |values: &[String]| {
        let mut values = values.to_vec();
        values.sort();
        values.dedup();
        values
    };
    let said = UpdateNodeFacts {
        node_id: id.to_bytes(),
        roles: texts(&facts.roles),
        address: facts.address.clone(),
        os_profile: facts.os_profile.clone(),
        php_versions: texts(&facts.php_versions),
        version: hello.version.clone(),
        availability_zone: facts.availability_zone.clone(),
        labels: texts(&facts.labels),
        disk_mb: told(facts.capacity.map(|capacity| capacity.disk_total_mb), known.limits.disk),
        memory_mb: told(facts.capacity.map(|capacity| capacity.memory_total_mb), known.limits.memory),
        missing: facts.missing.iter().map(missing).collect(),
    };
    let shown = |values: Vec<String>| texts(&values);
    let have = UpdateNodeFacts {
        node_id: id.to_bytes(),
        roles: shown(known.roles.iter().map(ToString::to_string).collect()),
        address: known.address.clone(),
        os_profile: known.os_profile.clone(),
        php_versions: shown(known.php_versions.iter().map(ToString::to_string).collect()),
        version: known.version.clone(),
        availability_zone: known.own_availability_zone.clone(),
        labels: shown(known.own_labels.iter().map(ToString::to_string).collect()),
        disk_mb: known.limits.disk.0,
        memory_mb: known.limits.memory.0,
        missing: known.missing.iter().map(|(role, reason)| command_missing(role.as_str(), reason)).collect(),
    };
    (said != have).then_some(said)
}

fn told(size: Option<u64>, known: Megabytes) -> u64 {
    size.filter(|size| *size > 0).unwrap_or(known.0)
}

/// Whether a node is larger or smaller than it was, by one part in a hundred at least: the size of some file systems
/// wavers with what is on them. A size of 0 was not told.
pub(crate) fn is_another_size(was: node::Capacity, is: node::Capacity) -> bool {
    let differs = |was: u64, is: u64| is > 0 && was.abs_diff(is) > was / 100;
    differs(was.disk_total_mb, is.disk_total_mb) || differs(was.memory_total_mb, is.memory_total_mb)
}

fn missing(wire: &node::MissingCapability) -> MissingCapability {
    command_missing(&wire.role, &wire.reason)
}

fn command_missing(role: &str, reason: &str) -> MissingCapability {
    MissingCapability { role: role.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use npanel_model::{Amounts, Limit, NodeLimits, NodeRole, Overcommit, Timestamp};
    use npanel_proto::node::Facts;
    use npanel_state::NodeLoad;

    fn known() -> Node {
        Node {
            id: NodeId::generate(),
            name: "n1".parse().expect("a name"),
            pool: "default".parse().expect("a pool"),
            roles: vec![NodeRole::Web, NodeRole::Dns],
            address: "10.0.0.1".into(),
            os_profile: "debian-12".into(),
            php_versions: vec!["8.2".parse().expect("a version")],
            version: "0.1.0".into(),
            certificate_expires_at: None,
            availability_zone: None,
            availability_zone_is_set: false,
            own_availability_zone: String::new(),
            labels: Vec::new(),
            own_labels: Vec::new(),
            all_labels: Vec::new(),
            missing: Vec::new(),
            schedulable: true,
            revocation: None,
            limits: NodeLimits {
                accounts: Limit::Unlimited,
                disk: Megabytes(0),
                disk_overcommit: Overcommit::NONE,
                memory: Megabytes(0),
                memory_overcommit: Overcommit::NONE,
            },
            reserved: Amounts::default(),
            load: NodeLoad::default(),
            revision: npanel_model::Revision(1),
            created_at: Timestamp::now(),
        }
    }

    fn said() -> HelloResponse {
        HelloResponse {
            protocol: 1,
            version: "0.1.0".into(),
            facts: Some(Facts {
                roles: vec!["dns".into(), "web".into()],
                address: "10.0.0.1".into(),
                os_profile: "debian-12".into(),
                php_versions: vec!["8.2".into()],
                capacity: None,
                availability_zone: String::new(),
                labels: Vec::new(),
                missing: Vec::new(),
            }),
            fence: None,
        }
    }

    #[test]
    fn what_is_known_is_not_written_again_in_whatever_order_it_is_said() {
        let known = known();
        assert_eq!(update(known.id, &known, &said()), None);
    }

    #[test]
    fn what_is_new_is_written() {
        let known = known();
        let mut hello = said();
        hello.facts.as_mut().expect("facts").address = "10.0.0.2".into();
        assert_eq!(update(known.id, &known, &hello).expect("an update").address, "10.0.0.2");
    }

    #[test]
    fn a_size_that_wavers_is_the_same() {
        let size = |disk_total_mb, memory_total_mb| node::Capacity {
            disk_total_mb,
            memory_total_mb,
            ..node::Capacity::default()
        };
        let was = size(1000, 1000);
        for (is, differs) in [
            (size(1000, 1000), false),
            (size(1010, 990), false),
            (size(1011, 1000), true),
            (size(1000, 2000), true),
            (size(0, 0), false),
        ] {
            assert_eq!(is_another_size(was, is), differs, "{is:?}");
        }
        assert!(is_another_size(size(0, 0), size(1, 0)));
    }
}
