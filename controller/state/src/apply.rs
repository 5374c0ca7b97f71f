//! Applying one log record inside the batch's transaction.

use std::cell::{Cell, OnceCell, RefCell};

use npanel_audit::Frontier;
use npanel_model::{ApiKeyId, IdentityProviderId, NodeId, SessionId, TokenId, UserId};
use npanel_proto::command::{Accepted, Envelope, Outcome, envelope::Command, outcome, principal};
use rusqlite::{Connection, Transaction};

use crate::{
    CALLERS_KEY, LogPosition, LogRecord, RecordPayload, Refusal, RefusalCode, StoreError,
    access::Credential,
    audit,
    context::{Context, Forewarned, Halt, Principal, Rule},
    level,
    logins::Logins,
    memory::Memory,
    noun::Noun,
    repetition, revision, rules,
};

/// How a refused command's changes are taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undoing {
    /// With the whole batch, which has to be applied anew.
    WithBatch,
    /// By a savepoint of the command's own, which costs every command something.
    BySavepoint,
}

/// Why a record is not applied.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// It was refused, or done before, and has changed something: the batch is to be taken back, and applied with savepoints.
    Changed,
    /// The database failed, or is of an older version.
    Broken(StoreError),
}

impl<E: Into<StoreError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

/// The transaction of a batch, and what goes on with it.
pub(crate) struct Batch<'a> {
    pub(crate) db: &'a Transaction<'a>,
    pub(crate) memory: &'a RefCell<Memory>,
    pub(crate) logins: &'a Logins,
    pub(crate) undoing: Undoing,
    /// The feature level that this replica goes up to.
    pub(crate) most: u32,
}

impl Batch<'_> {
    /// Applies the record. A refusal is an outcome. `tree` goes on with the record.
    pub(crate) fn apply(&self, tree: &mut Frontier, record: &LogRecord) -> Result<Outcome, Stopped> {
        let index = record.position.index;
        match &record.payload {
            RecordPayload::Blank => Ok(accepted(index, Accepted::default())),
            RecordPayload::Membership(bytes) => {
                self.db.execute("UPDATE raft SET membership = ?1", [bytes])?;
                Ok(accepted(index, Accepted::default()))
            }
            RecordPayload::Newer => Err(StoreError::Newer { index }.into()),
            RecordPayload::Command(envelope) => self.command(tree, record.position, envelope),
        }
    }

    fn command(
        &self,
        tree: &mut Frontier,
        position: LogPosition,
        envelope: &Envelope,
    ) -> Result<Outcome, Stopped> {
        let (clock, changes) = (self.memory.borrow().clock(), self.db.total_changes());
        if self.undoing == Undoing::BySavepoint {
            run(self.db, "SAVEPOINT command")?;
        }
        let index = position.index;
        let refusal = match apply(self, tree, position, envelope, None) {
            Ok((done, appended)) => {
                if self.undoing == Undoing::BySavepoint {
                    run(self.db, "RELEASE command")?;
                }
                if let Some(appended) = appended {
                    *tree = appended;
                }
                return Ok(accepted(index, done));
            }
            Err(Halt::Refused(refusal)) => refusal,
            Err(Halt::Broken(error)) if is_of_the_command(&error) => {
                tracing::error!(%error, "a rule let a command through that the database refuses");
                unstorable()
            }
            Err(Halt::Broken(error)) => return Err(error.into()),
            Err(Halt::Newer) => return Err(StoreError::Newer { index }.into()),
            Err(Halt::Beyond(level)) => return Err(StoreError::Beyond { level, most: self.most }.into()),
            Err(Halt::Repeated) => return Err(Stopped::Changed),
        };
        self.memory.borrow_mut().set_clock_back(clock);
        if self.undoing == Undoing::BySavepoint {
            run(self.db, "ROLLBACK TO command")?;
            run(self.db, "RELEASE command")?;
            self.memory.borrow_mut().forget();
        } else if self.db.total_changes() != changes {
            return Err(Stopped::Changed);
        }
        Ok(refused(index, refusal))
    }
}

fn accepted(index: u64, accepted: Accepted) -> Outcome {
    Outcome { index, outcome: Some(outcome::Outcome::Accepted(accepted)) }
}

fn refused(index: u64, refusal: Refusal) -> Outcome {
    Outcome { index, outcome: Some(outcome::Outcome::Refused(refusal.into())) }
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

/// By a prepared statement: the driver's own savepoints are parsed anew each time.
fn run(batch: &Connection, statement: &str) -> rusqlite::Result<()> {
    batch.prepare_cached(statement)?.execute([]).map(drop)
}

/// What a command came to, in a transaction that is to be taken back.
pub(crate) enum Applied {
    Refused(Refusal),
    Accepted { accepted: Accepted, forewarned: Forewarned },
}

/// Applies a command as [`Batch::apply`] does, and collects what its rules warn of.
pub(crate) fn foresee(
    batch: &Batch<'_>,
    tree: &Frontier,
    position: LogPosition,
    envelope: &Envelope,
) -> Result<Applied, StoreError> {
    let forewarned = RefCell::default();
    match apply(batch, tree, position, envelope, Some(&forewarned)) {
        Ok((accepted, _)) => Ok(Applied::Accepted { accepted, forewarned: forewarned.into_inner() }),
        Err(Halt::Refused(refusal)) => Ok(Applied::Refused(refusal)),
        Err(Halt::Broken(error)) if is_of_the_command(&error) => Ok(Applied::Refused(unstorable())),
        Err(Halt::Broken(error)) => Err(error.into()),
        Err(Halt::Newer) => Err(StoreError::Newer { index: position.index }),
        Err(Halt::Beyond(level)) => Err(StoreError::Beyond { level, most: batch.most }),
        Err(Halt::Repeated) => unreachable!("what is taken back as a whole replaces answers"),
    }
}

fn unstorable() -> Refusal {
    let message = "a value is outside what can be stored, or clashes with what is there";
    Refusal::new(RefusalCode::Invalid, "", message)
}

/// What came of the command, and the audit's tree with its entry, if it has one.
fn apply(
    batch: &Batch<'_>,
    tree: &Frontier,
    position: LogPosition,
    envelope: &Envelope,
    forewarned: Option<&RefCell<Forewarned>>,
) -> Rule<(Accepted, Option<Frontier>)> {
    // What this replica does not go so far as to know must not be passed over: another may apply it. It stops, to be started
    // again by a newer version.
    let command = envelope.command.as_ref().ok_or(Halt::Newer)?;
    if envelope.feature_level > batch.most {
        return Err(Halt::Beyond(envelope.feature_level));
    }
    let (now, active) = {
        let mut memory = batch.memory.borrow_mut();
        (memory.advance_clock(batch.db, envelope.time_millis)?, memory.level(batch.db)?)
    };
    let ctx = Context {
        db: batch.db,
        now,
        level: level::of_rules(envelope, command, active)?,
        index: position.index,
        request_id: &envelope.request_id,
        source_address: &envelope.source_address,
        principal: principal(envelope)?,
        changes: RefCell::default(),
        tree,
        appended: RefCell::default(),
        access: OnceCell::new(),
        account: Cell::default(),
        memory: batch.memory,
        logins: batch.logins,
        forewarned,
    };
    let repeats = Repeats::of(envelope, batch.undoing);
    if repeats == Repeats::Looked
        && let Some(earlier) = repetition::answer(&ctx, envelope)?
    {
        return Ok((earlier, None));
    }
    match decide(&ctx, envelope, command, batch.undoing) {
        // It may be refused because of what it did before.
        Err(Halt::Refused(_)) if repeats == Repeats::Met && repetition::answer(&ctx, envelope)?.is_some() => {
            Err(Halt::Repeated)
        }
        Err(halt) => Err(halt),
        Ok(accepted) => Ok((accepted, ctx.appended.take())),
    }
}

/// How it is found out that a command has been carried out before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    /// It is looked for.
    Looked,
    /// By what is there when its answer is written down: it hardly ever has.
    Met,
}

impl Repeats {
    fn of(envelope: &Envelope, undoing: Undoing) -> Self {
        match undoing {
            Undoing::WithBatch if !envelope.idempotency_key.starts_with(CALLERS_KEY) => Self::Met,
            _ => Self::Looked,
        }
    }
}

fn decide(ctx: &Context<'_>, envelope: &Envelope, command: &Command, undoing: Undoing) -> Rule<Accepted> {
    revision::require(ctx, envelope, command)?;
    let asked = audit::look(ctx, command)?;
    let effect = rules::apply(ctx, command)?;
    write_changes(ctx)?;
    let Some((asked, effect)) = asked.zip(effect) else { return Ok(Accepted::default()) };
    audit::enter(ctx, &asked, &effect, envelope, command)?;
    let accepted = Accepted { object_id: effect.object, operation_id: effect.operation, replayed: false };
    repetition::remember(ctx, envelope, &accepted, undoing)?;
    Ok(accepted)
}

fn principal(envelope: &Envelope) -> Rule<Principal> {
    let unknown = || Refusal::new(RefusalCode::Unauthenticated, "", "the command does not say who asks");
    let who = envelope.principal.as_ref().and_then(|principal| principal.who.as_ref()).ok_or_else(unknown)?;
    let parsed = match who {
        principal::Who::ApiKeyId(id) => {
            ApiKeyId::from_bytes(id).map(|id| Principal::Shown(Credential::ApiKey(id)))
        }
        principal::Who::SessionId(id) => {
            SessionId::from_bytes(id).map(|id| Principal::Shown(Credential::Session(id)))
        }
        principal::Who::UserId(id) => UserId::from_bytes(id).map(Principal::User),
        principal::Who::IdentityProviderId(id) => IdentityProviderId::from_bytes(id).map(Principal::Known),
        principal::Who::NodeId(id) => NodeId::from_bytes(id).map(Principal::Node),
        principal::Who::ControllerId(id) => Ok(Principal::Controller(*id)),
        principal::Who::TokenId(id) => TokenId::from_bytes(id).map(Principal::Token),
    };
    parsed.map_err(|_| unknown().into())
}

fn write_changes(ctx: &Context<'_>) -> Rule<()> {
    let actor = ctx.actor()?;
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
        let opens = matches!(
            Noun::from_text(change.kind),
            Some(Noun::ApiKey | Noun::Tenant | Noun::User | Noun::Session | Noun::IdentityProvider)
        );
        // What is new is not known yet. With a tenant go its keys and users, and with a provider its sessions.
        if opens && change.change != "created" {
            ctx.logins.will_change();
            ctx.memory.borrow_mut().forget();
        }
    }
    Ok(())
}
