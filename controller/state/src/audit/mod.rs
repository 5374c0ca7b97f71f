//! The audit: every accepted write is an entry, and the entries are the leaves of a tree.
//!
//! The tree is appended to by what is needed of it in memory ([`Frontier`]), so an entry costs one row. The writer has
//! the frontier of what is committed; a command's own is taken over once the command is.

mod object;
mod tree;

use npanel_audit::{Entry, Hash};
use npanel_model::{AccountId, TenantId};
use npanel_proto::command::{Envelope, envelope::Command};

use crate::context::{Context, Effect, Principal, Rule};

pub(crate) use object::{AuditedObject, audited_object, digest};
pub(crate) use tree::{StoredNodes, frontier};

/// From this level on, entries are in the tree. What was applied below it is not: replicas that did so before they
/// knew of the tree came to the same.
const TREE_LEVEL: u32 = 3;

/// From this level on it is kept which account's an entry is: beside the entry, for it is found by that and not vouched for.
const ACCOUNT_KEPT: u32 = 4;

/// What is known of a command before it is applied.
pub(crate) struct Asked<'a> {
    object: AuditedObject<'a>,
    before: Option<Hash>,
}

/// Looks at what the command is about, before its rules change it. `None`: it is nothing to be audited.
pub(crate) fn look<'a>(ctx: &Context<'_>, command: &'a Command) -> Rule<Option<Asked<'a>>> {
    let Some(object) = audited_object(ctx, command)? else { return Ok(None) };
    let is_in_tree = ctx.level >= TREE_LEVEL;
    Ok(Some(Asked { before: if is_in_tree { digest(ctx, &object)? } else { None }, object }))
}

/// Writes down that the command was accepted.
pub(crate) fn enter(
    ctx: &Context<'_>,
    asked: &Asked<'_>,
    effect: &Effect,
    envelope: &Envelope,
    command: &Command,
) -> Rule<()> {
    let mut body = Vec::with_capacity(256);
    command.encode(&mut body);
    let mut entry = Entry {
        log_index: ctx.index,
        time_millis: ctx.now.as_millis(),
        tenant: effect.tenant,
        actor: ctx.actor()?,
        actor_tenant: None,
        source_address: envelope.source_address.clone(),
        request_id: envelope.request_id.clone(),
        action: effect.action.as_str().to_owned(),
        object_kind: asked.object.kind.as_str().to_owned(),
        object: effect.object.clone(),
        command_digest: Hash::of(&body),
        before: asked.before,
        after: None,
    };
    if ctx.level < TREE_LEVEL {
        return write(ctx, &entry, None, &[]);
    }
    if let Principal::Shown(_) | Principal::User(_) | Principal::Known(_) = ctx.principal {
        entry.actor_tenant = Some(ctx.principal_tenant()?);
    }
    entry.after = digest(ctx, &asked.object)?;
    let mut tree = ctx.tree.clone();
    let position = tree.size();
    let complete: Vec<u8> = tree.append(entry.leaf_hash()).iter().flat_map(|node| *node.as_bytes()).collect();
    write(ctx, &entry, Some(position), &complete)?;
    ctx.appended.replace(Some(tree));
    Ok(())
}

fn write(ctx: &Context<'_>, entry: &Entry, position: Option<u64>, hashes: &[u8]) -> Rule<()> {
    let bytes = |hash: &Option<Hash>| hash.map(|hash| *hash.as_bytes());
    ctx.run(
        "INSERT INTO audit (log_index, time_millis, tenant_id, principal, source_address, request_id, action,
             object_id, command_digest, position, actor_tenant_id, object_kind, before_digest, after_digest, hashes,
             account_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        (
            entry.log_index,
            entry.time_millis,
            entry.tenant.to_bytes(),
            &entry.actor,
            &entry.source_address,
            &entry.request_id,
            &entry.action,
            &entry.object,
            entry.command_digest.as_bytes(),
            position,
            entry.actor_tenant.map(TenantId::to_bytes),
            &entry.object_kind,
            bytes(&entry.before),
            bytes(&entry.after),
            hashes,
            ctx.account.get().filter(|_| ctx.level >= ACCOUNT_KEPT).map(AccountId::to_bytes),
        ),
    )?;
    Ok(())
}
