//! Accounts that have more of something than their plan allows. They keep it, and can add nothing.

use npanel_model::{AccountId, PlanId};

use crate::{
    Exceeded,
    context::{Context, Rule, typed},
};

/// Notes for people which of the plan's accounts have more than it allows, and which run a PHP that it does not.
pub(super) fn foresee(ctx: &Context<'_>, plan: PlanId) -> Rule<()> {
    ctx.foresee_exceeding(|| {
        ctx.all(
            "SELECT account_id, username, what, used, allowed FROM exceeding WHERE plan_id = ?1
             ORDER BY username, what",
            [plan.to_bytes()],
            exceeded,
        )
    })?;
    ctx.warn(|| own_php(ctx, plan))
}

/// What the account has more of than its plan allows.
pub(in crate::rules) fn of_account(ctx: &Context<'_>, account: AccountId) -> Rule<Vec<Exceeded>> {
    ctx.all(
        "SELECT account_id, username, what, used, allowed FROM exceeding WHERE account_id = ?1 ORDER BY what",
        [account.to_bytes()],
        exceeded,
    )
}

fn exceeded(row: &rusqlite::Row<'_>) -> rusqlite::Result<Exceeded> {
    Ok(Exceeded {
        account_id: typed(row, 0, AccountId::from_bytes)?,
        username: row.get(1)?,
        limit: row.get(2)?,
        used: row.get(3)?,
        allowed: row.get(4)?,
    })
}

/// Accounts that chose a PHP version which the plan does not allow, counted.
fn own_php(ctx: &Context<'_>, plan: PlanId) -> Rule<Vec<String>> {
    let found = ctx.all(
        "SELECT a.php_version, count(*) FROM plans p JOIN accounts a ON a.plan_id = p.id
         WHERE p.id = ?1 AND a.php_chosen = 1 AND a.deleted_millis IS NULL AND p.php_versions != '[]'
             AND NOT EXISTS (SELECT 1 FROM json_each(p.php_versions) has WHERE has.value = a.php_version)
         GROUP BY a.php_version ORDER BY a.php_version",
        [plan.to_bytes()],
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)),
    )?;
    let said = |(version, accounts): (String, u64)| {
        format!("{accounts} accounts have chosen PHP {version}, which the plan would not allow, and keep it")
    };
    Ok(found.into_iter().map(said).collect())
}
