//! What the writer's thread remembers of the database, so that not every command asks for it again: the time, the feature
//! level, and who may do what where.
//!
//! It is what the database says, and forgotten whenever a command may change that or is taken back: commands come to the
//! same on a replica that remembers something and on one that has just been started.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use npanel_model::{TenantId, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    access::{self, Access, Credential},
    context::tenant_id,
    level,
};

/// More of each than are in use at the same time. Beyond, all are forgotten.
const KEPT: usize = 4096;

/// The time of the last command. `None`: not read, or there is no cluster yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Clock(Option<i64>);

/// Of the database as it is within the transaction.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    clock: Clock,
    /// What of the time the database has.
    written: Clock,
    /// The feature level that the cluster is at.
    level: Option<u32>,
    root: Option<TenantId>,
    access: HashMap<Credential, Arc<Access>>,
    /// A tenant, and one that is in its subtree.
    within: HashSet<(TenantId, TenantId)>,
    /// Whether a tenant, or one above it, is suspended.
    suspended: HashMap<TenantId, bool>,
}

impl Memory {
    /// Forgets all but the time: a command may have changed it.
    pub(crate) fn forget(&mut self) {
        *self = Self { clock: self.clock, written: self.written, ..Self::default() };
    }

    /// The feature level that the cluster is at; `None` before there is a cluster.
    pub(crate) fn level(&mut self, db: &Connection) -> rusqlite::Result<Option<u32>> {
        if self.level.is_none() {
            self.level = level::read(db)?;
        }
        Ok(self.level)
    }

    /// Forgets it: a command raises it.
    pub(crate) fn forget_level(&mut self) {
        self.level = None;
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Takes the time back to what it was; if that was not known yet, to what the database says.
    pub(crate) fn set_clock_back(&mut self, clock: Clock) {
        self.clock = if clock.0.is_some() { clock } else { self.written };
    }

    /// Time as the state knows it: the leader's, but never back.
    pub(crate) fn advance_clock(&mut self, db: &Connection, proposed: i64) -> rusqlite::Result<Timestamp> {
        if self.clock.0.is_none() {
            let select = "SELECT clock_millis FROM cluster";
            let read = db.prepare_cached(select)?.query_row([], |row| row.get(0)).optional()?;
            (self.clock, self.written) = (Clock(read), Clock(read));
        }
        let now = self.clock.0.map_or(proposed, |clock| clock.max(proposed));
        // Before there is a cluster there is no time of it.
        self.clock = Clock(self.clock.0.map(|_| now));
        Ok(Timestamp::from_millis(now))
    }

    /// Writes the time down: once for all commands of a transaction.
    pub(crate) fn write_clock(&mut self, db: &Connection) -> rusqlite::Result<()> {
        if self.clock != self.written {
            db.prepare_cached("UPDATE cluster SET clock_millis = ?1")?.execute([self.clock.0])?;
            self.written = self.clock;
        }
        Ok(())
    }

    pub(crate) fn root_tenant(&mut self, db: &Connection) -> rusqlite::Result<Option<TenantId>> {
        if self.root.is_none() {
            let select = "SELECT root_tenant_id FROM cluster";
            self.root = db.prepare_cached(select)?.query_row([], |row| tenant_id(row, 0)).optional()?;
        }
        Ok(self.root)
    }

    /// What the credential opens.
    pub(crate) fn access(
        &mut self,
        db: &Connection,
        credential: Credential,
    ) -> rusqlite::Result<Option<Arc<Access>>> {
        if let Some(known) = self.access.get(&credential) {
            return Ok(Some(Arc::clone(known)));
        }
        let found = access::find(db, credential)?.map(Arc::new);
        if let Some(access) = &found {
            if self.access.len() >= KEPT {
                self.access.clear();
            }
            self.access.insert(credential, Arc::clone(access));
        }
        Ok(found)
    }

    /// Whether the tenant, or one above it, is suspended.
    pub(crate) fn is_suspended(&mut self, db: &Connection, tenant: TenantId) -> rusqlite::Result<bool> {
        if let Some(known) = self.suspended.get(&tenant) {
            return Ok(*known);
        }
        let select = "SELECT EXISTS (SELECT 1 FROM suspended_tenants WHERE tenant_id = ?1)";
        let is_suspended = db.prepare_cached(select)?.query_row([tenant.to_bytes()], |row| row.get(0))?;
        if self.suspended.len() >= KEPT {
            self.suspended.clear();
        }
        self.suspended.insert(tenant, is_suspended);
        Ok(is_suspended)
    }

    /// Forgets who is suspended: a command changes it.
    pub(crate) fn forget_suspensions(&mut self) {
        self.suspended.clear();
    }

    /// Whether the tenant is in the subtree of that other one.
    pub(crate) fn is_within(
        &mut self,
        db: &Connection,
        tenant: TenantId,
        ancestor: TenantId,
    ) -> rusqlite::Result<bool> {
        if self.within.contains(&(ancestor, tenant)) {
            return Ok(true);
        }
        let select = "SELECT EXISTS (SELECT 1 FROM tenant_tree WHERE ancestor_id = ?1 AND tenant_id = ?2)";
        let is_within = db
            .prepare_cached(select)?
            .query_row((ancestor.to_bytes(), tenant.to_bytes()), |row| row.get(0))?;
        if is_within {
            if self.within.len() >= KEPT {
                self.within.clear();
            }
            self.within.insert((ancestor, tenant));
        }
        Ok(is_within)
    }
}
