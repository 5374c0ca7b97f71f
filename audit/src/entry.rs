//! An entry, and the bytes of it that are a leaf's contents.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use npanel_model::TenantId;

use crate::Hash;

/// Which form the bytes have. Another one gets another number, and entries that are there keep theirs.
const FORM: u8 = 1;

/// One accepted write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the controllers' log.
    pub log_index: u64,
    /// When, by the leader's clock: milliseconds since 1970-01-01 UTC.
    pub time_millis: i64,
    /// Whose the object is.
    pub tenant: TenantId,
    /// Who asked: "api_key/<id>", "node/<id>", "controller/<id>" or "token/<id>".
    pub actor: String,
    /// The tenant that an API key acts for; none for machines.
    pub actor_tenant: Option<TenantId>,
    /// The client's address, as the controller saw it that was asked; empty for the fleet's own doings.
    pub source_address: String,
    /// The request.
    pub request_id: Vec<u8>,
    /// What was done.
    pub action: String,
    /// The kind of object.
    pub object_kind: String,
    /// The object.
    pub object: Vec<u8>,
    /// SHA-256 of the command as it stands in the log.
    pub command_digest: Hash,
    /// SHA-256 of the object's canonical form before; none if it was not there.
    pub before: Option<Hash>,
    /// And after.
    pub after: Option<Hash>,
}

impl Entry {
    /// The leaf's contents: the form's number, then every field with its length before it, numbers in eight bytes,
    /// the most significant first.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(448);
        bytes.push(FORM);
        let digest = |hash: &Option<Hash>| hash.map(|hash| *hash.as_bytes());
        let (before, after) = (digest(&self.before), digest(&self.after));
        let fields: [&[u8]; 13] = [
            &self.log_index.to_be_bytes(),
            &self.time_millis.to_be_bytes(),
            &self.tenant.to_bytes(),
            self.actor.as_bytes(),
            &self.actor_tenant.map(TenantId::to_bytes).unwrap_or_default(),
            self.source_address.as_bytes(),
            &self.request_id,
            self.action.as_bytes(),
            self.object_kind.as_bytes(),
            &self.object,
            self.command_digest.as_bytes(),
            before.as_ref().map_or(&[], <[u8; Hash::LENGTH]>::as_slice),
            after.as_ref().map_or(&[], <[u8; Hash::LENGTH]>::as_slice),
        ];
        for field in fields {
            let length =
                u32::try_from(field.len()).expect("no field of a command is longer than a request may be");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(field);
        }
        bytes
    }

    /// The hash of its leaf.
    pub fn leaf_hash(&self) -> Hash {
        Hash::of_leaf(&self.encode())
    }
}

/// Text that is no object of that kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a {kind} (got {text:?})")]
pub struct ObjectTextError {
    kind: String,
    text: String,
}

/// An object's id as the API writes it: a UUID, a controller's number, or else base64url.
pub fn object_text(kind: &str, object: &[u8]) -> String {
    if let (CONTROLLER, Ok(number)) = (kind, object.try_into()) {
        return u64::from_be_bytes(number).to_string();
    }
    match uuid::Uuid::from_slice(object) {
        Ok(id) => id.to_string(),
        Err(_) => URL_SAFE_NO_PAD.encode(object),
    }
}

const CONTROLLER: &str = "controller";

/// The bytes of an object's id that the API writes so.
///
/// # Errors
/// If no object of that kind has such an id.
pub fn object_from_text(kind: &str, text: &str) -> Result<Vec<u8>, ObjectTextError> {
    if kind == CONTROLLER
        && let Ok(number) = text.parse::<u64>()
    {
        return Ok(number.to_be_bytes().to_vec());
    }
    if let Ok(id) = uuid::Uuid::try_parse(text) {
        return Ok(id.as_bytes().to_vec());
    }
    let refused = || ObjectTextError { kind: kind.to_owned(), text: text.chars().take(64).collect() };
    URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            log_index: 7,
            time_millis: 1_800_000_000_000,
            tenant: "01901111-0000-7000-8000-000000000000".parse().expect("an id"),
            actor: "api_key/x".into(),
            actor_tenant: None,
            source_address: "192.0.2.1".into(),
            request_id: vec![1; 16],
            action: "plan.create".into(),
            object_kind: "plan".into(),
            object: vec![2; 16],
            command_digest: Hash::of(b"command"),
            before: None,
            after: Some(Hash::of(b"after")),
        }
    }

    /// Of entries that were written, the bytes must never change.
    #[test]
    fn the_first_form_stays_as_it_is() {
        assert_eq!(entry().leaf_hash().to_string(), "EoN4TK5ZNM+ld8z2PsfUPk0SsniLlBgujC5GD4EVjg8=");
    }

    #[test]
    fn every_field_is_in_the_leaf() {
        let other = Hash::of(b"other");
        let tenant = "01901111-0000-7000-8000-000000000001".parse().expect("an id");
        let changes: [fn(&mut Entry, Hash, TenantId); 13] = [
            |entry, _, _| entry.log_index += 1,
            |entry, _, _| entry.time_millis += 1,
            |entry, _, tenant| entry.tenant = tenant,
            |entry, _, _| entry.actor.push('y'),
            |entry, _, tenant| entry.actor_tenant = Some(tenant),
            |entry, _, _| entry.source_address.push('1'),
            |entry, _, _| entry.request_id[0] = 0,
            |entry, _, _| entry.action = "plan.delete".into(),
            |entry, _, _| entry.object_kind = "tenant".into(),
            |entry, _, _| entry.object[0] = 0,
            |entry, other, _| entry.command_digest = other,
            |entry, other, _| entry.before = Some(other),
            |entry, _, _| entry.after = None,
        ];
        for (field, change) in changes.into_iter().enumerate() {
            let mut changed = entry();
            change(&mut changed, other, tenant);
            assert_ne!(changed.leaf_hash(), entry().leaf_hash(), "field {field}");
        }
    }

    #[test]
    fn an_objects_text_leads_back_to_it() {
        for (kind, object) in
            [("plan", vec![3; 16]), ("controller", vec![0, 0, 0, 0, 0, 0, 0, 3]), ("authority", vec![9; 32])]
        {
            let text = object_text(kind, &object);
            assert_eq!(object_from_text(kind, &text), Ok(object), "{text}");
        }
        assert_eq!(object_text("controller", &3u64.to_be_bytes()), "3");
        assert!(object_from_text("plan", "not one!").is_err());
    }
}
