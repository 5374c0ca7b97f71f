//! Applying one log record inside the batch's transaction.

use std::cell::{OnceCell, RefCell};

use npanel_audit::Frontier;
use npanel_model::{ApiKeyId, NodeId, Timestamp, TokenId};
use npanel_proto::command::{Accepted, Envelope, Outcome, outcome, principal};
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::{
    LogPosition, LogRecord, RecordPayload, Refusal, RefusalCode, StoreError, audit,
    context::{Context, Halt, Principal, Rule},
    level,
    logins::Logins,
    noun::Noun,
    repetition, revision, rules,
};

/// Applies the record. A refusal is an outcome; an error means that the database failed, or that the record is beyond this
/// replica, which goes up to the feature level `most`. `tree` goes on with the record, and is that of the batch's transaction.
pub(crate) fn record(
    batch: &Transaction<'_>,
    tree: &mut Frontier,
    logins: &Logins,
    most: u32,
    record: &LogRecord,
) -> Result<Outcome, StoreError> {
    let index = record.position.index;
    match &record.payload {
        RecordPayload::Blank => Ok(accepted(index, Accepted::default())),
        RecordPayload::Membership(bytes) => {
            batch.execute("UPDATE raft SET membership = ?1", [bytes])?;
            Ok(accepted(index, Accepted::default()))
        }
        RecordPayload::Newer => Err(StoreError::Newer { index }),
        RecordPayload::Command(envelope) => command(batch, tree, logins, most, record.position, envelope),
    }
}

fn accepted(index: u64, accepted: Accepted) -> Outcome {
    Outcome { index, outcome: Some(outcome::Outcome::Accepted(accepted)) }
}

fn refused(index: u64, refusal: Refusal) -> Outcome {
    Outcome { index, outcome: Some(outcome::Outcome::Refused(refusal.into())) }
}

/// Each command has a savepoint of its own: what a refused one wrote is taken back.
fn command(
    batch: &Transaction<'_>,
    tree: &mut Frontier,
    logins: &Logins,
    most: u32,
    position: LogPosition,
    envelope: &Envelope,
) -> Result<Outcome, StoreError> {
    run(batch, "SAVEPOINT command")?;
    match apply(batch, tree, logins, most, position, envelope, None) {
        Ok((done, appended)) => {
            run(batch, "RELEASE command")?;
            if let Some(appended) = appended {
                *tree = appended;
            }
            Ok(accepted(position.index, done))
        }
        Err(Halt::Refused(refusal)) => {
            roll_back(batch)?;
            Ok(refused(position.index, refusal))
        }
        Err(Halt::Broken(error)) if is_of_the_command(&error) => {
            roll_back(batch)?;
            tracing::error!(%error, "a rule let a command through that the database refuses");
            Ok(refused(position.index, unstorable()))
        }
        Err(Halt::Broken(error)) => Err(error.into()),
        Err(Halt::Newer) => Err(StoreError::Newer { index: position.index }),
        Err(Halt::Beyond(level)) => Err(StoreError::Beyond { level, most }),
    }
}

/// Whether the database refuses the command itself, as it would on every replica, rather than being broken.
/// The rules are meant to refuse it first; but what is in the log is applied again at every start, so no command
/// whatever may stop a replica.
fn is_of_the_command(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::ToSqlConversionFailure(_) => true,
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(failure.code, rusqlite::ErrorCode::ConstraintViolation | rusqlite::ErrorCode::TooBig)
        }
        _ => false,
    }
}

fn roll_back(batch: &Connection) -> rusqlite::Result<()> {
    run(batch, "ROLLBACK TO command")?;
    run(batch, "RELEASE command")
}

/// By a prepared statement: the driver's own savepoints are parsed anew each time.
fn run(batch: &Connection, statement: &str) -> rusqlite::Result<()> {
    batch.prepare_cached(statement)?.execute([]).map(drop)
}

/// What a command came to, in a transaction that is to be taken back.
pub(crate) enum Applied {
    Refused(Refusal),
    Accepted { accepted: Accepted, warnings: Vec<String> },
}

/// Applies a command as [`record`] does, and collects what its rules warn of.
pub(crate) fn foresee(
    db: &Connection,
    tree: &Frontier,
    logins: &Logins,
    most: u32,
    position: LogPosition,
    envelope: &Envelope,
) -> Result<Applied, StoreError> {
    let warnings = RefCell::default();
    match apply(db, tree, logins, most, position, envelope, Some(&warnings)) {
        Ok((accepted, _)) => Ok(Applied::Accepted { accepted, warnings: warnings.into_inner() }),
        Err(Halt::Refused(refusal)) => Ok(Applied::Refused(refusal)),
        Err(Halt::Broken(error)) if is_of_the_command(&error) => Ok(Applied::Refused(unstorable())),
        Err(Halt::Broken(error)) => Err(error.into()),
        Err(Halt::Newer) => Err(StoreError::Newer { index: position.index }),
        Err(Halt::Beyond(level)) => Err(StoreError::Beyond { level, most }),
    }
}

fn unstorable() -> Refusal {
    let message = "a value is outside what can be stored, or clashes with what is there";
    Refusal::new(RefusalCode::Invalid, "", message)
}

/// What came of the command, and the audit's tree with its entry, if it has one.
fn apply(
    db: &Connection,
    tree: &Frontier,
    logins: &Logins,
    most: u32,
    position: LogPosition,
    envelope: &Envelope,
    warnings: Option<&RefCell<Vec<String>>>,
) -> Rule<(Accepted, Option<Frontier>)> {
    // What this replica does not go so far as to know must not be passed over: another may apply it. It stops, to be started
    // again by a newer version.
    let command = envelope.command.as_ref().ok_or(Halt::Newer)?;
    if envelope.feature_level > most {
        return Err(Halt::Beyond(envelope.feature_level));
    }
    let (now, active) = advance_clock(db, envelope.time_millis)?;
    let ctx = Context {
        db,
        now,
        level: level::of_rules(envelope, command, active)?,
        index: position.index,
        request_id: &envelope.request_id,
        source_address: &envelope.source_address,
        principal: principal(envelope)?,
        changes: RefCell::default(),
        tree,
        appended: RefCell::default(),
        key: OnceCell::new(),
        logins,
        warnings,
    };
    if let Some(earlier) = repetition::answer(&ctx, envelope)? {
        return Ok((earlier, None));
    }
    revision::require(&ctx, envelope, command)?;
    let asked = audit::look(&ctx, command)?;
    let effect = rules::apply(&ctx, command)?;
    write_changes(&ctx)?;
    let Some((asked, effect)) = asked.zip(effect) else { return Ok((Accepted::default(), None)) };
    audit::enter(&ctx, &asked, &effect, envelope, command)?;
    let accepted = Accepted { object_id: effect.object, operation_id: effect.operation, replayed: false };
    repetition::remember(&ctx, envelope, &accepted)?;
    Ok((accepted, ctx.appended.take()))
}

/// Time as the state knows it: the leader's, but never back; and the feature level that the cluster is at, if there is one.
fn advance_clock(db: &Connection, proposed_millis: i64) -> Rule<(Timestamp, Option<u32>)> {
    let clock: Option<(i64, u32)> = db
        .prepare_cached(
            "UPDATE cluster SET clock_millis = max(clock_millis, ?1) RETURNING clock_millis, feature_level",
        )?
        .query_row([proposed_millis], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let now = Timestamp::from_millis(clock.map_or(proposed_millis, |(now, _)| now));
    Ok((now, clock.map(|(_, stored)| level::agreed(stored))))
}

fn principal(envelope: &Envelope) -> Rule<Principal> {
    let unknown = || Refusal::new(RefusalCode::Unauthenticated, "", "the command does not say who asks");
    let who = envelope.principal.as_ref().and_then(|principal| principal.who.as_ref()).ok_or_else(unknown)?;
    let parsed = match who {
        principal::Who::ApiKeyId(id) => ApiKeyId::from_bytes(id).map(Principal::ApiKey),
        principal::Who::NodeId(id) => NodeId::from_bytes(id).map(Principal::Node),
        principal::Who::ControllerId(id) => Ok(Principal::Controller(*id)),
        principal::Who::TokenId(id) => TokenId::from_bytes(id).map(Principal::Token),
    };
    parsed.map_err(|_| unknown().into())
}

fn write_changes(ctx: &Context<'_>) -> Rule<()> {
    let actor = ctx.principal.to_string();
    for (place, change) in ctx.changes.take().into_iter().enumerate() {
        ctx.run(
            "INSERT INTO changes (log_index, position, tenant_id, kind, object_id, change, time_millis, actor)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (
                ctx.index,
                place,
                change.tenant.to_bytes(),
                change.kind,
                &change.object,
                change.change,
                ctx.now.as_millis(),
                &actor,
            ),
        )?;
        revision::renew(ctx, &change)?;
        if matches!(Noun::from_text(change.kind), Some(Noun::ApiKey | Noun::Tenant)) {
            // With a tenant go its keys.
            ctx.logins.will_change();
        }
    }
    Ok(())
}
