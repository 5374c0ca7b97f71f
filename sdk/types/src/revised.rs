//! Objects that say when they were last changed.

use npanel_model::Revision;

use crate::{
    Account, ApiKey, CronTable, Database, DatabaseUser, Domain, Node, Plan, RecordSet, Tenant, Token, Zone,
};

/// An object with a revision: what its entity tag is made of.
pub trait Revised {
    /// When it was last changed, as a place in the fleet's log.
    fn revision(&self) -> Revision;
}

macro_rules! revised {
    ($($name:ident),*) => {$(
        impl Revised for $name {
            fn revision(&self) -> Revision {
                self.revision
            }
        }
    )*};
}

revised!(
    Account,
    ApiKey,
    CronTable,
    Database,
    DatabaseUser,
    Domain,
    Node,
    Plan,
    RecordSet,
    Tenant,
    Token,
    Zone
);
