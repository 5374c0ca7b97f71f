//! What a command would come to: it is applied by the very rules that a real one is, and taken back.

use std::{cell::RefCell, collections::BTreeSet};

use npanel_audit::Frontier;
use npanel_model::{AccountId, Generation, NodeId};
use npanel_proto::command::{Accepted, Envelope, Refused};
use rusqlite::{Connection, Transaction};

use crate::{
    IntentSource, LogPosition, ObjectKind, StoreError,
    apply::{self, Applied, Batch, Undoing},
    context::typed,
    intent,
    logins::Logins,
};

/// What a command would come to if it were applied now.
#[derive(Debug, Clone)]
pub enum Foresight {
    /// This refusal.
    Refused(Refused),
    /// This.
    Accepted(Box<Foreseen>),
}

/// What an accepted command would do.
#[derive(Debug, Clone)]
pub struct Foreseen {
    /// Its answer.
    pub accepted: Accepted,
    /// JSON: every node's verdict, if something would be placed; else empty.
    pub placement_report: String,
    /// What nodes would be told.
    pub objects: Vec<ForeseenObject>,
    /// What people should know of beforehand.
    pub warnings: Vec<String>,
    /// How many accounts would have more of something than their plans allow.
    pub exceeding_accounts: u64,
    /// What the first hundred of these have too much of.
    pub exceeding: Vec<Exceeded>,
}

/// An account that has more of something than its plan allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// The account.
    pub account_id: AccountId,
    /// Its user name.
    pub username: String,
    /// Of what: "domains", "subdomains", "databases", "cron_jobs".
    pub limit: String,
    /// How many it has.
    pub used: u64,
    /// How many the plan allows.
    pub allowed: u64,
}

/// More accounts that exceed their plan are counted, not named: a person reads no more.
const MOST_EXCEEDING: usize = 100;

/// How many accounts these are, and the first of them.
fn counted(exceeding: Vec<Exceeded>) -> (u64, Vec<Exceeded>) {
    let accounts: BTreeSet<AccountId> = exceeding.iter().map(|one| one.account_id).collect();
    let mut named = BTreeSet::new();
    let mut is_named = |one: &Exceeded| {
        named.contains(&one.account_id) || (named.len() < MOST_EXCEEDING && named.insert(one.account_id))
    };
    let first = exceeding.into_iter().filter(|one| is_named(one)).collect();
    (accounts.len() as u64, first)
}

/// What a node would be told.
#[derive(Debug, Clone)]
pub struct ForeseenObject {
    /// The node.
    pub node_id: NodeId,
    /// The object's kind.
    pub kind: ObjectKind,
    /// The object's id, sixteen bytes.
    pub id: Vec<u8>,
    /// Its new generation.
    pub generation: Generation,
    /// What would be told of it.
    pub wish: ForeseenWish,
}

/// What a node would be told of an object.
#[derive(Debug, Clone)]
pub enum ForeseenWish {
    /// To have it so.
    Have(Box<IntentSource>),
    /// To remove it.
    Remove {
        /// How long its data would be kept.
        retention_seconds: u64,
    },
}

/// Applies the command after `applied`, looks, and takes everything back.
pub(crate) fn of(
    connection: &mut Connection,
    tree: &Frontier,
    logins: &Logins,
    most: u32,
    applied: Option<LogPosition>,
    envelope: &Envelope,
) -> Result<Foresight, StoreError> {
    let transaction = connection.transaction()?;
    let last = applied.unwrap_or(LogPosition { term: 0, leader: 0, index: 0 });
    let next = LogPosition { index: last.index + 1, ..last };
    // Nothing of it is to be remembered.
    let memory = RefCell::default();
    let batch = Batch { db: &transaction, memory: &memory, logins, undoing: Undoing::BySavepoint, most };
    let foresight = match apply::foresee(&batch, tree, next, envelope)? {
        Applied::Refused(refusal) => Foresight::Refused(refusal.into()),
        Applied::Accepted { accepted, forewarned } => {
            let (placement_report, objects) = looked_at(&transaction, next, &accepted)?;
            let (exceeding_accounts, exceeding) = counted(forewarned.exceeding);
            Foresight::Accepted(Box::new(Foreseen {
                accepted,
                placement_report,
                objects,
                warnings: forewarned.warnings,
                exceeding_accounts,
                exceeding,
            }))
        }
    };
    transaction.rollback()?;
    Ok(foresight)
}

/// The state as it would be: nothing but the command has this place in the log.
fn looked_at(
    db: &Transaction<'_>,
    position: LogPosition,
    accepted: &Accepted,
) -> Result<(String, Vec<ForeseenObject>), StoreError> {
    let report = db
        .prepare_cached("SELECT placement_report FROM operations WHERE id = ?1")?
        .query_map([&accepted.operation_id], |row| row.get(0))?
        .next();
    let mut objects = Vec::new();
    let mut statement = db.prepare_cached(
        "SELECT node_id, kind, object_id, generation, tombstone_seconds FROM node_objects WHERE changed_index = ?1
         ORDER BY node_id, kind, object_id",
    )?;
    let mut rows = statement.query([position.index])?;
    while let Some(row) = rows.next()? {
        let Some(kind) = ObjectKind::from_text(row.get_ref(1)?.as_str().unwrap_or_default()) else {
            continue;
        };
        let id: Vec<u8> = row.get(2)?;
        let wish = match row.get(4)? {
            Some(retention_seconds) => ForeseenWish::Remove { retention_seconds },
            None => match intent::read(db, kind, &id)? {
                Some(source) => ForeseenWish::Have(Box::new(source)),
                None => continue,
            },
        };
        let node_id = typed(row, 0, NodeId::from_bytes)?;
        objects.push(ForeseenObject { node_id, kind, id, generation: Generation(row.get(3)?), wish });
    }
    Ok((report.transpose()?.unwrap_or_default(), objects))
}
