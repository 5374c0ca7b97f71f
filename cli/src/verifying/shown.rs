//! What the fleet shows, as what it is checked as.

use npanel_audit::{Entry, Hash, object_from_text};
use npanel_sdk_types::AuditEntry;

use crate::failure::Failure;

pub(super) fn refused(text: impl Into<String>) -> Failure {
    Failure::Refused(text.into())
}

pub(super) fn not_understood(what: &str, error: impl std::fmt::Display) -> Failure {
    refused(format!("the fleet's {what} was not understood: {error}"))
}

pub(super) fn hashes(texts: &[String]) -> Result<Vec<Hash>, Failure> {
    let parsed = texts.iter().map(|text| text.parse());
    parsed
        .collect::<Result<_, _>>()
        .map_err(|error: npanel_audit::HashFormError| not_understood("proof", error))
}

/// The entry that is shown so.
pub(super) fn entry(shown: &AuditEntry) -> Result<Entry, Failure> {
    let hash = |text: &String| text.parse::<Hash>().map_err(|error| not_understood("entry", error));
    let object =
        |kind: &str, text: &str| object_from_text(kind, text).map_err(|error| not_understood("entry", error));
    Ok(Entry {
        log_index: shown.log_index,
        time_millis: shown.time.as_millis(),
        tenant: shown.tenant_id,
        actor: shown.actor.clone(),
        actor_tenant: shown.actor_tenant_id,
        source_address: shown.source_address.clone(),
        request_id: object("request", &shown.request_id)?,
        action: shown.action.clone(),
        object_kind: shown.object_kind.clone(),
        object: object(&shown.object_kind, &shown.object_id)?,
        command_digest: hash(&shown.command_digest)?,
        before: shown.before_digest.as_ref().map(hash).transpose()?,
        after: shown.after_digest.as_ref().map(hash).transpose()?,
    })
}
