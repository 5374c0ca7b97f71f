//! The cluster keys that a controller has: one, but two while it is changed.

use std::sync::{Arc, PoisonError, RwLock};

use npanel_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    ClusterKey, DataKey, KeyName, RequestDigests, SealError, aead, data::no_key, digests::FormerDigests,
};
use crate::{AuditKey, CertificateAuthority, KeyFingerprint};

/// The cluster keys. What is sealed says by which; what is to be sealed is by the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterKeys {
    pub(super) current: ClusterKey,
    pub(super) beside: Beside,
}

/// What there is beside the current key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Beside {
    /// The one before, until nothing needs it, and the next one, until it is current.
    keys: Vec<ClusterKey>,
    former_digests: Vec<FormerDigests>,
}

impl ClusterKeys {
    /// With one key.
    pub fn new(key: ClusterKey) -> Self {
        Self { current: key, beside: Beside::default() }
    }

    /// All of them, the current one first.
    pub fn all(&self) -> impl Iterator<Item = &ClusterKey> {
        std::iter::once(&self.current).chain(&self.beside.keys)
    }

    /// What seals.
    pub fn current(&self) -> &ClusterKey {
        &self.current
    }

    /// Whether the key is here.
    pub fn has(&self, name: Option<KeyName>) -> bool {
        self.all().any(|key| key.name() == name)
    }

    /// Takes a key in, beside the current one.
    pub fn add(&mut self, key: ClusterKey) {
        if !self.has(key.name()) {
            self.beside.keys.push(key);
        }
    }

    /// From now on the key of that name seals. Whether it is here.
    pub fn make_current(&mut self, name: Option<KeyName>) -> bool {
        if self.current.name() == name {
            return true;
        }
        let Some(place) = self.beside.keys.iter().position(|key| key.name() == name) else { return false };
        std::mem::swap(&mut self.current, &mut self.beside.keys[place]);
        true
    }

    /// Destroys a key that is not the current one. Requests that were asked under it are known again until then.
    pub fn drop_key(&mut self, name: Option<KeyName>, until: Timestamp) {
        if let Some(place) = self.beside.keys.iter().position(|key| key.name() == name) {
            let key = self.beside.keys.remove(place);
            self.beside.former_digests.push(FormerDigests::of(&key, until));
        }
    }

    /// Takes in what another controller has of keys that are gone.
    pub fn add_digests(&mut self, of: &Self) {
        for former in &of.beside.former_digests {
            if !self.beside.former_digests.contains(former) {
                self.beside.former_digests.push(former.clone());
            }
        }
    }

    /// Forgets what is left of keys whose last digest is over.
    pub fn forget_digests(&mut self, now: Timestamp) {
        self.beside.former_digests.retain(|former| !former.is_over(now));
    }

    pub(super) fn of_sealed(&self, sealed: &[u8]) -> Result<&ClusterKey, SealError> {
        let name = aead::sealer(sealed)?;
        self.all().find(|key| key.name() == name).ok_or_else(|| no_key(name))
    }

    /// Seals a tenant's data key.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn wrap(&self, tenant: TenantId, key: &DataKey) -> Result<Vec<u8>, SealError> {
        self.current.wrap(tenant, key)
    }

    /// Opens a tenant's data key, which has this name.
    ///
    /// # Errors
    /// If it is not this tenant's, or another, or wrapped by a key that is not here.
    pub fn unwrap(&self, tenant: TenantId, name: &[u8], wrapped: &[u8]) -> Result<DataKey, SealError> {
        self.of_sealed(wrapped)?.unwrap(tenant, name, wrapped)
    }

    /// Seals an authority's key for the replicated state.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn wrap_authority(&self, authority: &CertificateAuthority) -> Result<Vec<u8>, SealError> {
        self.current.wrap_authority(authority)
    }

    /// Opens the key of the authority whose key has this name, in PEM.
    ///
    /// # Errors
    /// If it is another authority's, or sealed by a key that is not here.
    pub fn unwrap_authority(
        &self,
        pin: KeyFingerprint,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.of_sealed(sealed)?.unwrap_authority(pin, sealed)
    }

    /// Seals the key of the authority whose key has this name anew, by the current key.
    ///
    /// # Errors
    /// As [`ClusterKeys::unwrap_authority`].
    pub fn rewrap_authority(&self, pin: KeyFingerprint, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        self.current.seal_authority_key(pin, &self.unwrap_authority(pin, sealed)?)
    }

    /// Seals the key that vouches for the audit, for the replicated state.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn wrap_audit_key(&self, key: &AuditKey) -> Result<Vec<u8>, SealError> {
        self.current.wrap_audit_key(key)
    }

    /// Opens the key that vouches for the audit and has this public half.
    ///
    /// # Errors
    /// If it is another, or sealed by a key that is not here.
    pub fn unwrap_audit_key(&self, public: &[u8], sealed: &[u8]) -> Result<AuditKey, SealError> {
        self.of_sealed(sealed)?.unwrap_audit_key(public, sealed)
    }

    /// Digests of requests, by keys of their own that come from these.
    pub fn request_digests(&self) -> RequestDigests {
        RequestDigests::of_keys(self, &self.beside.former_digests)
    }
}

#[derive(Debug)]
struct Known {
    keys: Arc<ClusterKeys>,
    digests: Arc<RequestDigests>,
}

impl Known {
    fn of(keys: ClusterKeys) -> Arc<Self> {
        let digests = Arc::new(keys.request_digests());
        Arc::new(Self { keys: Arc::new(keys), digests })
    }
}

/// The cluster keys of a running controller. Every clone is the same, and follows when they change.
#[derive(Debug, Clone)]
pub struct LiveClusterKeys(Arc<RwLock<Arc<Known>>>);

impl LiveClusterKeys {
    /// Begins with these.
    pub fn new(keys: ClusterKeys) -> Self {
        Self(Arc::new(RwLock::new(Known::of(keys))))
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys as they are now.
    pub fn now(&self) -> Arc<ClusterKeys> {
        Arc::clone(&self.known().keys)
    }

    /// The digests of requests as they are made now.
    pub fn digests(&self) -> Arc<RequestDigests> {
        Arc::clone(&self.known().digests)
    }

    /// From now on these.
    pub fn replace(&self, keys: ClusterKeys) {
        if *self.now() != keys {
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = Known::of(keys);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_keys_open_and_the_current_one_seals() {
        let (first, next, tenant) = (ClusterKey::generate(), ClusterKey::successor(), TenantId::generate());
        let mut keys = ClusterKeys::new(first.clone());
        let old = keys.wrap(tenant, &DataKey::generate()).expect("wrapped");
        keys.add(next.clone());
        assert!(keys.make_current(next.name()));
        let new = keys.wrap(tenant, &DataKey::generate()).expect("wrapped");
        for wrapped in [&old, &new] {
            keys.unwrap(tenant, &[], wrapped).expect("unwrapped");
        }
        keys.drop_key(first.name(), Timestamp::now());
        assert!(matches!(keys.unwrap(tenant, &[], &old), Err(SealError::NoKey(_))));
        keys.unwrap(tenant, &[], &new).expect("unwrapped");
        assert!(first.unwrap(tenant, &[], &new).is_err());
    }

    #[test]
    fn the_current_key_is_never_dropped() {
        let key = ClusterKey::generate();
        let mut keys = ClusterKeys::new(key.clone());
        keys.drop_key(key.name(), Timestamp::now());
        assert!(keys.has(key.name()));
        assert!(!keys.make_current(ClusterKey::successor().name()));
        assert!(keys.current() == &key);
    }
}
