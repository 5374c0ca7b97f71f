//! What a controller must have besides the state: the authority and the cluster key.

use std::path::Path;

use npanel_model::Secret;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{ClusterKey, ClusterKeys, MachineKey, SealError, join, keys::Beside};
use crate::{AuthorityError, CertificateAuthority, FileError, SpiffeId, file, pem};

/// Bound into the sealed file, so that no other file sealed by the machine key passes for it.
const NAME: &str = "cluster secrets";

/// Why the cluster's secrets on disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretsFileError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The machine's key is not thirty-two bytes.
    #[error(
        "the machine's key file is not a key (32 bytes); without the right one the sealed secrets are lost"
    )]
    MachineKey,
    /// They were sealed by another machine's key, or changed.
    #[error("the cluster's secrets cannot be opened")]
    Seal(#[from] SealError),
}

/// The issuing authority's key and certificate, what leads from the one before to it, the others that are trusted,
/// and the cluster key: what makes a machine a controller. Leaves memory only sealed: to a joining controller, or to
/// this machine's own key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSecrets {
    ca_certificate_pem: String,
    ca_key_pem: Secret,
    /// The issuing authority's certificate as the one before signed it; empty for a cluster's first.
    #[serde(default)]
    ca_cross_pem: String,
    /// The authorities that do not issue any more and are still trusted.
    #[serde(default)]
    older_pem: String,
    cluster_key: ClusterKey,
    #[serde(default)]
    beside_cluster_key: Beside,
}

impl ClusterSecrets {
    /// The secrets of a cluster with one authority.
    pub fn new(authority: &CertificateAuthority, cluster_key: ClusterKey) -> Self {
        Self::rotated(authority, &[], &[], ClusterKeys::new(cluster_key))
    }

    /// The secrets of a cluster whose authority was rotated. `cross`: the issuing one's certificate as the one
    /// before signed it. `older`: those that are still trusted beside it.
    pub fn rotated(
        authority: &CertificateAuthority,
        cross: &[CertificateDer<'_>],
        older: &[CertificateDer<'_>],
        cluster_keys: ClusterKeys,
    ) -> Self {
        Self {
            ca_certificate_pem: authority.certificate_pem(),
            ca_key_pem: Secret::new(authority.key_pem().as_str()),
            ca_cross_pem: pem::certificates(cross),
            older_pem: pem::certificates(older),
            cluster_key: cluster_keys.current,
            beside_cluster_key: cluster_keys.beside,
        }
    }

    /// The authority that issues. Its chains lead to all that are trusted.
    ///
    /// # Errors
    /// If what was received is not one.
    pub fn authority(&self) -> Result<CertificateAuthority, AuthorityError> {
        let authority = CertificateAuthority::load(
            self.ca_certificate_pem.as_bytes(),
            self.ca_key_pem.expose().as_bytes(),
        )?;
        let beside = listed(&self.ca_cross_pem).into_iter().chain(listed(&self.older_pem)).collect();
        Ok(authority.with_beside(beside))
    }

    /// The authorities to trust, the issuing one first.
    ///
    /// # Errors
    /// If the first is not a certificate.
    pub fn trusted(&self) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        let issuing =
            pem::read_certificates(self.ca_certificate_pem.as_bytes()).ok_or(AuthorityError::Pem)?;
        Ok(issuing.into_iter().chain(listed(&self.older_pem)).collect())
    }

    /// The cluster keys.
    pub fn cluster_keys(&self) -> ClusterKeys {
        ClusterKeys { current: self.cluster_key.clone(), beside: self.beside_cluster_key.clone() }
    }

    /// The same with other cluster keys.
    #[must_use]
    pub fn with_cluster_keys(self, cluster_keys: ClusterKeys) -> Self {
        Self { cluster_key: cluster_keys.current, beside_cluster_key: cluster_keys.beside, ..self }
    }

    /// Seals them to the X25519 public key that the controller `joiner` made for this.
    ///
    /// # Errors
    /// If that is not a usable public key.
    pub fn seal_to(&self, public_key: &[u8], joiner: SpiffeId) -> Result<Vec<u8>, SealError> {
        join::seal_to(public_key, joiner, &self.encode())
    }

    /// Writes them, sealed by the machine's key.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path, key: &MachineKey) -> Result<(), SecretsFileError> {
        Ok(file::replace(path, &key.seal(NAME, &self.encode())?, file::PRIVATE)?)
    }

    /// Reads them, or nothing if there is no such file.
    ///
    /// # Errors
    /// If they were sealed by another key.
    pub fn load(path: &Path, key: &MachineKey) -> Result<Option<Self>, SecretsFileError> {
        let Some(sealed) = file::read(path)? else { return Ok(None) };
        Ok(Some(Self::decode(&key.open(NAME, &sealed)?)?))
    }

    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Room for everything from the start: a reallocation would leave a copy behind.
        let mut text = Vec::with_capacity(16 * 1024);
        serde_json::to_writer(&mut text, self).expect("strings are valid JSON");
        Zeroizing::new(text)
    }

    pub(super) fn decode(plain: &[u8]) -> Result<Self, SealError> {
        serde_json::from_slice(plain).map_err(|_| SealError::Open)
    }
}

fn listed(text: &str) -> Vec<CertificateDer<'static>> {
    pem::read_certificates(text.as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClusterId;
    use npanel_model::Timestamp;

    #[test]
    fn they_rest_sealed_by_this_machine_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        let authority =
            CertificateAuthority::create(ClusterId::generate(), Timestamp::now()).expect("an authority");
        let secrets = ClusterSecrets::new(&authority, ClusterKey::generate());
        let key = MachineKey::generate();
        assert!(ClusterSecrets::load(&at("sealed"), &key).expect("none").is_none());
        secrets.save(&at("sealed"), &key).expect("saved");
        let raw = String::from_utf8_lossy(&std::fs::read(at("sealed")).expect("read")).into_owned();
        assert!(!raw.contains("PRIVATE KEY") && !raw.contains("cluster_key"));
        let loaded = ClusterSecrets::load(&at("sealed"), &key).expect("loaded").expect("secrets");
        assert_eq!(loaded.authority().expect("an authority").pin(), authority.pin());
        assert!(ClusterSecrets::load(&at("sealed"), &MachineKey::generate()).is_err());
    }

    #[test]
    fn they_are_never_printed() {
        let authority =
            CertificateAuthority::create(ClusterId::generate(), Timestamp::now()).expect("an authority");
        let shown = format!("{:?}", ClusterSecrets::new(&authority, ClusterKey::generate()));
        assert!(!shown.contains("PRIVATE KEY"), "{shown}");
    }
}
