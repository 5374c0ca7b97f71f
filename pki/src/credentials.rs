//! What a machine shows and whom it trusts, in memory and on disk.

use std::path::{Path, PathBuf};

use npanel_model::Timestamp;
use rustls_pki_types::CertificateDer;

use crate::{
    CertificateError, FileError, Peer, PrivateKey, PrivateKeyError, SpiffeId, certificate, file, pem,
};

/// Why credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key.
    #[error("the machine's key cannot be used")]
    Key(#[from] PrivateKeyError),
    /// A certificate.
    #[error("the machine's certificate cannot be used")]
    Certificate(#[from] CertificateError),
    /// A file that should hold certificates holds none.
    #[error("{0} holds no certificate in PEM")]
    Pem(&'static str),
    /// Some of the files are there and others are not.
    #[error("{0} is missing beside the other identity files")]
    Missing(&'static str),
    /// The key is not the certificate's.
    #[error("the certificate is for another key")]
    KeyMismatch,
    /// An authority of another cluster among those to trust.
    #[error("an authority to be trusted is not of the certificate's cluster")]
    Cluster,
}

/// A machine's key, its certificate chain and the authorities it trusts.
#[derive(Debug)]
pub struct Credentials {
    key: PrivateKey,
    chain: Vec<CertificateDer<'static>>,
    authorities: Vec<CertificateDer<'static>>,
    own: Peer,
}

impl Credentials {
    /// Puts the parts together.
    ///
    /// # Errors
    /// If the certificate is not an identity or not for the key, or an authority is of another cluster.
    pub fn new(
        key: PrivateKey,
        chain: Vec<CertificateDer<'static>>,
        authorities: Vec<CertificateDer<'static>>,
    ) -> Result<Self, CredentialsError> {
        let own = Peer::read(chain.first().ok_or(CredentialsError::Pem("the chain"))?)?;
        if own.key != key.fingerprint() {
            return Err(CredentialsError::KeyMismatch);
        }
        if authorities.is_empty() {
            return Err(CredentialsError::Pem("the list of authorities"));
        }
        for authority in &authorities {
            if certificate::authority_cluster(authority)? != own.id.cluster {
                return Err(CredentialsError::Cluster);
            }
        }
        Ok(Self { key, chain, authorities, own })
    }

    /// Who the machine is.
    pub fn id(&self) -> SpiffeId {
        self.own.id
    }

    /// What its certificate says, with its expiry.
    pub fn own(&self) -> &Peer {
        &self.own
    }

    /// Until when its certificate is valid.
    pub fn not_after(&self) -> Timestamp {
        self.own.not_after
    }

    /// Its key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// Its certificate and the authority's.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The authorities it trusts.
    pub fn authorities(&self) -> &[CertificateDer<'static>] {
        &self.authorities
    }
}

const KEY: &str = "key.pem";
const CHAIN: &str = "chain.pem";
const AUTHORITIES: &str = "ca.pem";

/// A machine's credentials on disk: `key.pem` (for its owner only), `chain.pem` and `ca.pem`.
#[derive(Debug, Clone)]
pub struct IdentityFiles {
    directory: PathBuf,
}

impl IdentityFiles {
    /// The files in this directory, which exists.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Where the trusted authorities are, for clients that only need these.
    pub fn authorities_path(&self) -> PathBuf {
        self.path(AUTHORITIES)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Saves the credentials. A crash in between leaves the old ones, the new ones, or none at all: the chain
    /// is what makes the machine enrolled, so it is taken away first if the key changes, and written last.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, credentials: &Credentials) -> Result<(), CredentialsError> {
        let key = credentials.key.to_pem();
        if file::read(&self.path(KEY))?.is_none_or(|stored| stored.as_slice() != key.as_bytes()) {
            file::remove(&self.path(CHAIN))?;
            file::replace(&self.path(KEY), key.as_bytes(), file::PRIVATE)?;
        }
        self.replace_public(AUTHORITIES, &credentials.authorities)?;
        self.replace_public(CHAIN, &credentials.chain)
    }

    fn replace_public(&self, name: &str, chain: &[CertificateDer<'_>]) -> Result<(), CredentialsError> {
        Ok(file::replace(&self.path(name), pem::certificates(chain).as_bytes(), file::PUBLIC)?)
    }

    /// The credentials, or nothing if the machine is not enrolled.
    ///
    /// # Errors
    /// If the files are there and cannot be used.
    pub fn load(&self) -> Result<Option<Credentials>, CredentialsError> {
        let Some(chain) = read_chain(&self.path(CHAIN), CHAIN)? else { return Ok(None) };
        let key = file::read(&self.path(KEY))?.ok_or(CredentialsError::Missing(KEY))?;
        let authorities = read_chain(&self.path(AUTHORITIES), AUTHORITIES)?
            .ok_or(CredentialsError::Missing(AUTHORITIES))?;
        Credentials::new(PrivateKey::from_pem(&key)?, chain, authorities).map(Some)
    }
}

fn read_chain(
    path: &Path,
    name: &'static str,
) -> Result<Option<Vec<CertificateDer<'static>>>, CredentialsError> {
    let Some(text) = file::read(path)? else { return Ok(None) };
    pem::read_certificates(&text).map(Some).ok_or(CredentialsError::Pem(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CertificateAuthority, ClusterId, Identity, Serial};
    use npanel_model::NodeId;

    fn authority() -> CertificateAuthority {
        CertificateAuthority::create(ClusterId::generate(), Timestamp::now()).expect("an authority")
    }

    fn credentials(authority: &CertificateAuthority) -> Credentials {
        let key = PrivateKey::generate().expect("a key");
        let request = key.certificate_request().expect("a request");
        let identity = Identity::Node(NodeId::generate());
        let issued = authority
            .issue(&request, identity, &[], Serial::generate(), Timestamp::now())
            .expect("a certificate");
        Credentials::new(key, issued.chain, vec![authority.certificate().clone()]).expect("credentials")
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = IdentityFiles::new(directory.path());
        assert!(files.load().expect("no identity yet").is_none());
        let authority = authority();
        for saved in [credentials(&authority), credentials(&authority)] {
            files.save(&saved).expect("saved");
            let loaded = files.load().expect("loaded").expect("an identity");
            assert_eq!(loaded.own(), saved.own());
            assert_eq!(loaded.key().fingerprint(), saved.key().fingerprint());
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let authority = authority();
        let (one, other) = (credentials(&authority), credentials(&authority));
        let refused = Credentials::new(one.key, other.chain, one.authorities);
        assert!(matches!(refused, Err(CredentialsError::KeyMismatch)));
    }

    #[test]
    fn an_authority_of_another_cluster_is_refused() {
        let one = credentials(&authority());
        let refused = Credentials::new(one.key, one.chain, vec![authority().certificate().clone()]);
        assert!(matches!(refused, Err(CredentialsError::Cluster)));
    }
}
