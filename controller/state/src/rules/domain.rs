//! Domains: a name, a site, and the address record that leads to it.

use npanel_model::{AccountId, Action, DocumentRoot, DomainId, Fqdn, Generation, Part, TenantId};
use npanel_proto::command::{CreateDomain, DeleteDomain, UpdateDomain};

use super::{
    account,
    account::AccountRow,
    names, plan, record_set, removal, require_new,
    usage::{self, Counted},
    zone,
};
use crate::{
    ObjectKind, Refusal, RefusalCode,
    context::{Context, Effect, Rule, tenant_id, typed, wire_id, wire_text},
    wanted::{Subject, close_if_done, open_operation, touch, want},
};

/// The part of a domain that removal needs.
pub(super) struct DomainRow {
    pub(super) id: DomainId,
    pub(super) tenant: TenantId,
    pub(super) generation: Generation,
}

pub(super) fn create(ctx: &Context<'_>, body: &CreateDomain) -> Rule<Effect> {
    ctx.authorise(Action::DomainCreate)?;
    let account_id = wire_id(&body.account_id, "/account_id", AccountId::from_bytes)?;
    let owner = account::load_live(ctx, account_id, "/account_id")?;
    open_operation(
        ctx,
        &body.operation_id,
        Action::DomainCreate,
        owner.tenant,
        "domain",
        &body.domain_id,
        "",
    )?;
    insert(ctx, &owner, body, &body.operation_id)?;
    close_if_done(ctx, &body.operation_id)?;
    Ok(Effect {
        tenant: owner.tenant,
        action: Action::DomainCreate,
        object: body.domain_id.clone(),
        operation: body.operation_id.clone(),
    })
}

/// Puts the domain on the account, as part of an operation.
pub(super) fn insert(
    ctx: &Context<'_>,
    owner: &AccountRow,
    body: &CreateDomain,
    operation: &[u8],
) -> Rule<()> {
    let id = wire_id(&body.domain_id, "/id", DomainId::from_bytes)?;
    let name: Fqdn = wire_text(&body.name, "/name")?;
    let document_root: DocumentRoot = wire_text(&body.document_root, "/document_root")?;
    require_new(ctx, "domains", &body.domain_id)?;
    names::require_free(ctx, owner.id, &name)?;
    if ctx.count("SELECT EXISTS (SELECT 1 FROM domains WHERE name = ?1)", [name.as_str()])? == 1 {
        return Err(Refusal::new(RefusalCode::NameTaken, "/name", format!("{name} is taken")).into());
    }
    require_room(ctx, owner, &name)?;
    usage::add(ctx, owner.tenant, Counted::Domain)?;
    ctx.run(
        "INSERT INTO domains (id, tenant_id, account_id, name, document_root, generation, operation_id, created_millis)
         VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7)",
        (
            id.to_bytes(),
            owner.tenant.to_bytes(),
            owner.id.to_bytes(),
            name.as_str(),
            document_root.as_str(),
            operation,
            ctx.now.as_millis(),
        ),
    )?;
    names::enter(ctx, owner.id, &name, &body.domain_id)?;
    ctx.note_object(owner.tenant, ObjectKind::Site, &body.domain_id, "created");
    let node = account::node_of(ctx, owner.id, Part::Web)?;
    let subject = Subject {
        kind: ObjectKind::Site,
        id: &body.domain_id,
        tenant: owner.tenant,
        generation: Generation::FIRST,
    };
    want(ctx, node, subject, operation)?;
    publish(ctx, owner, id, &name, body, operation)
}

/// Refuses one domain more, or subdomain, than the account's plan allows.
fn require_room(ctx: &Context<'_>, owner: &AccountRow, name: &Fqdn) -> Rule<()> {
    let plan = plan::load(ctx, owner.plan, "/plan_id")?;
    let all = ctx.count(
        "SELECT count(*) FROM domains WHERE account_id = ?1 AND deleted_millis IS NULL",
        [owner.id.to_bytes()],
    )?;
    if ctx.level < plan::SUBDOMAINS_COUNTED {
        return account::require_room("domains", plan.domains, all);
    }
    let beneath =
        ctx.count("SELECT count(*) FROM subdomains WHERE account_id = ?1", [owner.id.to_bytes()])?;
    if is_beneath_own(ctx, owner, name)? {
        account::require_room("subdomains", plan.subdomains, beneath)
    } else {
        account::require_room("domains", plan.domains, all.saturating_sub(beneath))
    }
}

/// Whether the account has a domain above the name.
fn is_beneath_own(ctx: &Context<'_>, owner: &AccountRow, name: &Fqdn) -> Rule<bool> {
    for above in name.ancestors() {
        let is_own = ctx.count(
            "SELECT EXISTS (SELECT 1 FROM domains WHERE name = ?1 AND account_id = ?2 AND deleted_millis IS NULL)",
            (above.as_str(), owner.id.to_bytes()),
        )?;
        if is_own == 1 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gives the domain its address record: in the nearest zone that the account has, or in a new one.
fn publish(
    ctx: &Context<'_>,
    owner: &AccountRow,
    id: DomainId,
    name: &Fqdn,
    body: &CreateDomain,
    operation: &[u8],
) -> Rule<()> {
    let zone_id = match (zone::nearest(ctx, owner.id, name)?, &body.zone) {
        (_, None) => return Ok(()),
        (Some(zone_id), Some(_)) => zone_id,
        (None, Some(new)) => zone::insert(ctx, owner, name, new, Some(id), operation)?,
    };
    record_set::add_address(ctx, owner, zone_id, id, name, operation)
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeleteDomain) -> Rule<Effect> {
    ctx.authorise(Action::DomainDelete)?;
    let id = wire_id(&body.domain_id, "/id", DomainId::from_bytes)?;
    let domain = load_live(ctx, id)?;
    open_operation(
        ctx,
        &body.operation_id,
        Action::DomainDelete,
        domain.tenant,
        "domain",
        &id.to_bytes(),
        "",
    )?;
    removal::remove_domain(ctx, &domain, &body.operation_id)?;
    close_if_done(ctx, &body.operation_id)?;
    Ok(Effect {
        tenant: domain.tenant,
        action: Action::DomainDelete,
        object: id.to_bytes(),
        operation: body.operation_id.clone(),
    })
}

/// Changes where the domain is served from. What lies in the old directory stays there.
pub(super) fn update(ctx: &Context<'_>, body: &UpdateDomain) -> Rule<Effect> {
    ctx.authorise(Action::DomainUpdate)?;
    let id = wire_id(&body.domain_id, "/id", DomainId::from_bytes)?;
    let domain = load_live(ctx, id)?;
    let mut effect = Effect {
        tenant: domain.tenant,
        action: Action::DomainUpdate,
        object: id.to_bytes(),
        operation: Vec::new(),
    };
    let Some(root) = &body.document_root else { return Ok(effect) };
    let root: DocumentRoot = wire_text(root, "/document_root")?;
    let changed = ctx.run(
        "UPDATE domains SET document_root = ?2 WHERE id = ?1 AND document_root != ?2",
        (id.to_bytes(), root.as_str()),
    )?;
    if changed == 1 {
        let operation = &body.operation_id;
        open_operation(ctx, operation, effect.action, domain.tenant, "domain", &effect.object, "")?;
        touch(ctx, ObjectKind::Site, &effect.object, domain.tenant, operation)?;
        close_if_done(ctx, operation)?;
        effect.operation.clone_from(operation);
    }
    Ok(effect)
}

/// The domain, unless it is gone or going.
pub(super) fn load_live(ctx: &Context<'_>, id: DomainId) -> Rule<DomainRow> {
    let found = ctx.find(
        "SELECT tenant_id, generation, deleted_millis, account_id FROM domains WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            let domain = DomainRow { id, tenant: tenant_id(row, 0)?, generation: Generation(row.get(1)?) };
            let account = typed(row, 3, AccountId::from_bytes)?;
            Ok((domain, account, row.get::<_, Option<i64>>(2)?.is_some()))
        },
    )?;
    let (domain, account, deleting) = found.ok_or_else(|| Refusal::not_found("domain", "/id"))?;
    ctx.require_visible_of(domain.tenant, account, "domain", "/id")?;
    if deleting {
        return Err(Refusal::new(RefusalCode::Deleting, "/id", "the domain is being deleted").into());
    }
    Ok(domain)
}
