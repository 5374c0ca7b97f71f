//! The rules, one file per noun. Each takes a command's body and either changes the database and says what
//! came of it, or refuses and leaves nothing behind.

mod account;
mod api_key;
mod authority;
mod cluster;
mod controller;
mod database;
mod database_user;
mod domain;
mod identity;
mod names;
mod node;
mod observation;
mod plan;
mod record_set;
mod removal;
mod tenant;
mod token;
mod zone;

use npanel_proto::command::envelope::Command;

use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule},
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
        Command::EnrolNode(body) => node::enrol(ctx, body),
        Command::DeleteNode(body) => node::delete(ctx, body),
        Command::EnrolController(body) => controller::enrol(ctx, body),
        Command::RenewIdentity(body) => identity::renew(ctx, body),
        Command::RotateAuthority(body) => authority::rotate(ctx, body),
        Command::RetireAuthority(body) => authority::retire(ctx, body),
        Command::UpdateNodeFacts(body) => return node::update_facts(ctx, body).map(|()| None),
        Command::RecordObservations(body) => return observation::record(ctx, body).map(|()| None),
    }
    .map(Some)
}

/// Refuses a second object with the same id: ids are made by the caller's controller, so this is a replay
/// without an idempotency key, or a fault.
pub(crate) fn require_new(ctx: &Context<'_>, table: &'static str, id: &[u8]) -> Rule<()> {
    match ctx.count(&format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE id = ?1)"), [id])? {
        0 => Ok(()),
        _ => Err(Refusal::new(RefusalCode::Invalid, "", "an object with this id exists already").into()),
    }
}
