//! Why a node cannot take something. One filter, one reason.

use std::fmt;

use npanel_model::{AvailabilityZone, Megabytes, NodeLabel, NodeRole, PhpVersion, PoolName, Shortage};

use crate::{Fleet, Request, Runtime};

/// What a node is held against. The order is that in which it happens: what the node is, then how it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Filter {
    /// It is the one node that the request names.
    Named,
    /// It has the role.
    Role,
    /// Its system has what the role needs.
    Able,
    /// It is in the pool.
    Pool,
    /// It is in the availability zone.
    Zone,
    /// It has the labels.
    Label,
    /// It is not excluded.
    Avoided,
    /// It has the PHP version.
    Php,
    /// It is connected.
    Unreachable,
    /// It may get new things.
    Cordoned,
    /// Nothing lies on it that belongs to none of its objects.
    Leftovers,
    /// It has no account of the tenant, if those must keep apart.
    Tenant,
    /// It may have one more account.
    Accounts,
    /// It has disk space left to promise.
    Disk,
    /// It has memory left to promise.
    Memory,
    /// It has so much free disk space at the moment.
    DiskFree,
}

impl Filter {
    /// Every filter, in order.
    pub const ALL: [Filter; 16] = [
        Self::Named,
        Self::Role,
        Self::Able,
        Self::Pool,
        Self::Zone,
        Self::Label,
        Self::Avoided,
        Self::Php,
        Self::Unreachable,
        Self::Cordoned,
        Self::Leftovers,
        Self::Tenant,
        Self::Accounts,
        Self::Disk,
        Self::Memory,
        Self::DiskFree,
    ];

    /// What nodes that do not pass it have in common, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Named => "not_the_named_node",
            Self::Role => "lacks_role",
            Self::Able => "not_able",
            Self::Pool => "other_pool",
            Self::Zone => "other_availability_zone",
            Self::Label => "lacks_label",
            Self::Avoided => "excluded",
            Self::Php => "lacks_php_version",
            Self::Unreachable => "not_connected",
            Self::Cordoned => "cordoned",
            Self::Leftovers => "has_leftovers",
            Self::Tenant => "has_the_tenant_already",
            Self::Accounts => "no_account_slot",
            Self::Disk => "disk_reserved",
            Self::Memory => "memory_reserved",
            Self::DiskFree => "disk_full",
        }
    }
}

/// The first filter that a node does not pass. Reads as what follows "the node".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The request names another.
    NotNamed,
    /// It is not for this.
    LacksRole {
        /// The role asked for.
        role: NodeRole,
        /// Those it has.
        has: Vec<NodeRole>,
    },
    /// Its system lacks what the role needs.
    NotAble {
        /// The role asked for.
        role: NodeRole,
        /// What is missing.
        missing: String,
    },
    /// It is in another pool.
    OtherPool {
        /// The pool asked for.
        pool: PoolName,
        /// The one it is in.
        is_in: PoolName,
    },
    /// It is in another availability zone.
    OtherZone {
        /// The zone asked for.
        zone: AvailabilityZone,
        /// The one it is in, if that is known.
        is_in: Option<AvailabilityZone>,
    },
    /// It lacks a label.
    LacksLabel {
        /// The first that it lacks.
        label: NodeLabel,
    },
    /// The request excludes it.
    Avoided,
    /// It does not have the PHP version.
    LacksPhp {
        /// The version asked for.
        version: PhpVersion,
        /// Those it has.
        has: Vec<PhpVersion>,
    },
    /// It is not connected.
    Unreachable,
    /// It gets nothing new.
    Cordoned,
    /// Something lies on it that belongs to none of its objects.
    Leftovers,
    /// It has accounts of the tenant, and those must keep apart.
    TenantThere {
        /// How many.
        accounts: u64,
    },
    /// Too little is left of what it can be promised to hold.
    Short(Shortage),
    /// Too little free disk space at the moment.
    DiskShort {
        /// What is asked for.
        needs: Megabytes,
        /// What is free.
        free: Megabytes,
    },
}

impl Reason {
    /// The reason of a filter that the node at `place` does not pass.
    pub(crate) fn of(filter: Filter, fleet: &Fleet, place: usize, request: &Request) -> Reason {
        let node = fleet.view(place);
        match filter {
            Filter::Named => Reason::NotNamed,
            Filter::Role => Reason::LacksRole { role: request.role, has: node.roles.clone() },
            Filter::Able => {
                let missing = node.missing.iter().find(|(role, _)| *role == request.role);
                let missing = missing.map(|(_, missing)| missing.clone()).unwrap_or_default();
                Reason::NotAble { role: request.role, missing }
            }
            Filter::Pool => match &request.wish.pool {
                Some(pool) => Reason::OtherPool { pool: pool.clone(), is_in: node.pool.clone() },
                None => Reason::NotNamed,
            },
            Filter::Zone => match &request.wish.availability_zone {
                Some(zone) => Reason::OtherZone { zone: zone.clone(), is_in: node.availability_zone.clone() },
                None => Reason::NotNamed,
            },
            Filter::Label => {
                let lacks = |label: &&NodeLabel| !node.labels.contains(label);
                match request.wish.labels.iter().find(lacks) {
                    Some(label) => Reason::LacksLabel { label: label.clone() },
                    None => Reason::NotNamed,
                }
            }
            Filter::Avoided => Reason::Avoided,
            Filter::Php => match &request.runtime {
                Runtime::Php(version) => {
                    Reason::LacksPhp { version: version.clone(), has: node.php_versions.clone() }
                }
                Runtime::Any => Reason::NotNamed,
            },
            Filter::Unreachable => Reason::Unreachable,
            Filter::Cordoned => Reason::Cordoned,
            Filter::Leftovers => Reason::Leftovers,
            Filter::Tenant => {
                let on = request.apart.tenant_on.iter().filter(|(on, _)| *on == node.id);
                Reason::TenantThere { accounts: on.map(|(_, accounts)| accounts).sum() }
            }
            Filter::Accounts | Filter::Disk | Filter::Memory => {
                let reserved = fleet.reserved(place);
                match node.limits.shortage(&reserved, &request.amounts, request.overselling) {
                    Some(shortage) => Reason::Short(shortage),
                    None => Reason::NotNamed,
                }
            }
            Filter::DiskFree => {
                Reason::DiskShort { needs: request.disk_free, free: fleet.rows[place].disk_free }
            }
        }
    }
}

fn list(values: &[impl fmt::Display]) -> String {
    if values.is_empty() {
        return "none".to_owned();
    }
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNamed => f.write_str("is not the node that was asked for"),
            Self::LacksRole { role, has } => write!(f, "does not have the role {role} (has {})", list(has)),
            Self::NotAble { role, missing } => write!(f, "cannot fill the role {role} ({missing})"),
            Self::OtherPool { pool, is_in } => write!(f, "is not in the pool {pool} (is in {is_in})"),
            Self::OtherZone { zone, is_in: Some(is_in) } => {
                write!(f, "is not in the availability zone {zone} (is in {is_in})")
            }
            Self::OtherZone { zone, is_in: None } => {
                write!(f, "is not known to be in the availability zone {zone}")
            }
            Self::LacksLabel { label } => write!(f, "does not have the label {label}"),
            Self::Avoided => f.write_str("is excluded by the request"),
            Self::LacksPhp { version, has } => write!(f, "does not have PHP {version} (has {})", list(has)),
            Self::Unreachable => f.write_str("is not connected"),
            Self::Cordoned => f.write_str("is cordoned: it gets nothing new"),
            Self::Leftovers => f.write_str(
                "has leftovers of another node, and gets nothing new until npanel-node discard-leftovers",
            ),
            Self::TenantThere { accounts } => {
                write!(f, "has {accounts} of the tenant's accounts, and the plan keeps them apart")
            }
            Self::Short(shortage) => shortage.fmt(f),
            Self::DiskShort { needs, free } => {
                write!(f, "has too little free disk space (needs {needs}, {free} free)")
            }
        }
    }
}
