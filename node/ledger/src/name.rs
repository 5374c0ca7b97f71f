//! Names that only one thing on a node can bear.

use npanel_model::{DatabaseName, DatabaseUserName, Fqdn, Uid, Username};

use crate::{Content, Entry, Intent, ObjectKey, Offer, Progress, Removal, Wish};

/// What an object is called on the node, where only one can be called so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// Of an account.
    Username(Username),
    /// Of a site.
    Domain(Fqdn),
    /// Of a database.
    Database(DatabaseName),
    /// Of a database user.
    DatabaseUser(DatabaseUserName),
    /// Of a zone.
    Zone(Fqdn),
    /// Of the scheduled jobs of the account with this uid.
    CronTable(Uid),
}

impl Intent {
    /// The object's name on the node.
    pub fn name(&self) -> Name {
        match self {
            Self::Account(account) => Name::Username(account.username.clone()),
            Self::Site(site) => Name::Domain(site.domain.clone()),
            Self::Database(database) => Name::Database(database.name.clone()),
            Self::DatabaseUser(user) => Name::DatabaseUser(user.name.clone()),
            Self::Zone(zone) => Name::Zone(zone.name.clone()),
            Self::CronTable(table) => Name::CronTable(table.uid),
        }
    }
}

impl Entry {
    /// The name that something on the node still has because of this object: a removed one leaves none, nor
    /// does a retired account (its home is moved aside under its uid).
    pub fn bears(&self) -> Option<Name> {
        let intent = self.intent()?;
        match (&self.content, intent) {
            (Content::Going(Removal { progress: Progress::Removed { .. }, .. }), _)
            | (Content::Going(Removal { progress: Progress::Retained { .. }, .. }), Intent::Account(_)) => {
                None
            }
            _ => Some(intent.name()),
        }
    }

    /// The name that no other object may have, which it also bears: what is wanted holds its name, and a
    /// database whose data is kept under it. What merely is to go does not: the next bearer waits for it.
    pub(crate) fn holds(&self) -> Option<Name> {
        match &self.content {
            Content::Wanted(intent) => Some(intent.name()),
            Content::Going(Removal { of: Some(Intent::Database(_)), retention, progress })
                if !retention.is_zero() && !matches!(progress, Progress::Removed { .. }) =>
            {
                self.bears()
            }
            Content::Going(_) => None,
        }
    }
}

impl Offer {
    /// Whether the object gives its name free by this.
    pub(crate) fn frees_name(&self) -> bool {
        match &self.wish {
            Wish::Remove { retention } => retention.is_zero() || !matches!(self.key, ObjectKey::Database(_)),
            Wish::Have(_) => false,
        }
    }
}
