//! Requests that come again: what came of one is kept under its idempotency key, in the transaction of its effect.
//!
//! A refusal leaves nothing, its key included: there is no effect that could happen twice.

use npanel_model::Timestamp;
use npanel_proto::command::{Accepted, Envelope};
use prost::Message;

use crate::{
    Refusal, RefusalCode,
    apply::Undoing,
    context::{Context, Halt, Rule},
};

/// What the idempotency key of an envelope begins with if it is a caller's own. Any other was made by a controller, to
/// propose the command again when it does not hear what became of it.
pub const CALLERS_KEY: &str = "caller/";

/// How long the answer to a caller's key is kept: 24 hours.
pub(crate) const KEPT_MILLIS: i64 = 24 * 3600 * 1000;

/// How long that to a controller's key is: ten minutes. A controller gives up after 15 seconds, and nobody else knows the
/// key. Most writes have such a key: kept for a day, there would be a row for each write of the day.
const KEPT_OWN_MILLIS: i64 = 10 * 60 * 1000;

/// With every so manieth entry of the audit, so many answers go that are over. They are twice as many as come, so what
/// has gathered goes, and so few that no write waits for the end of a busy day a day later.
const SWEEP_EVERY: u64 = 8;
const SWEPT: u64 = 2 * SWEEP_EVERY;

/// What the same request came to before.
pub(crate) fn answer(ctx: &Context<'_>, envelope: &Envelope) -> Rule<Option<Accepted>> {
    if envelope.idempotency_key.is_empty() {
        return Ok(None);
    }
    // One that is over may be there still.
    let found = ctx.find(
        "SELECT request_digest, outcome FROM idempotency WHERE tenant_id = ?1 AND key = ?2 AND created_millis >= ?3",
        (ctx.principal_tenant()?.to_bytes(), &envelope.idempotency_key, oldest(ctx.now)),
        |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)),
    )?;
    let Some((digest, outcome)) = found else { return Ok(None) };
    let mut others = std::iter::once(&envelope.request_digest).chain(&envelope.other_request_digests);
    if !others.clone().any(|other| *other == digest) {
        if !others.any(|other| key_of(other) == key_of(&digest)) {
            let message = "the request under this idempotency key was kept by a key that this controller does not have yet";
            return Err(Refusal::new(RefusalCode::KeyReplaced, "", message).into());
        }
        let message = "this idempotency key was used with another request";
        return Err(Refusal::new(RefusalCode::IdempotencyKeyReused, "", message).into());
    }
    Ok(Some(repeated(&outcome)))
}

/// The name of the key that a digest is by: what is before its thirty-two bytes.
pub(crate) fn key_of(digest: &[u8]) -> &[u8] {
    &digest[..digest.len().saturating_sub(32)]
}

/// A stored answer, as whoever asks again gets it.
pub(crate) fn repeated(outcome: &[u8]) -> Accepted {
    Accepted { replayed: true, ..Accepted::decode(outcome).unwrap_or_default() }
}

/// The time from which on answers are kept, as their rows say when they were made.
pub(crate) fn oldest(now: Timestamp) -> i64 {
    now.as_millis() - KEPT_MILLIS
}

/// Keeps the answer. If there is one under the key already: in place of that one, which was looked at and is over; or, where
/// all can be taken back, not at all.
pub(crate) fn remember(
    ctx: &Context<'_>,
    envelope: &Envelope,
    accepted: &Accepted,
    undoing: Undoing,
) -> Rule<()> {
    if envelope.idempotency_key.is_empty() {
        return Ok(());
    }
    let is_callers = envelope.idempotency_key.starts_with(CALLERS_KEY);
    // What is kept for less is written down as older, so that one order says what goes next.
    let ahead = if is_callers { 0 } else { KEPT_MILLIS - KEPT_OWN_MILLIS };
    let insert = match undoing {
        Undoing::BySavepoint => {
            "INSERT OR REPLACE INTO idempotency (tenant_id, key, request_digest, outcome, created_millis)
             VALUES (?1, ?2, ?3, ?4, ?5)"
        }
        Undoing::WithBatch => {
            "INSERT INTO idempotency (tenant_id, key, request_digest, outcome, created_millis)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING"
        }
    };
    let kept = ctx.run(
        insert,
        (
            ctx.principal_tenant()?.to_bytes(),
            &envelope.idempotency_key,
            &envelope.request_digest,
            accepted.encode_to_vec(),
            ctx.now.as_millis() - ahead,
        ),
    )?;
    if kept == 0 {
        return Err(Halt::Repeated);
    }
    if ctx.tree.size().is_multiple_of(SWEEP_EVERY) { sweep(ctx) } else { Ok(()) }
}

fn sweep(ctx: &Context<'_>) -> Rule<()> {
    ctx.run(
        "DELETE FROM idempotency WHERE (tenant_id, key) IN (
             SELECT tenant_id, key FROM idempotency WHERE created_millis < ?1
             ORDER BY created_millis, tenant_id, key LIMIT ?2)",
        (oldest(ctx.now), SWEPT),
    )?;
    Ok(())
}
