//! What a rule sees: the database, the command's envelope, and who asks.

use std::{
    cell::{Cell, OnceCell, RefCell},
    sync::Arc,
};

use npanel_audit::Frontier;
use npanel_model::{
    AccountId, Action, ActionPattern, Deed, IdError, IdentityProviderId, NodeId, Realm, TenantId, Timestamp,
    TokenId, UserId,
};
use rusqlite::{Connection, OptionalExtension, Params, Row};

use crate::{
    Exceeded, ObjectKind, Refusal, RefusalCode,
    access::{self, Access, Credential},
    logins::Logins,
    memory::Memory,
};

/// Where in the world accounts are is for everyone to say.
pub const PLACING_IS_THE_PLATFORMS: &str =
    "only the platform chooses nodes, pools, labels and strategies; an availability zone may be asked for";

/// Why a rule does not go through.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The command is not allowed; nothing of it stays.
    Refused(Refusal),
    /// The database failed; the replica stops.
    Broken(rusqlite::Error),
    /// The command is of a newer version; the replica stops.
    Newer,
    /// It is of a feature level, this one, to which the replica does not go; it stops.
    Beyond(u32),
    /// The command has been carried out before, or its key was used long ago: that is to be looked at first.
    Repeated,
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<rusqlite::Error> for Halt {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error)
    }
}

pub(crate) type Rule<T> = Result<T, Halt>;

/// Who asks, as far as the rules care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Principal {
    /// Whoever shows this.
    Shown(Credential),
    /// A user who has shown to a controller who they are.
    User(UserId),
    /// Somebody of whom an identity provider has said to a controller who they are.
    Known(IdentityProviderId),
    Node(NodeId),
    Controller(u64),
    Token(TokenId),
}

/// A row of the change feed, before it has its place.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) tenant: TenantId,
    pub(crate) kind: &'static str,
    pub(crate) object: Vec<u8>,
    pub(crate) change: &'static str,
    /// Whether the object's row has its new revision already.
    pub(crate) is_renewed: bool,
}

/// What an accepted command came to.
#[derive(Debug)]
pub(crate) struct Effect {
    pub(crate) tenant: TenantId,
    pub(crate) action: Action,
    pub(crate) object: Vec<u8>,
    pub(crate) operation: Vec<u8>,
}

pub(crate) struct Context<'a> {
    pub(crate) db: &'a Connection,
    pub(crate) now: Timestamp,
    /// The feature level whose rules count.
    pub(crate) level: u32,
    /// The command's place in the log.
    pub(crate) index: u64,
    pub(crate) request_id: &'a [u8],
    /// The client's address as the controller saw it; empty for the fleet's own doings.
    pub(crate) source_address: &'a str,
    pub(crate) principal: Principal,
    pub(crate) changes: RefCell<Vec<Change>>,
    /// The audit's tree before the command, and with the command's entry.
    pub(crate) tree: &'a Frontier,
    pub(crate) appended: RefCell<Option<Frontier>>,
    /// What the principal's credential opens, once it is read: what the command does to that counts from the next one on.
    pub(crate) access: OnceCell<Option<Arc<Access>>>,
    /// The account that the command is about, once a rule has looked at it: operations are found by it.
    pub(crate) account: Cell<Option<AccountId>>,
    /// What is known already.
    pub(crate) memory: &'a RefCell<Memory>,
    /// Whom to tell of keys that may be others than before.
    pub(crate) logins: &'a Logins,
    /// Where to put what people should know beforehand; none while a command is really applied.
    pub(crate) forewarned: Option<&'a RefCell<Forewarned>>,
}

/// What people should know of a command before it is really given.
#[derive(Debug, Default)]
pub(crate) struct Forewarned {
    pub(crate) warnings: Vec<String>,
    /// The accounts that would have more than their plans allow.
    pub(crate) exceeding: Vec<Exceeded>,
}

impl Context<'_> {
    pub(crate) fn run(&self, sql: &str, params: impl Params) -> Rule<usize> {
        Ok(self.db.prepare_cached(sql)?.execute(params)?)
    }

    /// The row, if there is one.
    pub(crate) fn find<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Rule<Option<T>> {
        Ok(self.db.prepare_cached(sql)?.query_row(params, read).optional()?)
    }

    pub(crate) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Rule<Vec<T>> {
        Ok(self.db.prepare_cached(sql)?.query_map(params, read)?.collect::<Result<_, _>>()?)
    }

    /// The number that a `SELECT count(*)` or `SELECT EXISTS` gives.
    pub(crate) fn count(&self, sql: &str, params: impl Params) -> Rule<u64> {
        Ok(self.db.prepare_cached(sql)?.query_row(params, |row| row.get(0))?)
    }

    /// Says what people should know before the command is really given; costs nothing when it is.
    pub(crate) fn warn(&self, warnings: impl FnOnce() -> Rule<Vec<String>>) -> Rule<()> {
        if let Some(found) = self.forewarned {
            found.borrow_mut().warnings.extend(warnings()?);
        }
        Ok(())
    }

    /// Says which accounts would have more than their plans allow; costs nothing when the command is really given.
    pub(crate) fn foresee_exceeding(&self, exceeding: impl FnOnce() -> Rule<Vec<Exceeded>>) -> Rule<()> {
        if let Some(found) = self.forewarned {
            found.borrow_mut().exceeding.extend(exceeding()?);
        }
        Ok(())
    }

    pub(crate) fn note(&self, tenant: TenantId, kind: &'static str, object: Vec<u8>, change: &'static str) {
        self.changes.borrow_mut().push(Change { tenant, kind, object, change, is_renewed: false });
    }

    /// Notes a change whose statement has set the object's revision, too.
    pub(crate) fn note_renewed(
        &self,
        tenant: TenantId,
        kind: &'static str,
        object: Vec<u8>,
        change: &'static str,
    ) {
        self.changes.borrow_mut().push(Change { tenant, kind, object, change, is_renewed: true });
    }

    pub(crate) fn note_object(
        &self,
        tenant: TenantId,
        kind: ObjectKind,
        object: &[u8],
        change: &'static str,
    ) {
        self.note(tenant, kind.noun(), object.to_vec(), change);
    }

    /// Whether the principal may take the action at all: somebody by what their credential opens, a machine by its kind.
    pub(crate) fn authorise(&self, action: Action) -> Rule<()> {
        match self.principal {
            Principal::Shown(credential) => {
                let access = self.access_by(credential)?;
                if !access.allowance.covers(action) {
                    return Err(forbidden(action).into());
                }
                // What is somebody's own (a password, a session) stays theirs, and what is held on them can be had.
                if action.realm() == Realm::Own || action.deed() == Deed::Reveal {
                    return Ok(());
                }
                self.require_in_service(access.purview.tenant_id)
            }
            Principal::Token(_) if matches!(action, Action::NodeEnrol | Action::ControllerJoin) => Ok(()),
            Principal::Node(_) if action == Action::IdentityRenew => Ok(()),
            Principal::Controller(_) => Ok(()),
            Principal::Node(_) | Principal::Token(_) | Principal::User(_) | Principal::Known(_) => {
                Err(forbidden(action).into())
            }
        }
    }

    /// What the credential opens, if it opens anything still.
    fn access_by(&self, credential: Credential) -> Rule<&Access> {
        let access = self.access(credential)?.filter(|access| access.is_alive(self.now));
        access.ok_or_else(|| {
            let message = match credential {
                Credential::ApiKey(_) => "the API key is unknown, expired or revoked",
                Credential::Session(_) => "the session is unknown or has ended",
            };
            Refusal::new(RefusalCode::Unauthenticated, "", message).into()
        })
    }

    fn access(&self, credential: Credential) -> Rule<Option<&Access>> {
        if let Some(known) = self.access.get() {
            return Ok(known.as_deref());
        }
        let found = self.memory.borrow_mut().access(self.db, credential)?;
        Ok(self.access.get_or_init(|| found).as_deref())
    }

    /// What a person or program that asks may do and where; `None` for machines.
    pub(crate) fn asking(&self) -> Rule<Option<&Access>> {
        match self.principal {
            Principal::Shown(credential) => self.access_by(credential).map(Some),
            Principal::User(_)
            | Principal::Known(_)
            | Principal::Node(_)
            | Principal::Controller(_)
            | Principal::Token(_) => Ok(None),
        }
    }

    /// Who asks, as the audit and the change feed write it.
    pub(crate) fn actor(&self) -> Rule<String> {
        Ok(match self.principal {
            Principal::Shown(credential) => match self.access(credential)? {
                Some(access) => access.who.to_string(),
                None => credential.to_string(),
            },
            Principal::User(id) => format!("user/{id}"),
            Principal::Known(id) => format!("identity_provider/{id}"),
            Principal::Node(id) => format!("node/{id}"),
            Principal::Controller(id) => format!("controller/{id}"),
            Principal::Token(id) => format!("token/{id}"),
        })
    }

    /// Refuses what is asked for by whoever acts for a suspended tenant, or for one beneath such.
    pub(crate) fn require_in_service(&self, tenant: TenantId) -> Rule<()> {
        if !self.is_suspended(tenant)? {
            return Ok(());
        }
        let message = "your tenant, or one above it, is suspended: it can be read, and nothing of it changed";
        Err(Refusal::new(RefusalCode::TenantSuspended, "", message).into())
    }

    /// Whether the tenant, or one above it, is suspended.
    pub(crate) fn is_suspended(&self, tenant: TenantId) -> Rule<bool> {
        Ok(self.memory.borrow_mut().is_suspended(self.db, tenant)?)
    }

    /// A command suspends a tenant, or lifts that.
    pub(crate) fn forget_suspensions(&self) {
        self.memory.borrow_mut().forget_suspensions();
    }

    /// The tenant whose subtree the principal acts in. Machines act for the platform.
    pub(crate) fn principal_tenant(&self) -> Rule<TenantId> {
        match self.principal {
            Principal::Shown(credential) => {
                let access = self.access(credential)?;
                Ok(access.ok_or_else(|| Refusal::not_found("credential", ""))?.purview.tenant_id)
            }
            Principal::User(id) => {
                let user = access::user(self.db, id)?;
                Ok(user.ok_or_else(|| Refusal::not_found("user", ""))?.0.tenant_id)
            }
            Principal::Known(id) => {
                let select = "SELECT tenant_id FROM identity_providers WHERE id = ?1";
                let found = self.find(select, [id.to_bytes()], |row| tenant_id(row, 0))?;
                found.ok_or_else(|| Refusal::not_found("identity provider", "").into())
            }
            Principal::Node(_) | Principal::Controller(_) | Principal::Token(_) => self.root_tenant(),
        }
    }

    pub(crate) fn root_tenant(&self) -> Rule<TenantId> {
        self.memory.borrow_mut().root_tenant(self.db)?.ok_or_else(|| {
            Refusal::new(RefusalCode::Unavailable, "", "the cluster has not been made yet").into()
        })
    }

    /// Refuses, as if it did not exist, what belongs to a tenant outside the principal's subtree; and all of it to who is
    /// confined to accounts.
    pub(crate) fn require_visible(
        &self,
        tenant: TenantId,
        what: &'static str,
        field: &'static str,
    ) -> Rule<()> {
        if self.sees(tenant)? { Ok(()) } else { Err(Refusal::not_found(what, field).into()) }
    }

    /// The same for what is an account's. The command is about that account from then on.
    pub(crate) fn require_visible_of(
        &self,
        tenant: TenantId,
        account: AccountId,
        what: &'static str,
        field: &'static str,
    ) -> Rule<()> {
        if !self.sees_of(tenant, account)? {
            return Err(Refusal::not_found(what, field).into());
        }
        self.account.set(Some(account));
        Ok(())
    }

    /// Whether the principal sees what is the tenant's.
    pub(crate) fn sees(&self, tenant: TenantId) -> Rule<bool> {
        let is_confined = self.asking()?.is_some_and(|access| access.purview.accounts.is_some());
        if is_confined { Ok(false) } else { self.is_within(tenant) }
    }

    /// Whether the principal sees what is the account's.
    pub(crate) fn sees_of(&self, tenant: TenantId, account: AccountId) -> Rule<bool> {
        let has = self.asking()?.is_none_or(|access| access.purview.has_account(account));
        if has { self.is_within(tenant) } else { Ok(false) }
    }

    /// Whether the tenant is in the principal's subtree.
    fn is_within(&self, tenant: TenantId) -> Rule<bool> {
        let own = self.principal_tenant()?;
        Ok(self.memory.borrow_mut().is_within(self.db, tenant, own)?)
    }

    /// Refuses everyone but the controllers themselves.
    pub(crate) fn require_controller(&self) -> Rule<()> {
        match self.principal {
            Principal::Controller(_) => Ok(()),
            Principal::Shown(_)
            | Principal::User(_)
            | Principal::Known(_)
            | Principal::Node(_)
            | Principal::Token(_) => {
                Err(Refusal::new(RefusalCode::Forbidden, "", "only the leader does this, by itself").into())
            }
        }
    }

    /// Refuses everyone but the platform what says on which nodes accounts are.
    pub(crate) fn require_placing(&self, field: &'static str) -> Rule<()> {
        if self.principal_tenant()? == self.root_tenant()? {
            return Ok(());
        }
        Err(Refusal::new(RefusalCode::Forbidden, field, PLACING_IS_THE_PLATFORMS).into())
    }

    /// Refuses everyone but the platform itself.
    pub(crate) fn require_platform(&self, action: Action) -> Rule<TenantId> {
        let root = self.root_tenant()?;
        if self.principal_tenant()? == root { Ok(root) } else { Err(forbidden(action).into()) }
    }
}

fn forbidden(action: Action) -> Refusal {
    Refusal::new(RefusalCode::Forbidden, "", format!("the credential does not allow {action}"))
}

/// The patterns of a key's JSON column. Unknown ones (of a later version) match nothing.
pub(crate) fn patterns(json: &str) -> Vec<ActionPattern> {
    texts(json).iter().filter_map(|text| text.parse().ok()).collect()
}

/// A JSON column of texts.
pub(crate) fn texts(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
}

pub(crate) fn json(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    serde_json::to_string(&texts).expect("texts always serialise")
}

pub(crate) fn tenant_id(row: &Row<'_>, column: usize) -> rusqlite::Result<TenantId> {
    typed(row, column, TenantId::from_bytes)
}

/// Reads an id column.
pub(crate) fn typed<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&[u8]) -> Result<T, IdError>,
) -> rusqlite::Result<T> {
    let bytes: Vec<u8> = row.get(column)?;
    parse(&bytes).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, Box::new(error))
    })
}

/// Reads an id of a command.
pub(crate) fn wire_id<T>(
    bytes: &[u8],
    field: &'static str,
    parse: impl FnOnce(&[u8]) -> Result<T, IdError>,
) -> Rule<T> {
    parse(bytes).map_err(|error| Refusal::new(RefusalCode::Invalid, field, error.to_string()).into())
}

/// Reads a validated text of a command.
pub(crate) fn wire_text<T>(text: &str, field: &'static str) -> Rule<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| Refusal::new(RefusalCode::Invalid, field, error.to_string()).into())
}
