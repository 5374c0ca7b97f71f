//! Whose names are whose: no account gets a name beneath or above another account's.

use npanel_model::{AccountId, Fqdn};

use crate::{
    Refusal, RefusalCode,
    context::{Context, Rule, wire_text},
};

/// Refuses a name that another account has, or that lies beneath or above one that it has.
pub(super) fn require_free(ctx: &Context<'_>, account: AccountId, name: &Fqdn) -> Rule<()> {
    require_not_the_fleets(ctx, name)?;
    for (at, is_self) in std::iter::once((name.clone(), true)).chain(name.ancestors().map(|at| (at, false))) {
        if is_anothers(ctx, &at, Place::Own, account)? {
            return Err(refusal(name, is_self).into());
        }
    }
    if is_anothers(ctx, name, Place::Beneath, account)? {
        return Err(refusal(name, false).into());
    }
    Ok(())
}

/// The name servers of every zone are named in one domain: whoever had it, or a name in it, had them all.
fn require_not_the_fleets(ctx: &Context<'_>, name: &Fqdn) -> Rule<()> {
    let domain = ctx.find("SELECT name_server_domain FROM cluster", [], |row| row.get::<_, String>(0))?;
    let Some(domain) = domain else { return Ok(()) };
    let fleets: Fqdn = wire_text(&domain, "/name")?;
    if name.is_within(&fleets) || fleets.is_within(name) {
        let message = format!("{name} belongs to the fleet: its name servers are named in {fleets}");
        return Err(Refusal::new(RefusalCode::NameTaken, "/name", message).into());
    }
    Ok(())
}

/// Where an object's name is, as seen from another.
#[derive(Clone, Copy)]
enum Place {
    /// At that very name.
    Own,
    /// Beneath it.
    Beneath,
}

/// Whether something of another account is at the name, or beneath it. Beneath a name that is nobody's, such as one that a
/// hosting company hands out names in, there may be a million.
fn is_anothers(ctx: &Context<'_>, at: &Fqdn, place: Place, account: AccountId) -> Rule<bool> {
    let own = match place {
        Place::Own => "own = 1",
        Place::Beneath => "own = 0",
    };
    let found = ctx.count(
        &format!("SELECT EXISTS (SELECT 1 FROM name_index WHERE at = ?1 AND {own} AND account_id != ?2)"),
        (at.as_str(), account.to_bytes()),
    )?;
    Ok(found == 1)
}

// Says nothing of who has the other name.
fn refusal(name: &Fqdn, taken: bool) -> Refusal {
    if taken {
        Refusal::new(RefusalCode::NameTaken, "/name", format!("{name} is taken"))
    } else {
        Refusal::new(
            RefusalCode::NameOverlaps,
            "/name",
            format!("{name} lies beneath or above a name that is taken"),
        )
    }
}

/// Enters a domain or zone under its name and every name above it.
pub(super) fn enter(ctx: &Context<'_>, account: AccountId, name: &Fqdn, object: &[u8]) -> Rule<()> {
    for (at, own) in std::iter::once((name.clone(), true)).chain(name.ancestors().map(|at| (at, false))) {
        ctx.run(
            "INSERT INTO name_index (at, object_id, account_id, own) VALUES (?1, ?2, ?3, ?4)",
            (at.as_str(), object, account.to_bytes(), own),
        )?;
    }
    Ok(())
}

pub(super) fn leave(ctx: &Context<'_>, object: &[u8]) -> Rule<()> {
    ctx.run("DELETE FROM name_index WHERE object_id = ?1", [object])?;
    Ok(())
}
