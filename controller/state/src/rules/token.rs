//! Bootstrap tokens. Their uses are counted here, so that no race can use one twice.

use npanel_model::{Action, EnrolRole, Network, NodeName, PoolName, TenantId, TokenId};
use npanel_proto::command::{CreateToken, DeleteToken};
use subtle::ConstantTimeEq;

use super::require_new;
use crate::{
    Refusal, RefusalCode, bug,
    context::{Context, Effect, Rule, json, texts, wire_id, wire_text},
};

/// A bootstrap token lives a week at most: it is a key to the fleet.
const LONGEST_LIFE_MILLIS: i64 = 7 * 24 * 3600 * 1000;
const MOST_USES: u32 = 1000;
const MOST_NETWORKS: usize = 32;

/// In the place of an id: whoever uses the token is one more.
const NOBODY: u64 = 0;

pub(super) fn create(ctx: &Context<'_>, body: &CreateToken) -> Rule<Effect> {
    ctx.authorise(Action::TokenCreate)?;
    let platform = ctx.require_platform(Action::TokenCreate)?;
    let id = make(ctx, platform, body, NOBODY)?;
    Ok(Effect { tenant: platform, action: Action::TokenCreate, object: id.to_bytes(), operation: Vec::new() })
}

/// Writes down a token. The controller that uses it takes the place of `replaces`.
pub(super) fn make(
    ctx: &Context<'_>,
    platform: TenantId,
    body: &CreateToken,
    replaces: u64,
) -> Rule<TokenId> {
    let id = wire_id(&body.token_id, "/id", TokenId::from_bytes)?;
    let role: EnrolRole = wire_text(&body.role, "/role")?;
    let pool: PoolName = wire_text(&body.pool, "/pool")?;
    if !(1..=MOST_USES).contains(&body.uses) {
        let message = format!("a token has 1 to {MOST_USES} uses (got {})", body.uses);
        return Err(Refusal::new(RefusalCode::Invalid, "/uses", message).into());
    }
    let life = body.expires_millis - ctx.now.as_millis();
    if !(1..=LONGEST_LIFE_MILLIS).contains(&life) {
        let message = format!("a token lives up to a week (got {} s)", life / 1000);
        return Err(Refusal::new(RefusalCode::Invalid, "/ttl_seconds", message).into());
    }
    if body.secret_hash.len() != 32 {
        return Err(Refusal::new(RefusalCode::Invalid, "", "the secret's hash has 32 bytes").into());
    }
    if !body.name.is_empty() {
        wire_text::<NodeName>(&body.name, "/name")?;
        if body.uses != 1 {
            let message = format!("a token for one name is for one machine (got {} uses)", body.uses);
            return Err(Refusal::new(RefusalCode::Invalid, "/uses", message).into());
        }
    }
    if body.networks.len() > MOST_NETWORKS {
        let message = format!("a token has at most {MOST_NETWORKS} networks (got {})", body.networks.len());
        return Err(Refusal::new(RefusalCode::Invalid, "/networks", message).into());
    }
    for network in &body.networks {
        wire_text::<Network>(network, "/networks")?;
    }
    require_new(ctx, "tokens", &body.token_id)?;
    ctx.run(
        "INSERT INTO tokens (id, tenant_id, role, secret_hash, uses_allowed, uses_left, pool, expires_millis,
             created_millis, name, networks, replaces_controller_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        (
            id.to_bytes(),
            platform.to_bytes(),
            role.as_str(),
            &body.secret_hash,
            body.uses,
            pool.as_str(),
            body.expires_millis,
            ctx.now.as_millis(),
            &body.name,
            json(&body.networks),
            replaces,
        ),
    )?;
    ctx.note(platform, "token", id.to_bytes(), "created");
    Ok(id)
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeleteToken) -> Rule<Effect> {
    ctx.authorise(Action::TokenDelete)?;
    let platform = ctx.require_platform(Action::TokenDelete)?;
    let id = wire_id(&body.token_id, "/id", TokenId::from_bytes)?;
    if ctx.run("DELETE FROM tokens WHERE id = ?1", [id.to_bytes()])? == 0 {
        return Err(Refusal::not_found("token", "/id").into());
    }
    ctx.note(platform, "token", id.to_bytes(), "deleted");
    Ok(Effect { tenant: platform, action: Action::TokenDelete, object: id.to_bytes(), operation: Vec::new() })
}

/// What a machine shows of a token.
pub(super) struct Shown<'a> {
    pub(super) id: &'a [u8],
    pub(super) secret_hash: &'a [u8],
}

/// A token's row, as far as its use is judged by it.
struct Found {
    role: String,
    secret_hash: Vec<u8>,
    uses_left: u32,
    expires_millis: i64,
    pool: String,
    name: String,
    networks: String,
    revision: u64,
    replaces_controller_id: u64,
}

/// What a token that was used says of itself.
pub(super) struct Used {
    pub(super) pool: PoolName,
    /// Whether it was made for this one machine's name.
    pub(super) is_for_this_name: bool,
    /// Where in the log it was last changed before: of a token for one name, which has one use, where it was made.
    pub(super) made: u64,
    /// Whose place the controller takes that used it.
    pub(super) replaces: Option<u64>,
}

/// Uses the token once, for the machine `name` at the address of the envelope. Every failure has the same code; the
/// message says which part was wrong, for the controller's log: the machine is told the same for all.
pub(super) fn consume(ctx: &Context<'_>, shown: &Shown<'_>, role: EnrolRole, name: &NodeName) -> Rule<Used> {
    let found = ctx.find(
        "SELECT role, secret_hash, uses_left, expires_millis, pool, name, networks, revision,
             replaces_controller_id
         FROM tokens WHERE id = ?1",
        [shown.id],
        |row| {
            Ok(Found {
                role: row.get(0)?,
                secret_hash: row.get(1)?,
                uses_left: row.get(2)?,
                expires_millis: row.get(3)?,
                pool: row.get(4)?,
                name: row.get(5)?,
                networks: row.get(6)?,
                revision: row.get(7)?,
                replaces_controller_id: row.get(8)?,
            })
        },
    )?;
    let wrong = match &found {
        None => Some("there is no such token".to_owned()),
        Some(token) => fault(ctx, token, shown, role, name),
    };
    match (found, wrong) {
        (Some(token), None) => {
            if !bug::is_in("state::token_kept") {
                ctx.run("UPDATE tokens SET uses_left = uses_left - 1 WHERE id = ?1", [shown.id])?;
            }
            ctx.note(ctx.root_tenant()?, "token", shown.id.to_vec(), "changed");
            Ok(Used {
                pool: wire_text(&token.pool, "")?,
                is_for_this_name: !token.name.is_empty(),
                made: token.revision,
                replaces: Some(token.replaces_controller_id).filter(|id| *id != NOBODY),
            })
        }
        (_, why) => Err(Refusal::new(RefusalCode::TokenInvalid, "", why.unwrap_or_default()).into()),
    }
}

/// What is wrong with using the token so; the secret first, for the rest is known only to those who have it.
fn fault(
    ctx: &Context<'_>,
    token: &Found,
    shown: &Shown<'_>,
    role: EnrolRole,
    name: &NodeName,
) -> Option<String> {
    if !bool::from(token.secret_hash.ct_eq(shown.secret_hash)) {
        return Some("the secret is wrong".to_owned());
    }
    if token.role != role.as_str() {
        return Some(format!("the token is for another role (got {role}, have {})", token.role));
    }
    if token.uses_left == 0 {
        return Some("the token is used up".to_owned());
    }
    if token.expires_millis <= ctx.now.as_millis() {
        return Some("the token has expired".to_owned());
    }
    if !token.name.is_empty() && token.name != name.as_str() {
        return Some(format!("the token is for another name (got {name}, have {})", token.name));
    }
    let networks = texts(&token.networks);
    let address = ctx.source_address.parse::<std::net::IpAddr>().ok();
    let is_in = |network: &String| {
        network
            .parse::<Network>()
            .ok()
            .zip(address)
            .is_some_and(|(network, address)| network.contains(address))
    };
    if !networks.is_empty() && !networks.iter().any(is_in) {
        let (got, have) = (ctx.source_address, networks.join(", "));
        return Some(format!("the token is for another network (got {got}, have {have})"));
    }
    None
}
