//! Zones and who answers for them.

use npanel_model::{
    AccountId, Action, AssignmentId, DomainId, Fqdn, Generation, NodeId, TenantId, ZoneId, ZoneProvider,
};
use npanel_proto::command::{CreateZone, DeleteZone};

use super::{account, account::AccountRow, capacity, names, record_set, removal, require_new};
use crate::{
    ObjectKind, Refusal, RefusalCode,
    context::{Context, Effect, Rule, tenant_id, typed, wire_id, wire_text},
    wanted::{self, Subject, close_if_done, open_operation, want},
};

/// The part of a zone that other rules need.
pub(super) struct ZoneRow {
    pub(super) id: ZoneId,
    pub(super) account: AccountId,
    pub(super) tenant: TenantId,
    pub(super) name: Fqdn,
    pub(super) generation: Generation,
}

pub(super) fn create(ctx: &Context<'_>, body: &CreateZone) -> Rule<Effect> {
    ctx.authorise(Action::ZoneCreate)?;
    let account_id = wire_id(&body.account_id, "/account_id", AccountId::from_bytes)?;
    let owner = account::load_live(ctx, account_id, "/account_id")?;
    let name: Fqdn = wire_text(&body.name, "/name")?;
    let operation = &body.operation_id;
    open_operation(ctx, operation, Action::ZoneCreate, owner.tenant, "zone", &body.zone_id, "")?;
    insert(ctx, &owner, &name, body, None, operation)?;
    close_if_done(ctx, operation)?;
    Ok(Effect {
        tenant: owner.tenant,
        action: Action::ZoneCreate,
        object: body.zone_id.clone(),
        operation: operation.clone(),
    })
}

/// Makes a zone of the account, as part of an operation; `with` a domain, if it was not asked for by itself.
pub(super) fn insert(
    ctx: &Context<'_>,
    owner: &AccountRow,
    name: &Fqdn,
    body: &CreateZone,
    with: Option<DomainId>,
    operation: &[u8],
) -> Rule<ZoneId> {
    let id = wire_id(&body.zone_id, "/id", ZoneId::from_bytes)?;
    let provider: ZoneProvider = wire_text(&body.provider, "/provider")?;
    if provider != ZoneProvider::PowerDns {
        let message = format!("this fleet has no provider {provider}");
        return Err(Refusal::new(RefusalCode::Unavailable, "/provider", message).into());
    }
    require_new(ctx, "zones", &body.zone_id)?;
    names::require_free(ctx, owner.id, name)?;
    if ctx.count("SELECT EXISTS (SELECT 1 FROM zones WHERE name = ?1)", [name.as_str()])? == 1 {
        let message = format!("the zone {name} exists already");
        return Err(Refusal::new(RefusalCode::NameTaken, "/name", message).into());
    }
    ctx.run(
        "INSERT INTO zones (id, tenant_id, account_id, name, provider, domain_id, generation, operation_id,
             created_millis)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?8)",
        (
            id.to_bytes(),
            owner.tenant.to_bytes(),
            owner.id.to_bytes(),
            name.as_str(),
            provider.as_str(),
            with.map(DomainId::to_bytes),
            operation,
            ctx.now.as_millis(),
        ),
    )?;
    names::enter(ctx, owner.id, name, &body.zone_id)?;
    ctx.note_object(owner.tenant, ObjectKind::Zone, &body.zone_id, "created");
    assign(ctx, owner, id, body, operation)?;
    for set in &body.record_sets {
        record_set::insert(ctx, &load_live(ctx, id, "/id")?, set, operation)?;
    }
    Ok(id)
}

fn assign(
    ctx: &Context<'_>,
    owner: &AccountRow,
    zone: ZoneId,
    body: &CreateZone,
    operation: &[u8],
) -> Rule<()> {
    if body.assignments.is_empty() {
        return Err(Refusal::new(RefusalCode::NoNode, "", "no DNS node was found for the zone").into());
    }
    for assignment in &body.assignments {
        let id = wire_id(&assignment.assignment_id, "/assignments", AssignmentId::from_bytes)?;
        let node_id = wire_id(&assignment.node_id, "/assignments", NodeId::from_bytes)?;
        capacity::assign_zone(ctx, &id.to_bytes(), owner.tenant, zone, node_id)?;
        let subject = Subject {
            kind: ObjectKind::Zone,
            id: &body.zone_id,
            tenant: owner.tenant,
            generation: Generation::FIRST,
        };
        want(ctx, node_id, subject, operation)?;
    }
    Ok(())
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeleteZone) -> Rule<Effect> {
    ctx.authorise(Action::ZoneDelete)?;
    let id = wire_id(&body.zone_id, "/id", ZoneId::from_bytes)?;
    let zone = load_live(ctx, id, "/id")?;
    let operation = &body.operation_id;
    open_operation(ctx, operation, Action::ZoneDelete, zone.tenant, "zone", &id.to_bytes(), "")?;
    removal::remove_zone(ctx, &zone, operation)?;
    close_if_done(ctx, operation)?;
    Ok(Effect {
        tenant: zone.tenant,
        action: Action::ZoneDelete,
        object: id.to_bytes(),
        operation: operation.clone(),
    })
}

/// The zone, unless it is gone or going.
pub(super) fn load_live(ctx: &Context<'_>, id: ZoneId, field: &'static str) -> Rule<ZoneRow> {
    let found = ctx.find(
        "SELECT account_id, tenant_id, name, generation, deleted_millis FROM zones WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            let account = typed(row, 0, AccountId::from_bytes)?;
            let name: String = row.get(2)?;
            let deleting = row.get::<_, Option<i64>>(4)?.is_some();
            Ok((account, tenant_id(row, 1)?, name, Generation(row.get(3)?), deleting))
        },
    )?;
    let (account, tenant, name, generation, deleting) =
        found.ok_or_else(|| Refusal::not_found("zone", field))?;
    ctx.require_visible_of(tenant, account, "zone", field)?;
    if deleting {
        return Err(Refusal::new(RefusalCode::Deleting, field, "the zone is being deleted").into());
    }
    Ok(ZoneRow { id, account, tenant, name: wire_text(&name, field)?, generation })
}

/// The account's zone that `name` lies in, if it has one: the nearest.
pub(super) fn nearest(ctx: &Context<'_>, account: AccountId, name: &Fqdn) -> Rule<Option<ZoneId>> {
    for at in std::iter::once(name.clone()).chain(name.ancestors()) {
        let found = ctx.find(
            "SELECT id FROM zones WHERE name = ?1 AND account_id = ?2 AND deleted_millis IS NULL",
            (at.as_str(), account.to_bytes()),
            |row| typed(row, 0, ZoneId::from_bytes),
        )?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Raises the zone's generation after its record sets changed, and tells its nodes.
pub(super) fn touch(ctx: &Context<'_>, zone: &ZoneRow, operation: &[u8]) -> Rule<()> {
    wanted::touch(ctx, ObjectKind::Zone, &zone.id.to_bytes(), zone.tenant, operation)
}
