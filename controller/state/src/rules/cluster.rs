//! The cluster itself: made once, by the first command of the log.

use npanel_model::{Action, Fqdn, Strategy, TenantId, TenantName, Uid};
use npanel_proto::command::{CreateCluster, UpdateCluster};

use super::{
    api_key, authority, controller, level,
    operation::{LONGEST_RETENTION_SECONDS, SHORTEST_RETENTION_SECONDS},
    removal, secrets, tenant,
};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, wire_id, wire_text},
};

/// An X25519 public key.
const RECOVERY_KEY_BYTES: usize = 32;

pub(super) fn create(ctx: &Context<'_>, body: &CreateCluster) -> Rule<Effect> {
    if ctx.count("SELECT count(*) FROM cluster", [])? > 0 {
        return Err(Refusal::new(RefusalCode::AlreadyInitialised, "", "the cluster was made already").into());
    }
    let root = wire_id(&body.root_tenant_id, "/root_tenant_id", TenantId::from_bytes)?;
    let name: TenantName = wire_text(&body.root_tenant_name, "/root_tenant_name")?;
    let name_server_domain: Fqdn = wire_text(&body.name_server_domain, "/name_server_domain")?;
    ctx.run(
        "INSERT INTO cluster (only_row, cluster_id, root_tenant_id, epoch, feature_level, clock_millis, next_uid,
             name_server_domain, retention_seconds, recovery_key)
         VALUES (1, ?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            &body.cluster_id,
            root.to_bytes(),
            ctx.level,
            ctx.now.as_millis(),
            Uid::FIRST.get(),
            name_server_domain.as_str(),
            body.retention_seconds,
            &body.recovery_key,
        ),
    )?;
    secrets::first_cluster_key(ctx)?;
    tenant::insert_root(ctx, root, &name, &body.wrapped_data_key)?;
    if let Some(key) = &body.first_key {
        api_key::insert(ctx, key)?;
    }
    if let Some(authority) = &body.first_authority {
        authority::insert(ctx, authority)?;
    }
    if let Some(first) = &body.first_controller {
        controller::insert(ctx, first)?;
    }
    Ok(Effect { tenant: root, action: Action::TenantCreate, object: root.to_bytes(), operation: Vec::new() })
}

pub(super) fn update(ctx: &Context<'_>, body: &UpdateCluster) -> Rule<Effect> {
    ctx.authorise(Action::ClusterUpdate)?;
    let platform = ctx.require_platform(Action::ClusterUpdate)?;
    let mut changed = 0;
    if let Some(strategy) = &body.placement_strategy {
        let strategy: Strategy = wire_text(strategy, "/placement_strategy")?;
        changed += ctx.run(
            "UPDATE cluster SET placement_strategy = ?1 WHERE placement_strategy != ?1",
            [strategy.as_str()],
        )?;
    }
    if let Some(seconds) = body.operation_retention_seconds {
        if !(SHORTEST_RETENTION_SECONDS..=LONGEST_RETENTION_SECONDS).contains(&seconds) {
            let message = format!(
                "operations are kept for {SHORTEST_RETENTION_SECONDS} to {LONGEST_RETENTION_SECONDS} seconds (got {seconds})"
            );
            return Err(Refusal::new(RefusalCode::Invalid, "/operation_retention_seconds", message).into());
        }
        changed += ctx.run(
            "UPDATE cluster SET operation_retention_seconds = ?1 WHERE operation_retention_seconds != ?1",
            [seconds],
        )?;
    }
    if let Some(seconds) = body.deleted_data_retention_seconds {
        removal::require_bounded(seconds, "/deleted_data_retention_seconds")?;
        changed +=
            ctx.run("UPDATE cluster SET retention_seconds = ?1 WHERE retention_seconds != ?1", [seconds])?;
    }
    if let Some(limit) = &body.feature_level_limit {
        changed += level::hold(ctx, limit)?;
    }
    if let Some(key) = &body.recovery_key {
        if key.len() != RECOVERY_KEY_BYTES {
            let message = format!("a recovery key has {RECOVERY_KEY_BYTES} bytes (got {})", key.len());
            return Err(Refusal::new(RefusalCode::Invalid, "/recovery_key", message).into());
        }
        changed += ctx.run("UPDATE cluster SET recovery_key = ?1 WHERE recovery_key != ?1", [key])?;
    }
    if changed > 0 {
        ctx.note(platform, "cluster", platform.to_bytes(), "changed");
    }
    Ok(Effect {
        tenant: platform,
        action: Action::ClusterUpdate,
        object: platform.to_bytes(),
        operation: Vec::new(),
    })
}
