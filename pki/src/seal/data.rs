//! The cluster's key and the tenants' data keys.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use npanel_model::TenantId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{SealError, aead};
use crate::{AuditKey, CertificateAuthority, KeyFingerprint, secret::random_bytes};

/// Wraps the tenants' data keys. Every controller has it; it is in no log and no backup of the state.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ClusterKey([u8; 32]);

/// Seals one tenant's secrets. Rests wrapped, in the state.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);

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
}

impl ClusterKey {
    /// A new key.
    pub fn generate() -> Self {
        Self(*random_bytes())
    }

    /// Seals a tenant's data key.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn wrap(&self, tenant: TenantId, key: &DataKey) -> Result<Vec<u8>, SealError> {
        aead::seal(&self.0, &[b"npanel data key", &tenant.to_bytes()], &key.0)
    }

    /// Opens a tenant's data key.
    ///
    /// # Errors
    /// If it is not this tenant's, or not wrapped by this key.
    pub fn unwrap(&self, tenant: TenantId, wrapped: &[u8]) -> Result<DataKey, SealError> {
        let plain = aead::open(&self.0, &[b"npanel data key", &tenant.to_bytes()], wrapped)?;
        key_bytes(&plain).map(DataKey)
    }

    /// Seals an authority's key for the replicated state.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn wrap_authority(&self, authority: &CertificateAuthority) -> Result<Vec<u8>, SealError> {
        let pin = authority.pin().to_bytes();
        aead::seal(&self.0, &[b"npanel authority", &pin], authority.key_pem().as_bytes())
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
        aead::open(&self.0, &[b"npanel authority", &pin.to_bytes()], sealed)
    }
}

/// Digests of requests, by which a repetition is told from another request. Keyed: a digest of a body that holds a
/// password must not help to guess it. The same on every controller.
pub struct RequestDigests(hmac::Key);

impl RequestDigests {
    /// The digest of a tenant's request.
    pub fn of(&self, tenant: TenantId, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [&tenant.to_bytes(), method.as_bytes(), path.as_bytes(), body] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().to_vec()
    }
}

impl ClusterKey {
    /// Digests of requests, keyed by a key of their own that comes from this one.
    pub fn request_digests(&self) -> RequestDigests {
        let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), b"npanel request digests");
        RequestDigests(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()))
    }

    /// Seals the key that vouches for the audit, for the replicated state.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn wrap_audit_key(&self, key: &AuditKey) -> Result<Vec<u8>, SealError> {
        aead::seal(&self.0, &[b"npanel audit key", &key.public()], key.seed())
    }

    /// Opens the key that vouches for the audit and has this public half.
    ///
    /// # Errors
    /// If it is another, or not sealed by this key.
    pub fn unwrap_audit_key(&self, public: &[u8], sealed: &[u8]) -> Result<AuditKey, SealError> {
        let plain = aead::open(&self.0, &[b"npanel audit key", public], sealed)?;
        Ok(AuditKey::from_seed(Zeroizing::new(key_bytes(&plain)?)))
    }
}

impl DataKey {
    /// A new key.
    pub fn generate() -> Self {
        Self(*random_bytes())
    }

    /// Seals a value for its place.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn seal(&self, field: Field<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        aead::seal(&self.0, &place(field, &field.tenant.to_bytes()), plain)
    }

    /// Opens a value in its place.
    ///
    /// # Errors
    /// If it was not sealed by this key for this place.
    pub fn open(&self, field: Field<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        aead::open(&self.0, &place(field, &field.tenant.to_bytes()), sealed)
    }
}

fn place<'a>(field: Field<'a>, tenant: &'a [u8]) -> [&'a [u8]; 4] {
    [b"npanel field", tenant, field.object, field.name.as_bytes()]
}

fn key_bytes(bytes: &[u8]) -> Result<[u8; 32], SealError> {
    bytes.try_into().map_err(|_| SealError::Short)
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey([redacted])")
    }
}

impl fmt::Debug for RequestDigests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestDigests([redacted])")
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([redacted])")
    }
}

/// Only [`super::ClusterSecrets`] holds one, and that is written sealed.
impl Serialize for ClusterKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(self.0)))
    }
}

impl<'de> Deserialize<'de> for ClusterKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes =
            Zeroizing::new(STANDARD.decode(text.as_bytes()).map_err(|_| D::Error::custom("not a key"))?);
        key_bytes(&bytes).map(Self).map_err(D::Error::custom)
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
        assert_eq!(cluster.unwrap(one, &wrapped).expect("unwrapped").0, key.0);
        assert!(cluster.unwrap(other, &wrapped).is_err());
        assert!(ClusterKey::generate().unwrap(one, &wrapped).is_err());
    }

    #[test]
    fn a_requests_digest_depends_on_every_part_and_on_the_key() {
        let (cluster, tenant) = (ClusterKey::generate(), TenantId::generate());
        let (one, same, other) = (
            cluster.request_digests(),
            cluster.clone().request_digests(),
            ClusterKey::generate().request_digests(),
        );
        let digest = one.of(tenant, "POST", "/v1/plans", b"{}");
        assert_eq!(digest, same.of(tenant, "POST", "/v1/plans", b"{}"));
        assert_ne!(digest, other.of(tenant, "POST", "/v1/plans", b"{}"));
        assert_ne!(digest, one.of(TenantId::generate(), "POST", "/v1/plans", b"{}"));
        assert_ne!(digest, one.of(tenant, "POST", "/v1/plan", b"s{}"));
        assert_ne!(digest, one.of(tenant, "POST", "/v1/plans", b"{ }"));
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
