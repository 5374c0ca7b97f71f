//! Digests of requests, by which a repetition is told from another request.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use npanel_model::{TenantId, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{ClusterKey, ClusterKeys, KeyName};

/// The key of digests that comes from a cluster key. It opens nothing, and outlives that key for as long as there may be
/// digests by it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
struct DigestKey([u8; 32]);

impl DigestKey {
    fn of(key: &ClusterKey) -> Self {
        let digest = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.0.bytes()), b"npanel request digests");
        Self(digest.as_ref().try_into().expect("a digest of SHA-256 has thirty-two bytes"))
    }
}

impl Serialize for DigestKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(self.0)))
    }
}

impl<'de> Deserialize<'de> for DigestKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes =
            Zeroizing::new(STANDARD.decode(text.as_bytes()).map_err(|_| D::Error::custom("not a key"))?);
        bytes.as_slice().try_into().map(Self).map_err(|_| D::Error::custom("not a key"))
    }
}

/// What is left of a cluster key that was destroyed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FormerDigests {
    name: Option<[u8; 8]>,
    key: DigestKey,
    until: Timestamp,
}

impl FormerDigests {
    pub(super) fn of(key: &ClusterKey, until: Timestamp) -> Self {
        Self { name: key.name().map(KeyName::to_bytes), key: DigestKey::of(key), until }
    }

    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.until <= now
    }
}

impl fmt::Debug for FormerDigests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormerDigests")
            .field("name", &self.name)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// Digests of requests. Keyed: a digest of a body that holds a password must not help to guess it. The same on every
/// controller. A digest begins with the name of the key that its own comes from, if that has one.
pub struct RequestDigests {
    /// By the current key first.
    keys: Vec<(Vec<u8>, hmac::Key)>,
}

impl RequestDigests {
    pub(super) fn of_keys(keys: &ClusterKeys, former: &[FormerDigests]) -> Self {
        let hmac_of = |key: &DigestKey| hmac::Key::new(hmac::HMAC_SHA256, &key.0);
        let present = keys.all().map(|key| (key.name_bytes(), hmac_of(&DigestKey::of(key))));
        let name = |former: &FormerDigests| former.name.map(|name| name.to_vec()).unwrap_or_default();
        let former = former.iter().map(|former| (name(former), hmac_of(&former.key)));
        Self { keys: present.chain(former).collect() }
    }

    /// The digests of a tenant's request: the one to be kept, and those by other keys that an earlier one may be kept by.
    pub fn of(&self, tenant: TenantId, method: &str, path: &str, body: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
        let digest = |(name, key): &(Vec<u8>, hmac::Key)| {
            let mut context = hmac::Context::with_key(key);
            for part in [&tenant.to_bytes(), method.as_bytes(), path.as_bytes(), body] {
                context.update(&(part.len() as u64).to_be_bytes());
                context.update(part);
            }
            [name.as_slice(), context.sign().as_ref()].concat()
        };
        let mut digests = self.keys.iter().map(digest);
        (digests.next().unwrap_or_default(), digests.collect())
    }
}

impl fmt::Debug for RequestDigests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestDigests([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requests_digest_depends_on_every_part_and_on_the_key() {
        let (cluster, tenant) = (ClusterKeys::new(ClusterKey::generate()), TenantId::generate());
        let (one, same, other) = (
            cluster.request_digests(),
            cluster.clone().request_digests(),
            ClusterKeys::new(ClusterKey::generate()).request_digests(),
        );
        let digest = one.of(tenant, "POST", "/v1/plans", b"{}");
        assert_eq!(digest.1, [] as [Vec<u8>; 0]);
        assert_eq!(digest, same.of(tenant, "POST", "/v1/plans", b"{}"));
        assert_ne!(digest, other.of(tenant, "POST", "/v1/plans", b"{}"));
        assert_ne!(digest, one.of(TenantId::generate(), "POST", "/v1/plans", b"{}"));
        assert_ne!(digest, one.of(tenant, "POST", "/v1/plan", b"s{}"));
        assert_ne!(digest, one.of(tenant, "POST", "/v1/plans", b"{ }"));
    }

    #[test]
    fn what_was_asked_under_a_key_that_is_gone_is_known_again_for_as_long_as_its_answer_is_kept() {
        let first = ClusterKey::generate();
        let tenant = TenantId::generate();
        let before = ClusterKeys::new(first.clone());
        let (kept, _) = before.request_digests().of(tenant, "POST", "/v1/plans", b"{}");
        let later = ClusterKey::successor();
        let mut after = before.clone();
        after.add(later.clone());
        after.make_current(later.name());
        after.drop_key(first.name(), Timestamp::from_millis(1000));
        let (now, others) = after.request_digests().of(tenant, "POST", "/v1/plans", b"{}");
        assert_ne!(now, kept);
        assert_eq!(others, [kept]);
        after.forget_digests(Timestamp::from_millis(1000));
        assert_eq!(after.request_digests().of(tenant, "POST", "/v1/plans", b"{}").1, [] as [Vec<u8>; 0]);
    }
}
