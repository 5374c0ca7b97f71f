//! Revisions: the log index of an object's last change, and the condition that a caller puts on it.
//!
//! Whatever the change feed calls created or changed has a new revision. What nodes report is in the feed as
//! observed, and is no change of the object: who waits for convergence does not lose their right to write.

use npanel_model::TenantId;
use npanel_proto::command::envelope::Command;

use crate::{
    Refusal, RefusalCode,
    context::{Change, Context, Rule, tenant_id},
    noun::Noun,
    rules,
};

/// Gives the changed object its new revision.
pub(crate) fn renew(ctx: &Context<'_>, change: &Change) -> Rule<()> {
    let (Some(noun), "created" | "changed") = (Noun::from_text(change.kind), change.change) else {
        return Ok(());
    };
    ctx.run(
        &format!("UPDATE {} SET revision = ?2 WHERE id = ?1", noun.table()),
        (&change.object, ctx.index),
    )?;
    Ok(())
}

/// Refuses a command whose object is at none of the revisions that its caller expects. Before all rules of the
/// noun: who works on what is not there any more should hear that first. What does not exist, or is not the
/// caller's to see, is left to those rules.
pub(crate) fn require(ctx: &Context<'_>, expected: &[u64], command: &Command) -> Rule<()> {
    if expected.is_empty() {
        return Ok(());
    }
    let Some((noun, id)) = rules::subject(command) else {
        let message = "an expected revision is for what exists; this makes something new";
        return Err(Refusal::new(RefusalCode::Invalid, "", message).into());
    };
    let Some((owner, revision)) = current(ctx, noun, id)? else { return Ok(()) };
    if expected.contains(&revision) || !ctx.sees(owner)? {
        return Ok(());
    }
    let wanted: Vec<String> = expected.iter().map(u64::to_string).collect();
    let message = format!(
        "the {} is at revision {revision} (expected {}): read it again",
        noun.in_words(),
        wanted.join(" or ")
    );
    Err(Refusal::new(RefusalCode::RevisionMismatch, "", message).into())
}

fn current(ctx: &Context<'_>, noun: Noun, id: &[u8]) -> Rule<Option<(TenantId, u64)>> {
    let (owner, table) = (noun.owner(), noun.table());
    ctx.find(&format!("SELECT {owner}, revision FROM {table} WHERE id = ?1"), [id], |row| {
        Ok((tenant_id(row, 0)?, row.get(1)?))
    })
}
