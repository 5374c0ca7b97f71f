//! The fleet as placement sees it.

use std::collections::HashMap;

use npanel_model::{
    Amounts, AvailabilityZone, Limit, Megabytes, NodeId, NodeLabel, NodeLimits, NodeName, NodeRole,
    Overselling, PhpVersion, PoolName, Timestamp,
};

use crate::traits::Traits;

/// A node, as the state knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// What it is for.
    pub roles: Vec<NodeRole>,
    /// The roles that its system cannot fill, and why.
    pub missing: Vec<(NodeRole, String)>,
    /// Its pool.
    pub pool: PoolName,
    /// Where it stands, if that is known.
    pub availability_zone: Option<AvailabilityZone>,
    /// What else is said of it.
    pub labels: Vec<NodeLabel>,
    /// The PHP versions it has.
    pub php_versions: Vec<PhpVersion>,
    /// Whether it may get anything new.
    pub schedulable: bool,
    /// What it can be promised to hold.
    pub limits: NodeLimits,
    /// What it has been promised to.
    pub reserved: Amounts,
    /// What it carries.
    pub carries: Carries,
}

/// How many things of each kind a node carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carries {
    /// Web parts of accounts.
    pub web: u64,
    /// Database parts of accounts.
    pub database: u64,
    /// Zones.
    pub zones: u64,
}

impl Carries {
    /// Of the kind that a node with this role carries.
    pub fn of(&self, role: NodeRole) -> u64 {
        match role {
            NodeRole::Web => self.web,
            NodeRole::Database => self.database,
            NodeRole::Dns => self.zones,
        }
    }

    fn of_mut(&mut self, role: NodeRole) -> &mut u64 {
        match role {
            NodeRole::Web => &mut self.web,
            NodeRole::Database => &mut self.database,
            NodeRole::Dns => &mut self.zones,
        }
    }
}

/// What a node said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// When.
    pub at: Timestamp,
    /// Free space where homes and databases are.
    pub disk_free: Megabytes,
    /// Whether something lies on it that belongs to none of its objects: what is new there could come upon it.
    pub has_leftovers: bool,
}

/// Something that was given to a node and that the state does not show yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// The node.
    pub node: NodeId,
    /// For which role.
    pub role: NodeRole,
    /// How much.
    pub amounts: Amounts,
}

/// What a decision looks at, made of everything below it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: NodeId,
    pub(crate) heard: Option<Timestamp>,
    pub(crate) disk_free: Megabytes,
    pub(crate) schedulable: bool,
    pub(crate) has_leftovers: bool,
    pub(crate) accounts_left: u64,
    pub(crate) left: [Left; 2],
    pub(crate) fill_percent: u64,
    pub(crate) carries: Carries,
    /// The number of its availability zone's trait.
    pub(crate) zone: Option<usize>,
}

/// What can still be promised to one kind of tenant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Left {
    pub(crate) disk: u64,
    pub(crate) memory: u64,
}

pub(crate) fn column(overselling: Overselling) -> usize {
    match overselling {
        Overselling::Forbidden => 0,
        Overselling::Allowed => 1,
    }
}

#[derive(Debug, Clone)]
struct Node {
    view: NodeView,
    heard: Option<Heard>,
    promised: (Amounts, Carries),
}

/// The nodes. What changes of one costs no more than that one.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    nodes: Vec<Node>,
    pub(crate) rows: Vec<Row>,
    pub(crate) traits: Traits,
    places: HashMap<NodeId, usize>,
}

impl Fleet {
    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Adds the node, or replaces what the state knew of it.
    pub fn set(&mut self, view: NodeView) {
        let place = match self.places.get(&view.id) {
            Some(place) => {
                self.nodes[*place].view = view;
                *place
            }
            None => {
                let place = self.nodes.len();
                self.places.insert(view.id, place);
                self.nodes.push(Node {
                    view,
                    heard: None,
                    promised: (Amounts::default(), Carries::default()),
                });
                place
            }
        };
        self.traits.set(place, &self.nodes[place].view);
        self.renew(place);
    }

    /// Takes the node out.
    pub fn remove(&mut self, id: NodeId) {
        let Some(place) = self.places.remove(&id) else { return };
        self.nodes.swap_remove(place);
        self.rows.swap_remove(place);
        self.traits.swap_remove(place);
        if let Some(moved) = self.nodes.get(place) {
            self.places.insert(moved.view.id, place);
        }
    }

    /// What the node last said of itself; `None`: nothing, or it is known to be gone.
    pub fn hear(&mut self, id: NodeId, heard: Option<Heard>) {
        if let Some(place) = self.places.get(&id).copied() {
            self.nodes[place].heard = heard;
            self.renew(place);
        }
    }

    /// Forgets what every node said.
    pub fn hear_nothing(&mut self) {
        for place in 0..self.nodes.len() {
            self.nodes[place].heard = None;
            self.renew(place);
        }
    }

    /// Counts something as given to a node until [`Fleet::settle`].
    pub fn promise(&mut self, promise: &Promise) {
        self.change_promised(promise, |(amounts, carries)| {
            *amounts += promise.amounts;
            *carries.of_mut(promise.role) += 1;
        });
    }

    /// The state shows it, or it came to nothing.
    pub fn settle(&mut self, promise: &Promise) {
        self.change_promised(promise, |(amounts, carries)| {
            *amounts -= promise.amounts;
            let carried = carries.of_mut(promise.role);
            *carried = carried.saturating_sub(1);
        });
    }

    fn change_promised(&mut self, promise: &Promise, change: impl FnOnce(&mut (Amounts, Carries))) {
        if let Some(place) = self.places.get(&promise.node).copied() {
            change(&mut self.nodes[place].promised);
            self.renew(place);
        }
    }

    /// What the state knows of the node.
    pub fn node(&self, id: NodeId) -> Option<&NodeView> {
        self.places.get(&id).map(|place| &self.nodes[*place].view)
    }

    /// What the node is promised, what is given to it but not in the state yet included.
    pub(crate) fn reserved(&self, place: usize) -> Amounts {
        let node = &self.nodes[place];
        let mut reserved = node.view.reserved;
        reserved += node.promised.0;
        reserved
    }

    pub(crate) fn view(&self, place: usize) -> &NodeView {
        &self.nodes[place].view
    }

    pub(crate) fn place_of(&self, id: NodeId) -> Option<usize> {
        self.places.get(&id).copied()
    }

    fn renew(&mut self, place: usize) {
        let row = self.row(place);
        match self.rows.get_mut(place) {
            Some(old) => *old = row,
            None => self.rows.push(row),
        }
    }

    fn row(&self, place: usize) -> Row {
        let Node { view, heard, promised } = &self.nodes[place];
        let reserved = self.reserved(place);
        let left = |limit: Limit, reserved: u64| match limit {
            Limit::AtMost(most) => most.saturating_sub(reserved),
            Limit::Unlimited => u64::MAX,
        };
        let to = |overselling| Left {
            disk: left(view.limits.disk_limit(overselling), reserved.disk.0),
            memory: left(view.limits.memory_limit(overselling), reserved.memory.0),
        };
        let zone = view.availability_zone.clone().map(crate::traits::Trait::Zone);
        Row {
            id: view.id,
            heard: heard.map(|heard| heard.at),
            disk_free: heard.map_or(Megabytes(0), |heard| heard.disk_free),
            schedulable: view.schedulable,
            has_leftovers: heard.is_some_and(|heard| heard.has_leftovers),
            accounts_left: left(view.limits.accounts, reserved.accounts),
            left: [to(Overselling::Forbidden), to(Overselling::Allowed)],
            fill_percent: view.limits.fill_percent(&reserved),
            carries: Carries {
                web: view.carries.web + promised.1.web,
                database: view.carries.database + promised.1.database,
                zones: view.carries.zones + promised.1.zones,
            },
            zone: zone.and_then(|zone| self.traits.number(&zone)),
        }
    }
}
