//! Everything that is held on a tenant or an account is given out. Nothing changes: that it was done is on record.

use npanel_model::{AccountId, Action, TenantId};
use npanel_proto::command::{ExportAccount, ExportTenant};

use super::account;
use crate::context::{Context, Effect, Rule, wire_id};

pub(super) fn tenant(ctx: &Context<'_>, body: &ExportTenant) -> Rule<Effect> {
    ctx.authorise(Action::TenantExport)?;
    let id = wire_id(&body.tenant_id, "/id", TenantId::from_bytes)?;
    ctx.require_visible(id, "tenant", "/id")?;
    Ok(Effect { tenant: id, action: Action::TenantExport, object: id.to_bytes(), operation: Vec::new() })
}

/// Also of one that is going, as long as it is there.
pub(super) fn account(ctx: &Context<'_>, body: &ExportAccount) -> Rule<Effect> {
    ctx.authorise(Action::AccountExport)?;
    let id = wire_id(&body.account_id, "/id", AccountId::from_bytes)?;
    let account = account::load(ctx, id)?;
    ctx.require_visible_of(account.tenant, id, "account", "/id")?;
    Ok(Effect {
        tenant: account.tenant,
        action: Action::AccountExport,
        object: id.to_bytes(),
        operation: Vec::new(),
    })
}
