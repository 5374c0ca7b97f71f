//! Webhooks: who is called when something changes, and how far they were told.

use npanel_model::{Action, EventPattern, TenantId, WebhookId, WebhookUrl};
use npanel_proto::command::{CreateWebhook, DeleteWebhook, Delivery, RecordDeliveries, UpdateWebhook};

use super::{observation::shortened, require_new, secrets};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, json, tenant_id, texts, wire_id, wire_text},
};

/// Webhooks of one tenant: each costs the leader a look at whatever changes.
const MOST: u64 = 20;
/// Patterns of one webhook.
const MOST_PATTERNS: usize = 50;

pub(super) fn create(ctx: &Context<'_>, body: &CreateWebhook) -> Rule<Effect> {
    ctx.authorise(Action::WebhookCreate)?;
    let id = wire_id(&body.webhook_id, "/id", WebhookId::from_bytes)?;
    let tenant = wire_id(&body.tenant_id, "/tenant_id", TenantId::from_bytes)?;
    ctx.require_visible(tenant, "tenant", "/tenant_id")?;
    let url: WebhookUrl = wire_text(&body.url, "/url")?;
    require_patterns(&body.events)?;
    if body.sealed_secret.is_empty() {
        return Err(Refusal::new(RefusalCode::Invalid, "", "a webhook has a secret").into());
    }
    secrets::require_data_key(ctx, tenant, &body.sealed_secret)?;
    require_new(ctx, "webhooks", &body.webhook_id)?;
    let there = ctx.count("SELECT count(*) FROM webhooks WHERE tenant_id = ?1", [tenant.to_bytes()])?;
    if there >= MOST {
        let message = format!("a tenant may have {MOST} webhooks (it has {there})");
        return Err(Refusal::new(RefusalCode::LimitReached, "/tenant_id", message).into());
    }
    ctx.run(
        "INSERT INTO webhooks (id, tenant_id, url, events, sealed_secret, created_millis, next_index)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            id.to_bytes(),
            tenant.to_bytes(),
            url.as_str(),
            json(&body.events),
            &body.sealed_secret,
            ctx.now.as_millis(),
            ctx.index + 1,
        ),
    )?;
    ctx.note(tenant, "webhook", id.to_bytes(), "created");
    Ok(effect(tenant, Action::WebhookCreate, id))
}

fn effect(tenant: TenantId, action: Action, id: WebhookId) -> Effect {
    Effect { tenant, action, object: id.to_bytes(), operation: Vec::new() }
}

fn require_patterns(events: &[String]) -> Rule<()> {
    if !(1..=MOST_PATTERNS).contains(&events.len()) {
        let message = format!("a webhook is told of 1 to {MOST_PATTERNS} patterns of events");
        return Err(Refusal::new(RefusalCode::Invalid, "/events", message).into());
    }
    for text in events {
        wire_text::<EventPattern>(text, "/events")?;
    }
    Ok(())
}

struct Known {
    tenant: TenantId,
    url: String,
    events: Vec<String>,
    is_enabled: bool,
}

fn known(ctx: &Context<'_>, id: WebhookId) -> Rule<Known> {
    let found = ctx.find(
        "SELECT tenant_id, url, events, disabled_millis IS NULL FROM webhooks WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            let events: String = row.get(2)?;
            let (tenant, url) = (tenant_id(row, 0)?, row.get(1)?);
            Ok(Known { tenant, url, events: texts(&events), is_enabled: row.get(3)? })
        },
    )?;
    let known = found.ok_or_else(|| Refusal::not_found("webhook", "/id"))?;
    ctx.require_visible(known.tenant, "webhook", "/id")?;
    Ok(known)
}

/// Changes a webhook. One that is enabled again is told what it missed, as far as that is kept, and at once.
pub(super) fn update(ctx: &Context<'_>, body: &UpdateWebhook) -> Rule<Effect> {
    ctx.authorise(Action::WebhookUpdate)?;
    let id = wire_id(&body.webhook_id, "/id", WebhookId::from_bytes)?;
    let old = known(ctx, id)?;
    let url = match &body.url {
        Some(url) => wire_text::<WebhookUrl>(url, "/url")?.into(),
        None => old.url.clone(),
    };
    let events = body.events.as_ref().map_or(&old.events, |events| &events.patterns);
    require_patterns(events)?;
    let is_enabled = body.enabled.unwrap_or(old.is_enabled);
    if (&url, events, is_enabled) != (&old.url, &old.events, old.is_enabled) {
        ctx.run(
            "UPDATE webhooks SET url = ?2, events = ?3 WHERE id = ?1",
            (id.to_bytes(), url, json(events)),
        )?;
        match (old.is_enabled, is_enabled) {
            (true, false) => disable(ctx, id, &format!("{} disabled it", ctx.actor()?))?,
            (_, true) => forgive(ctx, id)?,
            (false, false) => {}
        }
        ctx.note(old.tenant, "webhook", id.to_bytes(), "changed");
    }
    Ok(effect(old.tenant, Action::WebhookUpdate, id))
}

fn disable(ctx: &Context<'_>, id: WebhookId, reason: &str) -> Rule<()> {
    ctx.run(
        "UPDATE webhooks SET disabled_millis = ?2, disabled_reason = ?3 WHERE id = ?1",
        (id.to_bytes(), ctx.now.as_millis(), reason),
    )?;
    Ok(())
}

fn forgive(ctx: &Context<'_>, id: WebhookId) -> Rule<()> {
    ctx.run(
        "UPDATE webhooks SET disabled_millis = NULL, disabled_reason = '', failures = 0, failing_since_millis = NULL,
             next_attempt_millis = 0, last_error = ''
         WHERE id = ?1",
        [id.to_bytes()],
    )?;
    Ok(())
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeleteWebhook) -> Rule<Effect> {
    ctx.authorise(Action::WebhookDelete)?;
    let id = wire_id(&body.webhook_id, "/id", WebhookId::from_bytes)?;
    let old = known(ctx, id)?;
    ctx.run("DELETE FROM webhooks WHERE id = ?1", [id.to_bytes()])?;
    ctx.note(old.tenant, "webhook", id.to_bytes(), "deleted");
    Ok(effect(old.tenant, Action::WebhookDelete, id))
}

/// Writes down how far webhooks were told, and why some could not be.
pub(super) fn record(ctx: &Context<'_>, body: &RecordDeliveries) -> Rule<()> {
    ctx.require_controller()?;
    for delivery in &body.deliveries {
        record_one(ctx, delivery)?;
    }
    Ok(())
}

fn record_one(ctx: &Context<'_>, delivery: &Delivery) -> Rule<()> {
    let id = wire_id(&delivery.webhook_id, "/webhook_id", WebhookId::from_bytes)?;
    // Never back: of two leaders, the one that is over may come last.
    ctx.run(
        "UPDATE webhooks SET next_index = ?2, next_position = ?3, delivered_millis = max(delivered_millis, ?4)
         WHERE id = ?1 AND (next_index, next_position) <= (?2, ?3)",
        (id.to_bytes(), delivery.next_index, delivery.next_position, delivery.delivered_millis),
    )?;
    // Of a webhook that was changed since, that is all that is true.
    let is_same = "id = ?1 AND revision = ?2 AND disabled_millis IS NULL";
    let found = ctx.find(
        &format!("SELECT tenant_id FROM webhooks WHERE {is_same}"),
        (id.to_bytes(), delivery.revision),
        |row| tenant_id(row, 0),
    )?;
    let Some(tenant) = found else { return Ok(()) };
    ctx.run(
        "UPDATE webhooks SET failures = ?2, failing_since_millis = ?3, next_attempt_millis = ?4, last_error = ?5
         WHERE id = ?1",
        (
            id.to_bytes(),
            delivery.failures,
            (delivery.failing_since_millis != 0).then_some(delivery.failing_since_millis),
            delivery.next_attempt_millis,
            shortened(&delivery.error),
        ),
    )?;
    if !delivery.disable.is_empty() {
        disable(ctx, id, &shortened(&delivery.disable))?;
        ctx.note(tenant, "webhook", id.to_bytes(), "changed");
    }
    Ok(())
}
