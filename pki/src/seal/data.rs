//! A cluster key, and the tenants' data keys.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use npanel_model::TenantId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{KeyName, SealError, aead, key::Key};
use crate::{AuditKey, CertificateAuthority, KeyFingerprint};

/// Wraps the tenants' data keys. Every controller has it; it is in no log and, in clear, in no backup.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ClusterKey(pub(super) Key);

/// Seals one tenant's secrets. Rests wrapped, in the state.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DataKey(Key);

/// Where a sealed value belongs. It opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The object's tenant.
    pub tenant: TenantId,
    /// The object's id, as its sixteen bytes.
    pub object: &'a [u8],
    /// The field's name.
    pub name: &'static str,
}

impl<'a> Field<'a> {
    /// The hash of a database user's password; `object` is the database user's id.
    pub fn database_password(tenant: TenantId, object: &'a [u8]) -> Self {
        Self { tenant, object, name: "database_user.password_hash" }
    }

    /// What a webhook's messages are signed by; `object` is the webhook's id.
    pub fn webhook_secret(tenant: TenantId, object: &'a [u8]) -> Self {
        Self { tenant, object, name: "webhook.secret" }
    }

    /// The key that a user's authenticator makes codes by; `object` is the user's id.
    pub fn totp_key(tenant: TenantId, object: &'a [u8]) -> Self {
        Self { tenant, object, name: "user.totp" }
    }

    /// What nPanel shows to an identity provider as its client; `object` is the provider's id.
    pub fn client_secret(tenant: TenantId, object: &'a [u8]) -> Self {
        Self { tenant, object, name: "identity_provider.client_secret" }
    }
}

impl ClusterKey {
    /// A cluster's first key.
    pub fn generate() -> Self {
        Self(Key::generate(false))
    }

    /// A key that follows another.
    pub fn successor() -> Self {
        Self(Key::generate(true))
    }

    /// Its name; a cluster's first key has none.
    pub fn name(&self) -> Option<KeyName> {
        self.0.name()
    }

    /// The name as the state has it: of the first key, nothing.
    pub fn name_bytes(&self) -> Vec<u8> {
        self.0.name_bytes()
    }

    /// Seals a tenant's data key.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn wrap(&self, tenant: TenantId, key: &DataKey) -> Result<Vec<u8>, SealError> {
        self.0.seal(&data_key_place(&tenant.to_bytes(), &key.name_bytes()), key.0.bytes())
    }

    /// Opens a tenant's data key, which has this name.
    ///
    /// # Errors
    /// If it is not this tenant's, or another, or not wrapped by this key.
    pub fn unwrap(&self, tenant: TenantId, name: &[u8], wrapped: &[u8]) -> Result<DataKey, SealError> {
        let plain = self.0.open(&data_key_place(&tenant.to_bytes(), name), wrapped)?;
        let key = DataKey(Key::from_bytes(&plain, !name.is_empty())?);
        if key.name_bytes() == name { Ok(key) } else { Err(SealError::Name) }
    }

    /// Seals an authority's key for the replicated state.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn wrap_authority(&self, authority: &CertificateAuthority) -> Result<Vec<u8>, SealError> {
        self.seal_authority_key(authority.pin(), authority.key_pem().as_bytes())
    }

    pub(super) fn seal_authority_key(
        &self,
        pin: KeyFingerprint,
        key_pem: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        self.0.seal(&[b"npanel authority", &pin.to_bytes()], key_pem)
    }

    /// Opens the key of the authority whose key has this name: in PEM, to be given to
    /// [`CertificateAuthority::load`].
    ///
    /// # Errors
    /// If it is another authority's, or not sealed by this key.
    pub fn unwrap_authority(
        &self,
        pin: KeyFingerprint,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.0.open(&[b"npanel authority", &pin.to_bytes()], sealed)
    }

    /// Seals the key that vouches for the audit, for the replicated state.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn wrap_audit_key(&self, key: &AuditKey) -> Result<Vec<u8>, SealError> {
        self.0.seal(&[b"npanel audit key", &key.public()], key.seed())
    }

    /// Opens the key that vouches for the audit and has this public half.
    ///
    /// # Errors
    /// If it is another, or not sealed by this key.
    pub fn unwrap_audit_key(&self, public: &[u8], sealed: &[u8]) -> Result<AuditKey, SealError> {
        let plain = self.0.open(&[b"npanel audit key", public], sealed)?;
        let seed = plain.as_slice().try_into().map_err(|_| SealError::Short)?;
        Ok(AuditKey::from_seed(Zeroizing::new(seed)))
    }
}

/// Where a data key belongs. The first has no name, and was bound to its tenant only.
fn data_key_place<'a>(tenant: &'a [u8], name: &'a [u8]) -> Vec<&'a [u8]> {
    let mut place: Vec<&[u8]> = vec![b"npanel data key", tenant];
    if !name.is_empty() {
        place.push(name);
    }
    place
}

impl DataKey {
    /// A tenant's first key.
    pub fn generate() -> Self {
        Self(Key::generate(false))
    }

    /// A key that follows another.
    pub fn successor() -> Self {
        Self(Key::generate(true))
    }

    /// The name as the state has it: of a tenant's first key, nothing.
    pub fn name_bytes(&self) -> Vec<u8> {
        self.0.name_bytes()
    }

    /// Seals a value for its place.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn seal(&self, field: Field<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        self.0.seal(&place(field, &field.tenant.to_bytes()), plain)
    }

    /// Opens a value in its place.
    ///
    /// # Errors
    /// If it was not sealed by this key for this place.
    pub fn open(&self, field: Field<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        match aead::sealer(sealed)? {
            name if name == self.0.name() => self.0.open(&place(field, &field.tenant.to_bytes()), sealed),
            name => Err(no_key(name)),
        }
    }
}

pub(super) fn no_key(name: Option<KeyName>) -> SealError {
    SealError::NoKey(name.map_or_else(|| "that came first".to_owned(), |name| name.to_string()))
}

fn place<'a>(field: Field<'a>, tenant: &'a [u8]) -> [&'a [u8]; 4] {
    [b"npanel field", tenant, field.object, field.name.as_bytes()]
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey([redacted])")
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([redacted])")
    }
}

/// Before the text of a key with a name. It is in no text of base64.
const NAMED: &str = "named:";

/// Only [`super::ClusterSecrets`] holds one, and that is written sealed.
impl Serialize for ClusterKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new(String::with_capacity(64));
        if self.0.is_named() {
            text.push_str(NAMED);
        }
        STANDARD.encode_string(self.0.bytes(), &mut text);
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for ClusterKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let (base64, is_named) = text.strip_prefix(NAMED).map_or((text.as_str(), false), |rest| (rest, true));
        let bytes = Zeroizing::new(STANDARD.decode(base64).map_err(|_| D::Error::custom("not a key"))?);
        Key::from_bytes(&bytes, is_named).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_key_opens_for_its_own_tenant_only() {
        let (cluster, key) = (ClusterKey::generate(), DataKey::generate());
        let (one, other) = (TenantId::generate(), TenantId::generate());
        let wrapped = cluster.wrap(one, &key).expect("wrapped");
        assert!(cluster.unwrap(one, &[], &wrapped).expect("unwrapped").0 == key.0);
        assert!(cluster.unwrap(other, &[], &wrapped).is_err());
        assert!(ClusterKey::generate().unwrap(one, &[], &wrapped).is_err());
    }

    #[test]
    fn a_later_data_key_opens_under_its_own_name_only() {
        let (cluster, key, other) = (ClusterKey::successor(), DataKey::successor(), DataKey::successor());
        let tenant = TenantId::generate();
        let wrapped = cluster.wrap(tenant, &key).expect("wrapped");
        assert!(cluster.unwrap(tenant, &key.name_bytes(), &wrapped).expect("unwrapped").0 == key.0);
        assert!(cluster.unwrap(tenant, &other.name_bytes(), &wrapped).is_err());
        assert!(cluster.unwrap(tenant, &[], &wrapped).is_err());
    }

    /// Sealed by the first version, under keys of thirty-two equal bytes.
    #[test]
    fn what_the_first_version_sealed_is_opened() {
        let sealed = aead::seal(&[3; 32], None, &[b"npanel data key", &[9; 16]], &[4; 32]).expect("sealed");
        assert_eq!((sealed[0], sealed.len()), (1, 1 + 12 + 32 + 16));
        let tenant = TenantId::from_bytes(&[9; 16]).expect("an id");
        let cluster = ClusterKey(Key::from_bytes(&[3; 32], false).expect("a key"));
        assert_eq!(cluster.unwrap(tenant, &[], &sealed).expect("unwrapped").0.bytes(), &[4; 32]);
    }

    #[test]
    fn a_key_is_written_and_read_with_what_it_is() {
        for key in [ClusterKey::generate(), ClusterKey::successor()] {
            let text = serde_json::to_string(&key).expect("written");
            let read: ClusterKey = serde_json::from_str(&text).expect("read");
            assert!(read == key && read.name() == key.name());
        }
        let old = format!("\"{}\"", STANDARD.encode([5; 32]));
        assert_eq!(serde_json::from_str::<ClusterKey>(&old).expect("read").name(), None);
    }

    #[test]
    fn a_value_opens_in_its_own_place_only() {
        let key = DataKey::generate();
        let (tenant, object, other) = (TenantId::generate(), [1; 16], [2; 16]);
        let field = Field::database_password(tenant, &object);
        let sealed = key.seal(field, b"*HASH").expect("sealed");
        assert_eq!(key.open(field, &sealed).expect("opened").as_slice(), b"*HASH");
        for elsewhere in [
            Field { object: &other, ..field },
            Field { name: "note", ..field },
            Field { tenant: TenantId::generate(), ..field },
        ] {
            assert!(key.open(elsewhere, &sealed).is_err());
        }
        assert!(!sealed.windows(5).any(|window| window == b"*HASH"));
    }
}
