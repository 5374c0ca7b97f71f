//! Machines' certificates: how they are written down, renewed and revoked.

use npanel_model::{Action, NodeId};
use npanel_proto::command::{Certificate, RenewIdentity};

use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Principal, Rule},
};

/// How many of a machine's certificates are remembered: the newest, and those that connections may still be open
/// with.
const KEPT: u32 = 4;

/// Remembers a certificate that was issued to `subject` ("node/<id>" or "controller/<id>").
pub(super) fn insert(ctx: &Context<'_>, subject: &str, certificate: Option<&Certificate>) -> Rule<()> {
    let certificate = certificate
        .filter(|certificate| !certificate.serial.is_empty() && certificate.key_fingerprint.len() == 32)
        .ok_or_else(|| Refusal::new(RefusalCode::Invalid, "", "an identity has a certificate"))?;
    ctx.run(
        "INSERT INTO identities (serial, subject, key_fingerprint, not_after_millis, authority, issued_index)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (
            &certificate.serial,
            subject,
            &certificate.key_fingerprint,
            certificate.not_after_millis,
            &certificate.authority_fingerprint,
            ctx.index,
        ),
    )?;
    Ok(())
}

/// The next certificate of the machine that asks. What it showed stays good until it expires.
pub(super) fn renew(ctx: &Context<'_>, body: &RenewIdentity) -> Rule<Effect> {
    ctx.authorise(Action::IdentityRenew)?;
    let (subject, object) = match ctx.principal {
        Principal::Node(node) => (node_with(ctx, node, body)?, node.to_bytes()),
        Principal::Controller(id) => (controller(ctx, id)?, id.to_be_bytes().to_vec()),
        Principal::Shown(_) | Principal::User(_) | Principal::Known(_) | Principal::Token(_) => {
            return Err(refused("only a machine renews").into());
        }
    };
    insert(ctx, &subject, body.certificate.as_ref())?;
    forget_old(ctx, &subject, &body.current_serial)?;
    let tenant = ctx.root_tenant()?;
    Ok(Effect { tenant, action: Action::IdentityRenew, object, operation: Vec::new() })
}

/// A node is known by the certificate that it showed.
fn node_with(ctx: &Context<'_>, node: NodeId, body: &RenewIdentity) -> Rule<String> {
    let subject = format!("node/{node}");
    let shown = ctx.find(
        "SELECT key_fingerprint, revoked_millis IS NOT NULL FROM identities WHERE serial = ?1 AND subject = ?2",
        (&body.current_serial, &subject),
        |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, bool>(1)?)),
    )?;
    let lives = ctx.count("SELECT EXISTS (SELECT 1 FROM nodes WHERE id = ?1)", [node.to_bytes()])? == 1;
    match shown {
        _ if !lives => Err(refused("the node is not in the fleet").into()),
        None if may_be_lost(ctx, node, &subject, body.current_not_before_millis)? => Ok(subject),
        None => Err(refused("the certificate shown was not issued, or is too old to be remembered").into()),
        Some((_, true)) => Err(refused("the certificate shown is revoked").into()),
        Some((key, false)) if key != body.current_key_fingerprint => {
            Err(refused("the certificate shown is for another key").into())
        }
        Some(_) => Ok(subject),
    }
}

/// Whether a certificate that is not known was issued, for all the state can tell, after what it was restored from: to a node
/// that it has and that was not revoked since. Of the node's id, its subject, and from when the certificate is valid.
pub(crate) const MAY_BE_LOST: &str = "SELECT EXISTS (
    SELECT 1 FROM cluster c, nodes n
    WHERE n.id = ?1 AND n.revoked_index IS NULL AND ?3 <= c.restored_millis
        AND NOT EXISTS (SELECT 1 FROM identities WHERE subject = ?2 AND revoked_index > c.restored_index)
) AS may_be_lost";

fn may_be_lost(ctx: &Context<'_>, node: NodeId, subject: &str, not_before_millis: i64) -> Rule<bool> {
    // A command of before there were restorations does not say it.
    let found =
        not_before_millis > 0 && ctx.count(MAY_BE_LOST, (node.to_bytes(), subject, not_before_millis))? == 1;
    Ok(found)
}

/// A controller holds the authority's key and certifies itself, so it is known by its id alone.
fn controller(ctx: &Context<'_>, id: u64) -> Rule<String> {
    match ctx.count("SELECT EXISTS (SELECT 1 FROM controllers WHERE id = ?1)", [id])? {
        0 => Err(refused("the controller is not in the cluster").into()),
        _ => Ok(format!("controller/{id}")),
    }
}

/// Keeps the newest, and the one that was shown: if the answer is lost, the machine shows it again.
fn forget_old(ctx: &Context<'_>, subject: &str, shown: &[u8]) -> Rule<()> {
    ctx.run(
        "DELETE FROM identities WHERE subject = ?1 AND revoked_millis IS NULL AND serial != ?2 AND serial NOT IN (
             SELECT serial FROM identities WHERE subject = ?1 ORDER BY issued_index DESC LIMIT ?3)",
        (subject, shown, KEPT),
    )?;
    Ok(())
}

/// From here on, every certificate of `subject` is refused.
pub(super) fn revoke(ctx: &Context<'_>, subject: &str) -> Rule<()> {
    ctx.run(
        "UPDATE identities SET revoked_millis = ?2, revoked_index = ?3
         WHERE subject = ?1 AND revoked_millis IS NULL",
        (subject, ctx.now.as_millis(), ctx.index),
    )?;
    Ok(())
}

fn refused(why: &str) -> Refusal {
    Refusal::new(RefusalCode::IdentityInvalid, "", why)
}
