//! Revisions: the log index of an object's last change, and the condition that a caller puts on it.
//!
//! Whatever the change feed calls created or changed has a new revision. What nodes report is in the feed as
//! observed, and is no change of the object: who waits for convergence does not lose their right to write.

use npanel_model::{AccountId, TenantId};
use npanel_proto::command::{Envelope, envelope::Command};

use crate::{
    Refusal, RefusalCode,
    context::{Change, Context, Rule, tenant_id},
    noun::Noun,
    rules,
};

/// Gives the changed object its new revision.
pub(crate) fn renew(ctx: &Context<'_>, change: &Change) -> Rule<()> {
    let (Some(noun), "created" | "changed", false) =
        (Noun::from_text(change.kind), change.change, change.is_renewed)
    else {
        return Ok(());
    };
    ctx.run(
        &format!("UPDATE {} SET revision = ?2 WHERE {} = ?1", noun.table(), noun.key()),
        (&change.object, ctx.index),
    )?;
    Ok(())
}

/// Refuses a command whose object is not as its caller expects: at one of these revisions, there at all, or not there.
/// Before all rules of the noun: who works on what is not there any more should hear that first. What is not the
/// caller's to see is left to those rules, and so is what does not exist, unless this very command could make it.
pub(crate) fn require(ctx: &Context<'_>, envelope: &Envelope, command: &Command) -> Rule<()> {
    let expected = &envelope.if_match;
    let must_exist = envelope.must_exist || !expected.is_empty();
    if !must_exist && !envelope.must_not_exist {
        return Ok(());
    }
    let Some((noun, id)) = rules::subject(ctx, command)? else {
        if !must_exist {
            return Ok(());
        }
        let message = "an expected revision is for the change of one object that exists";
        return Err(Refusal::new(RefusalCode::Invalid, "", message).into());
    };
    let name = noun.in_words();
    let message = match current(ctx, noun, &id)? {
        Some((owner, account, revision)) if sees(ctx, owner, account)? => {
            if envelope.must_not_exist {
                format!("the {name} exists already, at revision {revision} (expected none)")
            } else if expected.is_empty() || expected.contains(&revision) {
                return Ok(());
            } else {
                format!("the {name} is at revision {revision} (expected {}): read it again", one_of(expected))
            }
        }
        None if must_exist && could_make(ctx, noun, &id)? => {
            format!("there is no {name} yet (expected {})", one_of(expected))
        }
        _ => return Ok(()),
    };
    Err(Refusal::new(RefusalCode::RevisionMismatch, "", message).into())
}

fn one_of(expected: &[u64]) -> String {
    match expected {
        [] => "one to exist".to_owned(),
        _ => expected.iter().map(u64::to_string).collect::<Vec<_>>().join(" or "),
    }
}

/// Whether the caller's command makes the object where it is not: an account's table of scheduled jobs.
fn could_make(ctx: &Context<'_>, noun: Noun, id: &[u8]) -> Rule<bool> {
    if noun != Noun::CronTable {
        return Ok(false);
    }
    let owner = ctx.find("SELECT tenant_id FROM accounts WHERE id = ?1", [id], |row| tenant_id(row, 0))?;
    let account = AccountId::from_bytes(id).ok();
    owner.map_or(Ok(false), |owner| sees(ctx, owner, account))
}

/// Whether the principal sees what is the tenant's or, if it is an account's, what is that account's.
fn sees(ctx: &Context<'_>, tenant: TenantId, account: Option<AccountId>) -> Rule<bool> {
    account.map_or_else(|| ctx.sees(tenant), |account| ctx.sees_of(tenant, account))
}

/// Whose the object is: the tenant's and, if it is one's, the account's; and its revision.
fn current(ctx: &Context<'_>, noun: Noun, id: &[u8]) -> Rule<Option<(TenantId, Option<AccountId>, u64)>> {
    let (owner, table, key) = (noun.owner(), noun.table(), noun.key());
    let account = noun.account().unwrap_or("NULL");
    let select = format!("SELECT {owner}, revision, {account} FROM {table} WHERE {key} = ?1");
    ctx.find(&select, [id], |row| {
        let account = row.get::<_, Option<Vec<u8>>>(2)?.and_then(|id| AccountId::from_bytes(&id).ok());
        Ok((tenant_id(row, 0)?, account, row.get(1)?))
    })
}
