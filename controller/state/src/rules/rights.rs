//! What API keys and users are given: never more than whoever gives it has.

use std::str::FromStr;

use npanel_model::{AccessRole, AccountId, Action, ActionPattern, Allowance, TenantId};

use crate::{
    Refusal, RefusalCode,
    context::{Context, Rule, tenant_id, wire_id, wire_text},
};

/// More than that is a reseller.
const MOST_ACCOUNTS: usize = 100;

/// More patterns than there are actions say nothing more.
const MOST_PATTERNS: usize = 200;

/// Rights as a command asks for them.
pub(super) struct Rights {
    pub(super) tenant: TenantId,
    pub(super) role: Option<AccessRole>,
    pub(super) actions: Vec<ActionPattern>,
    pub(super) accounts: Option<Vec<AccountId>>,
}

impl Rights {
    /// Reads them. No role is given as an empty one, and no accounts as none.
    pub(super) fn read(
        ctx: &Context<'_>,
        tenant: TenantId,
        role: &str,
        actions: &[String],
        accounts: &[Vec<u8>],
    ) -> Rule<Self> {
        if !(1..=MOST_PATTERNS).contains(&actions.len()) {
            return Err(invalid("/actions", format!("1 to {MOST_PATTERNS} patterns of actions are allowed")));
        }
        let actions = actions.iter().map(|text| wire_text(text, "/actions")).collect::<Rule<_>>()?;
        let role = (!role.is_empty()).then(|| wire_text::<AccessRole>(role, "/role")).transpose()?;
        let accounts = accounts_of(ctx, tenant, accounts)?;
        let rights = Self { tenant, role, actions, accounts };
        rights.require_sense(ctx)?;
        Ok(rights)
    }

    /// As the state keeps them.
    pub(super) fn stored(tenant: TenantId, role: &str, actions: &str, accounts: Option<&str>) -> Self {
        let role = AccessRole::from_str(role).ok();
        let accounts = accounts.map(crate::access::accounts);
        Self { tenant, role, actions: crate::context::patterns(actions), accounts }
    }

    fn require_sense(&self, ctx: &Context<'_>) -> Rule<()> {
        let is_confined = self.accounts.is_some();
        match self.role {
            Some(AccessRole::Administrator) if self.tenant != ctx.root_tenant()? => {
                Err(invalid("/role", "an administrator is of the platform's own tenant"))
            }
            Some(AccessRole::Administrator) if is_confined => {
                Err(invalid("/accounts", "an administrator is confined to no accounts"))
            }
            Some(AccessRole::Owner) if !is_confined => {
                Err(invalid("/accounts", "an owner has at least one account"))
            }
            _ => Ok(()),
        }
    }

    fn allowance(&self, ctx: &Context<'_>) -> Rule<Allowance> {
        Ok(Allowance {
            role: self.role,
            actions: self.actions.clone(),
            narrowed_to: None,
            is_platform: self.tenant == ctx.root_tenant()?,
            is_confined: self.accounts.is_some(),
            only_looks: false,
        })
    }

    /// Refuses rights that are more than the principal's own: to give them, or to take charge of who has them.
    pub(super) fn require_covered(&self, ctx: &Context<'_>, field: &'static str) -> Rule<()> {
        let Some(own) = ctx.asking()? else { return Ok(()) };
        let is_within = match (&own.purview.accounts, &self.accounts) {
            (None, _) => true,
            (Some(own), Some(wanted)) => wanted.iter().all(|account| own.contains(account)),
            (Some(_), None) => false,
        };
        let wanted = self.allowance(ctx)?;
        // By the patterns as well: what they cover beyond the role or the tenant may be more one day.
        let by_pattern = Action::ALL
            .iter()
            .copied()
            .find(|action| covers(&self.actions, *action) && !covers(&own.allowance.actions, *action));
        let more = match by_pattern.or_else(|| own.allowance.exceeded_by(&wanted)) {
            None if is_within => return Ok(()),
            None => "act for accounts other than yours".to_owned(),
            Some(action) => format!("take {action}"),
        };
        let message = format!("it would be allowed to {more}, and you are not");
        Err(Refusal::new(RefusalCode::Forbidden, field, message).into())
    }
}

fn covers(patterns: &[ActionPattern], action: Action) -> bool {
    patterns.iter().any(|pattern| pattern.matches(action))
}

/// The accounts, each one that there is and that the tenant or one beneath it has.
fn accounts_of(ctx: &Context<'_>, tenant: TenantId, ids: &[Vec<u8>]) -> Rule<Option<Vec<AccountId>>> {
    if ids.is_empty() {
        return Ok(None);
    }
    if ids.len() > MOST_ACCOUNTS {
        let message = format!("at most {MOST_ACCOUNTS} accounts can be named (got {})", ids.len());
        return Err(invalid("/accounts", message));
    }
    let mut accounts = Vec::with_capacity(ids.len());
    for id in ids {
        let id = wire_id(id, "/accounts", AccountId::from_bytes)?;
        let select = "SELECT tenant_id FROM accounts WHERE id = ?1 AND deleted_millis IS NULL";
        let owner = ctx
            .find(select, [id.to_bytes()], |row| tenant_id(row, 0))?
            .ok_or_else(|| Refusal::not_found("account", "/accounts"))?;
        let beneath = "SELECT EXISTS (SELECT 1 FROM tenant_tree WHERE ancestor_id = ?1 AND tenant_id = ?2)";
        let is_beneath = ctx.count(beneath, (tenant.to_bytes(), owner.to_bytes()))? == 1;
        if !is_beneath || !ctx.sees_of(owner, id)? {
            return Err(Refusal::not_found("account", "/accounts").into());
        }
        accounts.push(id);
    }
    Ok(Some(accounts))
}

/// The accounts as a column keeps them.
pub(super) fn column(accounts: Option<&[AccountId]>) -> Option<String> {
    accounts
        .map(|accounts| crate::context::json(&accounts.iter().map(AccountId::to_string).collect::<Vec<_>>()))
}

/// Whether the principal is this very user, by itself: nobody acts for another one in what is their own.
pub(super) fn require_self(ctx: &Context<'_>, user: npanel_model::UserId, action: Action) -> Rule<()> {
    ctx.authorise(action)?;
    match ctx.asking()?.map(|access| access.who) {
        Some(crate::Who::User(id)) if id == user => Ok(()),
        _ => {
            let message = "only a user, signed in as themselves, can do that";
            Err(Refusal::new(RefusalCode::Forbidden, "", message).into())
        }
    }
}

fn invalid(field: &'static str, message: impl Into<String>) -> crate::context::Halt {
    Refusal::new(RefusalCode::Invalid, field, message).into()
}
