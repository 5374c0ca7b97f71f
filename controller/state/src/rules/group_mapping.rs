//! What an identity provider's groups may do, and where. The first mapping that fits counts.

use npanel_model::{AccessRole, AccountId, ActionPattern, GroupName, TenantId};
use npanel_proto::command::GroupMapping;
use serde::{Deserialize, Serialize};

use super::rights::Rights;
use crate::{
    Refusal, RefusalCode,
    context::{Context, Halt, Rule, wire_id, wire_text},
};

/// More say nothing that a person could look through.
const MOST: usize = 100;

/// One of them, as the column keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mapping {
    /// `*`: whoever the provider knows.
    pub(crate) group: GroupName,
    pub(crate) tenant: TenantId,
    pub(crate) role: AccessRole,
    pub(crate) actions: Vec<ActionPattern>,
    /// None: not confined to accounts.
    pub(crate) accounts: Vec<AccountId>,
}

impl Mapping {
    fn rights(&self) -> Rights {
        Rights {
            tenant: self.tenant,
            role: Some(self.role),
            actions: self.actions.clone(),
            accounts: (!self.accounts.is_empty()).then(|| self.accounts.clone()),
        }
    }
}

/// Reads those of a command: each is of the provider's tenant or of one beneath it, and gives no more than the principal has.
pub(super) fn read(ctx: &Context<'_>, owner: TenantId, wanted: &[GroupMapping]) -> Rule<Vec<Mapping>> {
    if !(1..=MOST).contains(&wanted.len()) {
        let message = format!("1 to {MOST} mappings say what groups may do (got {})", wanted.len());
        return Err(invalid(message));
    }
    wanted.iter().map(|one| read_one(ctx, owner, one)).collect()
}

fn read_one(ctx: &Context<'_>, owner: TenantId, wanted: &GroupMapping) -> Rule<Mapping> {
    let group = wire_text(&wanted.group, "/mappings/group")?;
    let tenant = wire_id(&wanted.tenant_id, "/mappings/tenant_id", TenantId::from_bytes)?;
    ctx.require_visible(tenant, "tenant", "/mappings/tenant_id")?;
    if !is_beneath(ctx, owner, tenant)? {
        return Err(invalid("a group acts for the provider's own tenant, or for one beneath it"));
    }
    let role: AccessRole = wire_text(&wanted.role, "/mappings/role")?;
    let rights = Rights::read(ctx, tenant, role.as_str(), &wanted.actions, &wanted.accounts)?;
    rights.require_covered(ctx, "/mappings")?;
    let accounts = rights.accounts.unwrap_or_default();
    Ok(Mapping { group, tenant, role, actions: rights.actions, accounts })
}

fn invalid(message: impl Into<String>) -> Halt {
    Refusal::new(RefusalCode::Invalid, "/mappings", message).into()
}

/// Whether the tenant is the other, or in its subtree.
pub(super) fn is_beneath(ctx: &Context<'_>, above: TenantId, tenant: TenantId) -> Rule<bool> {
    let select = "SELECT EXISTS (SELECT 1 FROM tenant_tree WHERE ancestor_id = ?1 AND tenant_id = ?2)";
    Ok(ctx.count(select, (above.to_bytes(), tenant.to_bytes()))? == 1)
}

pub(super) fn column(mappings: &[Mapping]) -> String {
    serde_json::to_string(mappings).expect("texts always serialise")
}

/// Those of a column. Ones of a later version give nobody anything here.
pub(crate) fn stored(column: &str) -> Vec<Mapping> {
    let all: Vec<serde_json::Value> = serde_json::from_str(column).unwrap_or_default();
    all.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect()
}

/// Refuses who may not do all that the mappings let others do.
pub(super) fn require_covered(ctx: &Context<'_>, column: &str) -> Rule<()> {
    stored(column).iter().try_for_each(|mapping| mapping.rights().require_covered(ctx, "/id"))
}

/// What somebody of these groups may do. A mapping whose tenant has gone, or all of whose accounts have, is passed over.
pub(super) fn of_groups(
    ctx: &Context<'_>,
    column: &str,
    groups: &[String],
) -> Rule<Option<(AccessRole, Rights)>> {
    for mapping in stored(column) {
        let fits = mapping.group.is_anybody() || groups.iter().any(|group| group == mapping.group.as_str());
        if fits && let Some(rights) = as_is(ctx, &mapping)? {
            return Ok(Some((mapping.role, rights)));
        }
    }
    Ok(None)
}

/// What is there of it still.
fn as_is(ctx: &Context<'_>, mapping: &Mapping) -> Rule<Option<Rights>> {
    let select = "SELECT EXISTS (SELECT 1 FROM tenants WHERE id = ?1)";
    if ctx.count(select, [mapping.tenant.to_bytes()])? == 0 {
        return Ok(None);
    }
    let mut rights = mapping.rights();
    if let Some(accounts) = &mut rights.accounts {
        let mut there = Vec::with_capacity(accounts.len());
        for account in accounts.iter() {
            let select = "SELECT EXISTS (SELECT 1 FROM accounts WHERE id = ?1 AND deleted_millis IS NULL)";
            if ctx.count(select, [account.to_bytes()])? == 1 {
                there.push(*account);
            }
        }
        *accounts = there;
    }
    Ok((rights.accounts != Some(Vec::new())).then_some(rights))
}
