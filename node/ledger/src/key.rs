//! Which object.

use std::fmt;

use npanel_model::{AccountId, DatabaseId, DatabaseUserId, DomainId, IdError, ZoneId};
use npanel_proto::node::{ObjectKind, ObjectRef};

/// An object of the ledger: its kind and id. Ordered as the ledger's digest wants it: by kind, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// The web part of an account.
    Account(AccountId),
    /// The site of a domain.
    Site(DomainId),
    /// A database.
    Database(DatabaseId),
    /// A database user.
    DatabaseUser(DatabaseUserId),
    /// A zone.
    Zone(ZoneId),
    /// The scheduled jobs of the account with this id.
    CronTable(AccountId),
}

/// Why a reference names no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The kind is not known to this daemon.
    #[error("unknown kind of object (got {0})")]
    UnknownKind(i32),
    /// There is no reference, or the id is not one.
    #[error("no object is named")]
    Missing,
    /// The id is not sixteen bytes.
    #[error("bad object id")]
    Id(#[source] IdError),
}

impl ObjectKey {
    /// Reads a reference.
    ///
    /// # Errors
    /// If the kind is unknown or the id is not one.
    pub fn from_proto(object: &ObjectRef) -> Result<Self, KeyError> {
        let unknown = KeyError::UnknownKind(object.kind);
        Ok(match ObjectKind::try_from(object.kind).map_err(|_| unknown.clone())? {
            ObjectKind::Unspecified => return Err(unknown),
            ObjectKind::Account => Self::Account(AccountId::from_bytes(&object.id).map_err(KeyError::Id)?),
            ObjectKind::Site => Self::Site(DomainId::from_bytes(&object.id).map_err(KeyError::Id)?),
            ObjectKind::Database => Self::Database(DatabaseId::from_bytes(&object.id).map_err(KeyError::Id)?),
            ObjectKind::DatabaseUser => {
                Self::DatabaseUser(DatabaseUserId::from_bytes(&object.id).map_err(KeyError::Id)?)
            }
            ObjectKind::Zone => Self::Zone(ZoneId::from_bytes(&object.id).map_err(KeyError::Id)?),
            ObjectKind::CronTable => {
                Self::CronTable(AccountId::from_bytes(&object.id).map_err(KeyError::Id)?)
            }
        })
    }

    /// The reference as messages carry it.
    pub fn to_proto(self) -> ObjectRef {
        ObjectRef { kind: self.kind() as i32, id: self.id_bytes() }
    }

    /// The object's kind.
    pub fn kind(self) -> ObjectKind {
        match self {
            Self::Account(_) => ObjectKind::Account,
            Self::Site(_) => ObjectKind::Site,
            Self::Database(_) => ObjectKind::Database,
            Self::DatabaseUser(_) => ObjectKind::DatabaseUser,
            Self::Zone(_) => ObjectKind::Zone,
            Self::CronTable(_) => ObjectKind::CronTable,
        }
    }

    /// The kind in one word, for file names, logs and metrics.
    pub fn kind_name(self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Site(_) => "site",
            Self::Database(_) => "database",
            Self::DatabaseUser(_) => "database_user",
            Self::Zone(_) => "zone",
            Self::CronTable(_) => "cron_table",
        }
    }

    /// The sixteen bytes of the id.
    pub fn id_bytes(self) -> Vec<u8> {
        match self {
            Self::Account(id) => id.to_bytes(),
            Self::Site(id) => id.to_bytes(),
            Self::Database(id) => id.to_bytes(),
            Self::DatabaseUser(id) => id.to_bytes(),
            Self::Zone(id) => id.to_bytes(),
            Self::CronTable(id) => id.to_bytes(),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.kind_name())?;
        match self {
            Self::Account(id) => id.fmt(f),
            Self::Site(id) => id.fmt(f),
            Self::Database(id) => id.fmt(f),
            Self::DatabaseUser(id) => id.fmt(f),
            Self::Zone(id) => id.fmt(f),
            Self::CronTable(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_goes_there_and_back() {
        for kind in 1..=6 {
            let object = ObjectRef { kind, id: vec![7; 16] };
            let key = ObjectKey::from_proto(&object).expect("a key");
            assert_eq!(key.to_proto(), object);
        }
    }

    #[test]
    fn an_unknown_kind_or_a_short_id_names_nothing() {
        for kind in [0, 7, -1] {
            let object = ObjectRef { kind, id: vec![7; 16] };
            assert_eq!(ObjectKey::from_proto(&object), Err(KeyError::UnknownKind(kind)));
        }
        let short = ObjectRef { kind: 1, id: vec![7; 15] };
        assert!(matches!(ObjectKey::from_proto(&short), Err(KeyError::Id(_))));
    }
}
