//! The rules, one file per noun. Each takes a command's body and either changes the database and says what
//! came of it, or refuses and leaves nothing behind.

mod account;
mod api_key;
mod audit;
mod authority;
mod capacity;
mod cluster;
mod controller;
mod cron;
mod database;
mod database_user;
mod device_login;
mod domain;
mod event;
mod export;
mod feed;
mod fitness;
mod following;
mod group_mapping;
mod identity;
mod identity_provider;
mod level;
mod lost;
mod names;
mod node;
mod observation;
mod operation;
mod plan;
mod record_set;
mod removal;
mod replacement;
mod restoration;
mod revocation;
mod rights;
mod secrets;
mod session;
mod sign_in;
mod suspension;
mod tenant;
mod tenant_suspension;
mod token;
mod totp;
mod usage;
mod user;
mod webhook;
mod zone;

use std::borrow::Cow;

use npanel_proto::command::envelope::Command;

pub(crate) use event::KEPT_MILLIS as EVENTS_KEPT_MILLIS;
pub(crate) use feed::{KEPT as FEED_KEPT, KEPT_MILLIS as FEED_KEPT_MILLIS};
pub(crate) use group_mapping::{Mapping as GroupMapping, stored as group_mappings};
pub(crate) use identity::MAY_BE_LOST;
pub(crate) use session::KEPT_MILLIS as SESSIONS_KEPT_MILLIS;
pub(crate) use sign_in::known_by_provider;

use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule},
    noun::Noun,
};

/// Applies one command by the rules of its noun. `None`: nothing that needs a record in the audit.
pub(crate) fn apply(ctx: &Context<'_>, command: &Command) -> Rule<Option<Effect>> {
    match command {
        Command::CreateCluster(body) => cluster::create(ctx, body),
        Command::CreateTenant(body) => tenant::create(ctx, body),
        Command::DeleteTenant(body) => tenant::delete(ctx, body),
        Command::CreatePlan(body) => plan::create(ctx, body),
        Command::DeletePlan(body) => plan::delete(ctx, body),
        Command::CreateAccount(body) => account::create(ctx, body),
        Command::DeleteAccount(body) => account::delete(ctx, body),
        Command::CreateDomain(body) => domain::create(ctx, body),
        Command::DeleteDomain(body) => domain::delete(ctx, body),
        Command::CreateDatabase(body) => database::create(ctx, body),
        Command::DeleteDatabase(body) => database::delete(ctx, body),
        Command::CreateDatabaseUser(body) => database_user::create(ctx, body),
        Command::DeleteDatabaseUser(body) => database_user::delete(ctx, body),
        Command::CreateZone(body) => zone::create(ctx, body),
        Command::DeleteZone(body) => zone::delete(ctx, body),
        Command::AddRecordSet(body) => record_set::add(ctx, body),
        Command::DeleteRecordSet(body) => record_set::delete(ctx, body),
        Command::CreateToken(body) => token::create(ctx, body),
        Command::DeleteToken(body) => token::delete(ctx, body),
        Command::CreateApiKey(body) => api_key::create(ctx, body),
        Command::DeleteApiKey(body) => api_key::delete(ctx, body),
        Command::RotateApiKey(body) => api_key::rotate(ctx, body),
        Command::CreateUser(body) => user::create(ctx, body),
        Command::UpdateUser(body) => user::update(ctx, body),
        Command::DeleteUser(body) => user::delete(ctx, body),
        Command::SetUserPassword(body) => user::set_password(ctx, body),
        Command::OfferTotp(body) => totp::offer(ctx, body),
        Command::ConfirmTotp(body) => totp::confirm(ctx, body),
        Command::RemoveTotp(body) => totp::remove(ctx, body),
        Command::CreateSession(body) => session::create(ctx, body),
        Command::DeleteSession(body) => session::delete(ctx, body),
        Command::CreateIdentityProvider(body) => identity_provider::create(ctx, body),
        Command::UpdateIdentityProvider(body) => identity_provider::update(ctx, body),
        Command::DeleteIdentityProvider(body) => identity_provider::delete(ctx, body),
        Command::SignInByProvider(body) => sign_in::by_provider(ctx, body),
        Command::BeginDeviceLogin(body) => return device_login::begin(ctx, body).map(|()| None),
        Command::DecideDeviceLogin(body) => device_login::decide(ctx, body),
        Command::EnrolNode(body) => node::enrol(ctx, body),
        Command::RevokeNode(body) => revocation::revoke(ctx, body),
        Command::DeleteNode(body) => node::delete(ctx, body),
        Command::PlaceAccount(body) => lost::place_account(ctx, body),
        Command::PlaceZone(body) => lost::place_zone(ctx, body),
        Command::UpdateNode(body) => node::update(ctx, body),
        Command::UpdateCluster(body) => cluster::update(ctx, body),
        Command::RestoreCluster(body) => restoration::restore(ctx, body),
        Command::EnrolController(body) => controller::enrol(ctx, body),
        Command::RemoveController(body) => controller::remove(ctx, body),
        Command::RenewIdentity(body) => identity::renew(ctx, body),
        Command::RotateAuthority(body) => authority::rotate(ctx, body),
        Command::RetireAuthority(body) => authority::retire(ctx, body),
        Command::UpdateNodeFacts(body) => return node::update_facts(ctx, body).map(|()| None),
        Command::UpdateTenant(body) => tenant::update(ctx, body),
        Command::UpdatePlan(body) => plan::update(ctx, body),
        Command::UpdateAccount(body) => account::update(ctx, body),
        Command::UpdateDomain(body) => domain::update(ctx, body),
        Command::UpdateRecordSet(body) => record_set::update(ctx, body),
        Command::UpdateApiKey(body) => api_key::update(ctx, body),
        Command::SetDatabasePassword(body) => database_user::set_password(ctx, body),
        Command::SetDatabasePrivileges(body) => database_user::set_privileges(ctx, body),
        Command::SuspendAccount(body) => suspension::suspend_account(ctx, body),
        Command::UnsuspendAccount(body) => suspension::unsuspend_account(ctx, body),
        Command::SuspendDomain(body) => suspension::suspend_domain(ctx, body),
        Command::UnsuspendDomain(body) => suspension::unsuspend_domain(ctx, body),
        Command::SuspendTenant(body) => tenant_suspension::suspend(ctx, body),
        Command::UnsuspendTenant(body) => tenant_suspension::unsuspend(ctx, body),
        Command::ExportTenant(body) => export::tenant(ctx, body),
        Command::ExportAccount(body) => export::account(ctx, body),
        Command::ReplaceController(body) => replacement::begin(ctx, body),
        Command::RecordEvents(body) => return event::record(ctx, body).map(|()| None),
        Command::RecordNodeConditions(body) => {
            return event::record_conditions(ctx, body).map(|()| None);
        }
        Command::SetCronJobs(body) => cron::set(ctx, body),
        Command::WriteOffNode(body) => return lost::go_on(ctx, body).map(|()| None),
        Command::FollowPlan(body) => return following::go_on(ctx, body).map(|()| None),
        Command::FollowTenant(body) => return tenant_suspension::go_on(ctx, body).map(|()| None),
        Command::PurgeOperations(body) => return operation::purge(ctx, body).map(|()| None),
        Command::RecordObservations(body) => return observation::record(ctx, body).map(|()| None),
        Command::CreateAuditKey(body) => return audit::create_key(ctx, body).map(|()| None),
        Command::RecordCheckpoint(body) => return audit::record_checkpoint(ctx, body).map(|()| None),
        Command::CreateWebhook(body) => webhook::create(ctx, body),
        Command::UpdateWebhook(body) => webhook::update(ctx, body),
        Command::DeleteWebhook(body) => webhook::delete(ctx, body),
        Command::RecordDeliveries(body) => return webhook::record(ctx, body).map(|()| None),
        Command::PurgeChanges(body) => return feed::purge(ctx, body).map(|()| None),
        Command::RaiseFeatureLevel(body) => return level::raise(ctx, body).map(|()| None),
        Command::RotateSecrets(body) => secrets::rotate(ctx, body),
        Command::OfferClusterKey(body) => return secrets::offer(ctx, body).map(|()| None),
        Command::HoldClusterKey(body) => return secrets::hold(ctx, body).map(|()| None),
        Command::ResealSecrets(body) => return secrets::reseal(ctx, body).map(|()| None),
        Command::SettleSecrets(body) => return secrets::settle(ctx, body).map(|()| None),
    }
    .map(Some)
}

/// The object that a command changes or removes. `None`: it makes something, or is a machine's own doing.
pub(crate) fn subject<'a>(ctx: &Context<'_>, command: &'a Command) -> Rule<Option<(Noun, Cow<'a, [u8]>)>> {
    let (noun, id) = match command {
        Command::UpdateTenant(body) => (Noun::Tenant, &body.tenant_id),
        Command::SuspendTenant(body) => (Noun::Tenant, &body.tenant_id),
        Command::UnsuspendTenant(body) => (Noun::Tenant, &body.tenant_id),
        Command::ExportTenant(body) => (Noun::Tenant, &body.tenant_id),
        Command::ExportAccount(body) => (Noun::Account, &body.account_id),
        Command::UpdatePlan(body) => (Noun::Plan, &body.plan_id),
        Command::UpdateAccount(body) => (Noun::Account, &body.account_id),
        Command::SuspendAccount(body) => (Noun::Account, &body.account_id),
        Command::UnsuspendAccount(body) => (Noun::Account, &body.account_id),
        Command::UpdateDomain(body) => (Noun::Domain, &body.domain_id),
        Command::SuspendDomain(body) => (Noun::Domain, &body.domain_id),
        Command::UnsuspendDomain(body) => (Noun::Domain, &body.domain_id),
        Command::UpdateRecordSet(body) => (Noun::RecordSet, &body.record_set_id),
        Command::SetCronJobs(body) => (Noun::CronTable, &body.account_id),
        Command::UpdateApiKey(body) => (Noun::ApiKey, &body.api_key_id),
        Command::SetDatabasePassword(body) => (Noun::DatabaseUser, &body.database_user_id),
        Command::SetDatabasePrivileges(body) => (Noun::DatabaseUser, &body.database_user_id),
        Command::DeleteTenant(body) => (Noun::Tenant, &body.tenant_id),
        Command::DeletePlan(body) => (Noun::Plan, &body.plan_id),
        Command::DeleteAccount(body) => (Noun::Account, &body.account_id),
        Command::DeleteDomain(body) => (Noun::Domain, &body.domain_id),
        Command::DeleteDatabase(body) => (Noun::Database, &body.database_id),
        Command::DeleteDatabaseUser(body) => (Noun::DatabaseUser, &body.database_user_id),
        Command::DeleteZone(body) => (Noun::Zone, &body.zone_id),
        Command::DeleteRecordSet(body) => (Noun::RecordSet, &body.record_set_id),
        Command::DeleteToken(body) => (Noun::Token, &body.token_id),
        Command::DeleteApiKey(body) => (Noun::ApiKey, &body.api_key_id),
        Command::RotateApiKey(body) => (Noun::ApiKey, &body.api_key_id),
        Command::UpdateUser(body) => (Noun::User, &body.user_id),
        Command::DeleteUser(body) => (Noun::User, &body.user_id),
        Command::SetUserPassword(body) => (Noun::User, &body.user_id),
        Command::OfferTotp(body) => (Noun::User, &body.user_id),
        Command::ConfirmTotp(body) => (Noun::User, &body.user_id),
        Command::RemoveTotp(body) => (Noun::User, &body.user_id),
        Command::DeleteSession(body) => (Noun::Session, &body.session_id),
        Command::UpdateWebhook(body) => (Noun::Webhook, &body.webhook_id),
        Command::DeleteWebhook(body) => (Noun::Webhook, &body.webhook_id),
        Command::UpdateIdentityProvider(body) => (Noun::IdentityProvider, &body.identity_provider_id),
        Command::DeleteIdentityProvider(body) => (Noun::IdentityProvider, &body.identity_provider_id),
        Command::DeleteNode(body) => (Noun::Node, &body.node_id),
        Command::UpdateNode(body) => (Noun::Node, &body.node_id),
        Command::UpdateCluster(_) => {
            return Ok(Some((Noun::Cluster, Cow::Owned(ctx.root_tenant()?.to_bytes()))));
        }
        Command::RevokeNode(body) => (Noun::Node, &body.node_id),
        Command::CreateCluster(_)
        | Command::RestoreCluster(_)
        | Command::CreateTenant(_)
        | Command::CreatePlan(_)
        | Command::CreateAccount(_)
        | Command::CreateDomain(_)
        | Command::CreateDatabase(_)
        | Command::CreateDatabaseUser(_)
        | Command::CreateZone(_)
        | Command::AddRecordSet(_)
        | Command::CreateToken(_)
        | Command::CreateApiKey(_)
        | Command::CreateUser(_)
        | Command::CreateSession(_)
        | Command::CreateIdentityProvider(_)
        | Command::SignInByProvider(_)
        | Command::BeginDeviceLogin(_)
        | Command::DecideDeviceLogin(_)
        | Command::EnrolNode(_)
        | Command::EnrolController(_)
        | Command::RemoveController(_)
        | Command::ReplaceController(_)
        | Command::RenewIdentity(_)
        | Command::RotateAuthority(_)
        | Command::RetireAuthority(_)
        | Command::UpdateNodeFacts(_)
        | Command::FollowPlan(_)
        | Command::FollowTenant(_)
        | Command::WriteOffNode(_)
        | Command::PurgeOperations(_)
        | Command::PurgeChanges(_)
        | Command::CreateWebhook(_)
        | Command::RecordDeliveries(_)
        | Command::PlaceAccount(_)
        | Command::PlaceZone(_)
        | Command::RecordEvents(_)
        | Command::RecordNodeConditions(_)
        | Command::RaiseFeatureLevel(_)
        | Command::RotateSecrets(_)
        | Command::OfferClusterKey(_)
        | Command::HoldClusterKey(_)
        | Command::ResealSecrets(_)
        | Command::SettleSecrets(_)
        | Command::CreateAuditKey(_)
        | Command::RecordCheckpoint(_)
        | Command::RecordObservations(_) => return Ok(None),
    };
    Ok(Some((noun, Cow::Borrowed(id.as_slice()))))
}

/// Refuses a second object with the same id: ids are made by the caller's controller, so this is a replay
/// without an idempotency key, or a fault.
pub(crate) fn require_new(ctx: &Context<'_>, table: &'static str, id: &[u8]) -> Rule<()> {
    match ctx.count(&format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE id = ?1)"), [id])? {
        0 => Ok(()),
        _ => Err(Refusal::new(RefusalCode::Invalid, "", "an object with this id exists already").into()),
    }
}
