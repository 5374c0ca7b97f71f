//! What a fleet consists of.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::places::FleetName;

/// The fleet to boot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FleetSpec {
    /// Its name; two fleets of different names do not meet.
    pub name: FleetName,
    /// How many controllers (`c1`, `c2`, …); none makes bare nodes that are not enrolled.
    pub controllers: u8,
    /// How many nodes (`n1`, `n2`, …).
    pub nodes: u8,
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A process of `npanel-controller`.
    Controller,
    /// A system in a container.
    Node,
}

/// A controller or a node of a fleet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Member {
    /// `c1` or `n1`, also its host name.
    pub name: String,
    /// Its only address.
    pub address: Ipv4Addr,
    /// What it is.
    pub kind: Kind,
}

impl FleetSpec {
    /// Controllers have 10.88.0.1 and up, nodes 10.88.0.11 and up.
    pub(crate) fn members(&self) -> Vec<Member> {
        let controllers = (1..=self.controllers.min(9)).map(|number| Member {
            name: format!("c{number}"),
            address: Ipv4Addr::new(10, 88, 0, number),
            kind: Kind::Controller,
        });
        let nodes = (1..=self.nodes.min(99)).map(|number| Member {
            name: format!("n{number}"),
            address: Ipv4Addr::new(10, 88, 0, 10 + number),
            kind: Kind::Node,
        });
        controllers.chain(nodes).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_members_share_an_address_or_a_name() {
        let spec = FleetSpec { name: "big".parse().unwrap(), controllers: 9, nodes: 99 };
        let members = spec.members();
        let addresses: HashSet<_> = members.iter().map(|member| member.address).collect();
        let names: HashSet<_> = members.iter().map(|member| member.name.clone()).collect();
        assert_eq!((addresses.len(), names.len()), (108, 108));
        assert!(!addresses.contains(&crate::network::DRIVER));
    }
}
