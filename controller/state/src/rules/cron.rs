//! Scheduled jobs: one table of them an account, under the account's own id.

use npanel_model::{AccountId, Action, CronCommand, CronJob, CronSchedule, Generation, Limit, Part};
use npanel_proto::command::{CronJob as WireJob, SetCronJobs};

use super::{
    account::{self, AccountRow},
    plan,
};
use crate::{
    ObjectKind, Refusal, RefusalCode,
    context::{Context, Effect, Rule, wire_id, wire_text},
    wanted::{Subject, close_if_done, open_operation, touch, want},
};

/// More timers than that are better one job that decides.
const MOST_JOBS: usize = 100;

const KIND: ObjectKind = ObjectKind::CronTable;

pub(super) fn set(ctx: &Context<'_>, body: &SetCronJobs) -> Rule<Effect> {
    let action = Action::CronSetJobs;
    ctx.authorise(action)?;
    let id = wire_id(&body.account_id, "/id", AccountId::from_bytes)?;
    let owner = account::load_live(ctx, id, "/id")?;
    if body.jobs.len() > MOST_JOBS {
        let message = format!("an account has at most {MOST_JOBS} scheduled jobs (got {})", body.jobs.len());
        return Err(Refusal::new(RefusalCode::LimitReached, "/jobs", message).into());
    }
    let jobs = body.jobs.iter().map(job).collect::<Rule<Vec<_>>>()?;
    let jobs = serde_json::to_string(&jobs).expect("jobs are valid JSON");
    let is_so = ctx.count(
        "SELECT EXISTS (SELECT 1 FROM cron_tables WHERE id = ?1 AND jobs = ?2 AND deleted_millis IS NULL)",
        (&body.account_id, &jobs),
    )?;
    if is_so == 1 {
        let object = body.account_id.clone();
        return Ok(Effect { tenant: owner.tenant, action, object, operation: Vec::new() });
    }
    require_room(ctx, &owner, body.jobs.len() as u64)?;
    open_operation(ctx, &body.operation_id, action, owner.tenant, KIND.noun(), &body.account_id, "")?;
    let update = "UPDATE cron_tables SET jobs = ?2 WHERE id = ?1 AND deleted_millis IS NULL";
    if ctx.run(update, (&body.account_id, &jobs))? == 1 {
        touch(ctx, KIND, &body.account_id, owner.tenant, &body.operation_id)?;
    } else {
        insert(ctx, &owner, &body.account_id, &jobs, &body.operation_id)?;
    }
    close_if_done(ctx, &body.operation_id)?;
    let (object, operation) = (body.account_id.clone(), body.operation_id.clone());
    Ok(Effect { tenant: owner.tenant, action, object, operation })
}

/// Refuses more jobs than the account's plan allows, unless it has as many already, because the plan shrank.
fn require_room(ctx: &Context<'_>, owner: &AccountRow, jobs: u64) -> Rule<()> {
    let limit = Limit::from(plan::load(ctx, owner.plan, "/plan_id")?.cron_jobs);
    if limit.allows(jobs, 0) {
        return Ok(());
    }
    let has = ctx.find(
        "SELECT json_array_length(jobs) FROM cron_tables WHERE id = ?1 AND deleted_millis IS NULL",
        [owner.id.to_bytes()],
        |row| row.get::<_, u64>(0),
    )?;
    if jobs <= has.unwrap_or(0) {
        return Ok(());
    }
    let message = format!("the account's plan allows {limit} scheduled jobs (got {jobs})");
    Err(Refusal::new(RefusalCode::LimitReached, "/jobs", message).into())
}

fn job(job: &WireJob) -> Rule<CronJob> {
    Ok(CronJob {
        schedule: wire_text::<CronSchedule>(&job.schedule, "/jobs")?,
        command: wire_text::<CronCommand>(&job.command, "/jobs")?,
    })
}

fn insert(ctx: &Context<'_>, owner: &AccountRow, id: &[u8], jobs: &str, operation: &[u8]) -> Rule<()> {
    ctx.run(
        "INSERT INTO cron_tables (id, tenant_id, account_id, jobs, generation, operation_id, created_millis)
         VALUES (?1, ?2, ?1, ?3, ?4, ?5, ?6)",
        (id, owner.tenant.to_bytes(), jobs, Generation::FIRST.0, operation, ctx.now.as_millis()),
    )?;
    ctx.note_object(owner.tenant, KIND, id, "created");
    let node = account::node_of(ctx, owner.id, Part::Web)?;
    let subject = Subject { kind: KIND, id, tenant: owner.tenant, generation: Generation::FIRST };
    want(ctx, node, subject, operation)
}
