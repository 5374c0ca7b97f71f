//! Record sets.

use std::net::IpAddr;

use npanel_model::{
    Action, DomainId, Fqdn, NodeId, Part, RecordName, RecordSetId, RecordType, Ttl, ZoneId,
    validate_record_set,
};
use npanel_proto::command::{AddRecordSet, DeleteRecordSet, UpdateRecordSet};
use sha2::{Digest, Sha256};

use super::{account, account::AccountRow, require_new, zone, zone::ZoneRow};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, json, texts, typed, wire_id, wire_text},
    wanted::{close_if_done, open_operation},
};

/// More than this in one zone does not come from a hosting customer.
const SETS_PER_ZONE: u64 = 5000;

pub(super) fn add(ctx: &Context<'_>, body: &AddRecordSet) -> Rule<Effect> {
    ctx.authorise(Action::RecordAdd)?;
    let zone_id = wire_id(&body.zone_id, "/zone_id", ZoneId::from_bytes)?;
    let zone = zone::load_live(ctx, zone_id, "/zone_id")?;
    let operation = &body.operation_id;
    open_operation(ctx, operation, Action::RecordAdd, zone.tenant, "record_set", &body.record_set_id, "")?;
    insert(ctx, &zone, body, operation)?;
    zone::touch(ctx, &zone, operation)?;
    close_if_done(ctx, operation)?;
    Ok(Effect {
        tenant: zone.tenant,
        action: Action::RecordAdd,
        object: body.record_set_id.clone(),
        operation: operation.clone(),
    })
}

/// Adds the set to the zone without telling its nodes.
pub(super) fn insert(ctx: &Context<'_>, zone: &ZoneRow, body: &AddRecordSet, operation: &[u8]) -> Rule<()> {
    let id = wire_id(&body.record_set_id, "/id", RecordSetId::from_bytes)?;
    let name: RecordName = wire_text(&body.name, "/name")?;
    let kind: RecordType = wire_text(&body.r#type, "/type")?;
    let ttl = ttl(body.ttl_seconds)?;
    let records = canonical(&name, kind, &body.records)?;
    put(ctx, zone, &Set { id, name, kind, ttl, records, domain: None }, operation)
}

fn ttl(seconds: u32) -> Rule<Ttl> {
    Ttl::try_from(seconds)
        .map_err(|error| Refusal::new(RefusalCode::Invalid, "/ttl_seconds", error.to_string()).into())
}

fn canonical(name: &RecordName, kind: RecordType, records: &[String]) -> Rule<Vec<String>> {
    let records = validate_record_set(name, kind, records)
        .map_err(|error| Refusal::new(RefusalCode::Invalid, "/records", error.to_string()))?;
    Ok(records.iter().map(npanel_model::RecordData::canonical).collect())
}

struct Set {
    id: RecordSetId,
    name: RecordName,
    kind: RecordType,
    ttl: Ttl,
    records: Vec<String>,
    domain: Option<DomainId>,
}

fn put(ctx: &Context<'_>, zone: &ZoneRow, set: &Set, operation: &[u8]) -> Rule<()> {
    if set.name.absolute_in(&zone.name).len() > 254 {
        return Err(Refusal::new(
            RefusalCode::Invalid,
            "/name",
            "the full name is longer than 253 characters",
        )
        .into());
    }
    require_new(ctx, "record_sets", &set.id.to_bytes())?;
    require_no_clash(ctx, zone, set)?;
    let used = ctx.count("SELECT count(*) FROM record_sets WHERE zone_id = ?1", [zone.id.to_bytes()])?;
    account::require_room("record sets in a zone", Some(SETS_PER_ZONE), used)?;
    ctx.run(
        "INSERT INTO record_sets (id, tenant_id, account_id, zone_id, name, type, ttl_seconds, records, domain_id,
             operation_id, created_millis)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        rusqlite::params![
            set.id.to_bytes(),
            zone.tenant.to_bytes(),
            zone.account.to_bytes(),
            zone.id.to_bytes(),
            set.name.as_str(),
            set.kind.as_str(),
            set.ttl.seconds(),
            json(&set.records),
            set.domain.map(DomainId::to_bytes),
            operation,
            ctx.now.as_millis(),
        ],
    )?;
    ctx.note(zone.tenant, "record_set", set.id.to_bytes(), "created");
    Ok(())
}

/// A name has one set of a type, and a CNAME stands alone (RFC 1034, 3.6.2).
fn require_no_clash(ctx: &Context<'_>, zone: &ZoneRow, set: &Set) -> Rule<()> {
    let kinds = ctx.all(
        "SELECT type FROM record_sets WHERE zone_id = ?1 AND name = ?2 ORDER BY type",
        (zone.id.to_bytes(), set.name.as_str()),
        |row| row.get::<_, String>(0),
    )?;
    let cname = RecordType::Cname.as_str();
    let message = if kinds.iter().any(|kind| kind == set.kind.as_str()) {
        format!("{} has a {} record set already", set.name, set.kind)
    } else if !kinds.is_empty() && (set.kind == RecordType::Cname || kinds.iter().any(|kind| kind == cname)) {
        format!("{} has other records, and a CNAME stands alone", set.name)
    } else {
        return Ok(());
    };
    Err(Refusal::new(RefusalCode::NameTaken, "/name", message).into())
}

/// Gives a domain the address of the node that serves it, unless its name has an address already.
pub(super) fn add_address(
    ctx: &Context<'_>,
    owner: &AccountRow,
    zone_id: ZoneId,
    domain: DomainId,
    name: &Fqdn,
    operation: &[u8],
) -> Rule<()> {
    let zone = zone::load_live(ctx, zone_id, "/zone_id")?;
    let node = account::node_of(ctx, owner.id, Part::Web)?;
    let Some(address) = node_address(ctx, node)? else { return Ok(()) };
    let (kind, text) = match address {
        IpAddr::V4(address) => (RecordType::A, address.to_string()),
        IpAddr::V6(address) => (RecordType::Aaaa, address.to_string()),
    };
    let relative = name.as_str().strip_suffix(zone.name.as_str()).map(|rest| rest.trim_end_matches('.'));
    let name: RecordName = match relative {
        Some("") | None => RecordName::apex(),
        Some(labels) => wire_text(labels, "/name")?,
    };
    let there = ctx.count(
        "SELECT count(*) FROM record_sets WHERE zone_id = ?1 AND name = ?2 AND type IN ('A', 'AAAA', 'CNAME')",
        (zone.id.to_bytes(), name.as_str()),
    )?;
    if there > 0 {
        return Ok(());
    }
    let set = Set {
        id: address_set_id(domain),
        name,
        kind,
        ttl: Ttl::HOUR,
        records: vec![text],
        domain: Some(domain),
    };
    put(ctx, &zone, &set, operation)?;
    zone::touch(ctx, &zone, operation)
}

fn node_address(ctx: &Context<'_>, node: NodeId) -> Rule<Option<IpAddr>> {
    let text = ctx
        .find("SELECT address FROM nodes WHERE id = ?1", [node.to_bytes()], |row| row.get::<_, String>(0))?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// The id of a domain's own address record set. The state machine makes it, without randomness: a hash of the
/// domain's id, in the form of a version 8 UUID.
fn address_set_id(domain: DomainId) -> RecordSetId {
    let digest =
        Sha256::new().chain_update(b"npanel address of domain\0").chain_update(domain.to_bytes()).finalize();
    let mut bytes: [u8; 16] = digest[..16].try_into().expect("a SHA-256 digest has more than sixteen bytes");
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    RecordSetId::from_bytes(&bytes).expect("there are sixteen bytes")
}

/// Changes the set. A domain's own address that was given other records is the customer's from then on: it stays
/// when the domain goes.
pub(super) fn update(ctx: &Context<'_>, body: &UpdateRecordSet) -> Rule<Effect> {
    ctx.authorise(Action::RecordUpdate)?;
    let id = wire_id(&body.record_set_id, "/id", RecordSetId::from_bytes)?;
    let found = ctx.find(
        "SELECT zone_id, name, type, ttl_seconds, records FROM record_sets WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            let texts = (row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, String>(4)?);
            Ok((typed(row, 0, ZoneId::from_bytes)?, texts, row.get::<_, u32>(3)?))
        },
    )?;
    let (zone_id, (name, kind, old), old_ttl) =
        found.ok_or_else(|| Refusal::not_found("record set", "/id"))?;
    let zone = zone::load_live(ctx, zone_id, "/id")?;
    let ttl = body.ttl_seconds.map_or(Ok(old_ttl), |seconds| ttl(seconds).map(Ttl::seconds))?;
    let old = texts(&old);
    let records = match body.records.as_slice() {
        [] => old.clone(),
        records => canonical(&wire_text(&name, "/id")?, wire_text(&kind, "/id")?, records)?,
    };
    let action = Action::RecordUpdate;
    let mut effect = Effect { tenant: zone.tenant, action, object: id.to_bytes(), operation: Vec::new() };
    if (ttl, &records) == (old_ttl, &old) {
        return Ok(effect);
    }
    let operation = &body.operation_id;
    open_operation(ctx, operation, action, zone.tenant, "record_set", &id.to_bytes(), "")?;
    ctx.run(
        "UPDATE record_sets SET ttl_seconds = ?2, records = ?3, operation_id = ?4,
             domain_id = CASE WHEN ?5 THEN domain_id END
         WHERE id = ?1",
        (id.to_bytes(), ttl, json(&records), operation, records == old),
    )?;
    ctx.note(zone.tenant, "record_set", id.to_bytes(), "changed");
    zone::touch(ctx, &zone, operation)?;
    close_if_done(ctx, operation)?;
    effect.operation.clone_from(operation);
    Ok(effect)
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeleteRecordSet) -> Rule<Effect> {
    ctx.authorise(Action::RecordDelete)?;
    let id = wire_id(&body.record_set_id, "/id", RecordSetId::from_bytes)?;
    let zone_id = ctx
        .find("SELECT zone_id FROM record_sets WHERE id = ?1", [id.to_bytes()], |row| {
            typed(row, 0, ZoneId::from_bytes)
        })?
        .ok_or_else(|| Refusal::not_found("record set", "/id"))?;
    let zone = zone::load_live(ctx, zone_id, "/id")?;
    let operation = &body.operation_id;
    open_operation(ctx, operation, Action::RecordDelete, zone.tenant, "record_set", &id.to_bytes(), "")?;
    ctx.run("DELETE FROM record_sets WHERE id = ?1", [id.to_bytes()])?;
    ctx.note(zone.tenant, "record_set", id.to_bytes(), "deleted");
    zone::touch(ctx, &zone, operation)?;
    close_if_done(ctx, operation)?;
    Ok(Effect {
        tenant: zone.tenant,
        action: Action::RecordDelete,
        object: id.to_bytes(),
        operation: operation.clone(),
    })
}

/// Gives the domains of an account, whose addresses are their own still, that of the node that serves them now.
pub(super) fn readdress(ctx: &Context<'_>, owner: &AccountRow, operation: &[u8]) -> Rule<()> {
    let addresses = ctx.all(
        "SELECT d.id, d.name, r.zone_id FROM domains d JOIN record_sets r ON r.domain_id = d.id
             JOIN zones z ON z.id = r.zone_id
         WHERE d.account_id = ?1 AND d.deleted_millis IS NULL AND z.deleted_millis IS NULL ORDER BY d.id",
        [owner.id.to_bytes()],
        |row| {
            let domain = typed(row, 0, DomainId::from_bytes)?;
            Ok((domain, row.get::<_, String>(1)?, typed(row, 2, ZoneId::from_bytes)?))
        },
    )?;
    for (domain, name, zone) in addresses {
        ctx.run("DELETE FROM record_sets WHERE domain_id = ?1", [domain.to_bytes()])?;
        add_address(ctx, owner, zone, domain, &wire_text(&name, "")?, operation)?;
    }
    Ok(())
}

/// Removes a domain's own address record, wherever it is.
pub(super) fn remove_address(ctx: &Context<'_>, domain: DomainId, operation: &[u8]) -> Rule<()> {
    let zones = ctx.all(
        "DELETE FROM record_sets WHERE domain_id = ?1 RETURNING zone_id",
        [domain.to_bytes()],
        |row| typed(row, 0, ZoneId::from_bytes),
    )?;
    for zone_id in zones {
        let live = ctx.count(
            "SELECT count(*) FROM zones WHERE id = ?1 AND deleted_millis IS NULL",
            [zone_id.to_bytes()],
        )?;
        if live == 1 {
            zone::touch(ctx, &zone::load_live(ctx, zone_id, "/id")?, operation)?;
        }
    }
    Ok(())
}
