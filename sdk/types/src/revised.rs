//! Objects that say when they were last changed.

use npanel_model::Revision;

use crate::{
    Account, ApiKey, ClusterStatus, CronTable, Database, DatabaseUser, Domain, IdentityProvider, Node, Plan,
    RecordSet, Session, Tenant, Token, User, Webhook, Zone,
};

/// An object with a revision: what its entity tag is made of.
pub trait Revised {
    /// Whether all that is shown of it changes with its revision only, and nothing with what nodes report.
    const IS_STEADY: bool;

    /// When it was last changed, as a place in the fleet's log.
    fn revision(&self) -> Revision;
}

macro_rules! revised {
    ($is_steady:literal: $($name:ident),*) => {$(
        impl Revised for $name {
            const IS_STEADY: bool = $is_steady;

            fn revision(&self) -> Revision {
                self.revision
            }
        }
    )*};
}

revised!(true: ApiKey, IdentityProvider, Plan, Session, Tenant, Token, User);
revised!(false: Account, ClusterStatus, CronTable, Database, DatabaseUser, Domain, Node, RecordSet, Webhook, Zone);
