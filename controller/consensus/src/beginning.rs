//! A log that begins anew, behind a state that is there already: of a cluster that is restored from a backup, or goes on from what
//! one controller has after the majority was lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use npanel_model::{ControllerId, RequestId, Timestamp};
use npanel_proto::command::{Envelope, Principal, envelope::Command, outcome::Outcome, principal::Who};
use npanel_state::{LogPosition, LogRecord, RecordPayload, Standing, Store};
use openraft::{
    BasicNode, Membership,
    storage::{RaftLogReader, RaftLogStorage},
};

use crate::{
    ClusterError,
    cluster::open_log,
    encoding::{log_id, position, record, to_bytes},
    log::Log,
    types::{StoredMembership, Vote},
};

/// So many entries are applied at once.
const AT_ONCE: u64 = 1_000;

/// The first member of a log that begins anew, and with what.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// The controller, which is the only member.
    pub id: ControllerId,
    /// Its fleet address.
    pub address: String,
    /// The log begins after this index, which must be higher than every one that was ever given.
    pub after: u64,
    /// The command that makes the state one to go on from, by that controller.
    pub command: Command,
}

/// How far a log and a state go that no daemon runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The end of the log. Of several controllers, the one with the highest has the most.
    pub last: LogPosition,
    /// How far the state is.
    pub applied: LogPosition,
}

fn unusable(error: impl std::fmt::Display) -> ClusterError {
    ClusterError::Log(error.to_string())
}

fn nothing() -> LogPosition {
    LogPosition { term: 0, leader: 0, index: 0 }
}

/// Makes log and state beneath a new directory of the state in a file, which is moved. The command is applied, as if the log had held
/// it, and is in no log: nobody else has to agree, and whoever joins gets the state as it is then. Returns where the log of that state
/// ended.
///
/// # Errors
/// If the file is not a state, or goes further than where the log is to begin, or the command is refused.
pub async fn begin(
    directory: &Path,
    state: &Path,
    beginning: Beginning,
) -> Result<LogPosition, ClusterError> {
    let from = Store::applied_in(state)?.position.unwrap_or(nothing());
    let Beginning { id, address, after, command } = beginning;
    if from.index >= after {
        let have = from.index;
        return Err(unusable(format!("the state is at index {have}, so its log cannot begin after {after}")));
    }
    let level = Standing::of_file(state)?.feature_level;
    let place = directory.join("state");
    Store::begin(&place, state)?;
    let at = LogPosition { index: after, ..from };
    let behind = log_id(at);
    let alone =
        Membership::new(vec![BTreeSet::from([id.0])], BTreeMap::from([(id.0, BasicNode::new(address))]));
    let envelope = Envelope {
        principal: Some(Principal { who: Some(Who::ControllerId(id.0)) }),
        request_id: RequestId::generate().to_bytes(),
        feature_level: level,
        time_millis: Timestamp::now().as_millis(),
        command: Some(command),
        ..Envelope::default()
    };
    let membership = to_bytes(&StoredMembership::new(Some(behind), alone));
    let payloads = [RecordPayload::Command(envelope.into()), RecordPayload::Membership(membership)];
    let records = payloads.map(|payload| LogRecord { position: at, payload });
    let outcomes = Store::open(&place).await?.apply(records.into()).await?;
    if let Some(Outcome::Refused(refused)) = outcomes.into_iter().find_map(|outcome| outcome.outcome) {
        return Err(ClusterError::Refused(refused.message));
    }
    let mut log = open_log(directory).await?;
    log.purge(behind).await.map_err(unusable)?;
    // Terms go on, too: whoever leads is elected in a higher one.
    log.save_vote(&Vote::new(from.term, from.leader)).await.map_err(unusable)?;
    Ok(from)
}

/// How far the log and the state beneath a directory go.
///
/// # Errors
/// If they cannot be used, or a daemon runs on them.
pub async fn extent(directory: &Path) -> Result<Extent, ClusterError> {
    let mut log = open_log(directory).await?;
    let store = Store::open(&directory.join("state")).await?;
    let applied = store.applied().borrow().position.unwrap_or(nothing());
    Ok(Extent { last: end(&mut log).await?.unwrap_or(applied).max(applied), applied })
}

async fn end(log: &mut Log) -> Result<Option<LogPosition>, ClusterError> {
    let state = log.get_log_state().await.map_err(unusable)?;
    Ok(state.last_log_id.map(position))
}

/// Copies the state beneath a directory to a new file, with all that its log has applied, whether it was agreed on or not. The
/// directory's own stays as it is. Returns how far that is.
///
/// # Errors
/// If log or state cannot be used, a daemon runs on them, or the log does not follow the state.
pub async fn all_of(directory: &Path, scratch: &Path, to: PathBuf) -> Result<LogPosition, ClusterError> {
    let mut log = open_log(directory).await?;
    let copied = scratch.join("copied.db");
    let own = Store::open(&directory.join("state")).await?.copy_to(copied.clone()).await?;
    let store = scratch.join("whole");
    Store::begin(&store, &copied)?;
    let store = Store::open(&store).await?;
    let mut at = own.applied.position.unwrap_or(nothing());
    let last = end(&mut log).await?.unwrap_or(at);
    while at.index < last.index {
        let next = at.index + 1..(at.index + AT_ONCE).min(last.index) + 1;
        let entries = log.try_get_log_entries(next.clone()).await.map_err(unusable)?;
        let Some(end) = entries.last().map(|entry| entry.log_id) else {
            return Err(unusable(format!("the log has no entry {}, which follows the state", next.start)));
        };
        if entries.first().is_some_and(|first| first.log_id.index != next.start) {
            return Err(unusable(format!("the log has no entry {}, which follows the state", next.start)));
        }
        store.apply(entries.into_iter().map(record).collect()).await?;
        at = position(end);
    }
    store.copy_to(to).await?;
    Ok(at)
}
