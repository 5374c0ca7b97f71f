//! What a machine shows and whom it trusts, in memory and on disk.

use std::{path::PathBuf, sync::Arc};

use npanel_model::Timestamp;
use rustls::{RootCertStore, sign::CertifiedKey};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::{
    CertificateError, FileError, KeyFingerprint, Peer, PrivateKey, PrivateKeyError, SpiffeId, certificate,
    file, pem, tls,
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
    /// The key is not the certificate's.
    #[error("the certificate is for another key")]
    KeyMismatch,
    /// An authority of another cluster among those to trust.
    #[error("an authority to be trusted is not of the certificate's cluster")]
    Cluster,
    /// TLS cannot be set up with them.
    #[error("TLS cannot be set up with the certificate or the authorities")]
    Tls(#[source] rustls::Error),
}

/// A machine's key, its certificate chain and the authorities it trusts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Credentials {
    key: Arc<PrivateKey>,
    chain: Vec<CertificateDer<'static>>,
    authorities: Vec<CertificateDer<'static>>,
    own: Peer,
    /// The key and the chain as TLS shows them.
    shown: Arc<CertifiedKey>,
    /// The authorities as TLS trusts them.
    roots: Arc<RootCertStore>,
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
        let shown = CertifiedKey::from_der(chain.clone(), key.to_der(), &tls::provider())
            .map_err(CredentialsError::Tls)?;
        let roots = tls::roots(&authorities).map_err(CredentialsError::Tls)?;
        let (key, shown, roots) = (Arc::new(key), Arc::new(shown), Arc::new(roots));
        Ok(Self { key, chain, authorities, own, shown, roots })
    }

    pub(crate) fn shown(&self) -> &Arc<CertifiedKey> {
        &self.shown
    }

    pub(crate) fn roots(&self) -> &Arc<RootCertStore> {
        &self.roots
    }

    /// The authority whose name the certificate has as its issuer's, if it is among those trusted.
    pub fn issuer(&self) -> Option<KeyFingerprint> {
        let issued = |authority: &&CertificateDer<'_>| {
            certificate::names_issuer(&self.chain[0], authority).unwrap_or(false)
        };
        self.authorities.iter().find(issued).and_then(|found| certificate::fingerprint(found).ok())
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

const IDENTITY: &str = "identity.pem";
const AUTHORITIES: &str = "ca.pem";

/// A machine's credentials on disk: `identity.pem`, for its owner only, holds the key, the chain and the
/// authorities, in this order; `ca.pem` is a copy of the authorities for clients that only need these.
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

    /// Where the identity is. A secret.
    pub fn identity_path(&self) -> PathBuf {
        self.path(IDENTITY)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Saves the credentials durably. Everything is in one file that is renamed into place, so a crash leaves
    /// the old ones or the new ones, never a key without its certificate.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, credentials: &Credentials) -> Result<(), CredentialsError> {
        let mut text = credentials.key.to_pem();
        text.push_str(&pem::certificates(&credentials.chain));
        // A chain may hold authorities itself; this line says where those to be trusted begin.
        text.push_str(TRUSTED);
        text.push_str(&pem::certificates(&credentials.authorities));
        file::replace(&self.path(IDENTITY), text.as_bytes(), file::PRIVATE)?;
        let authorities = pem::certificates(&credentials.authorities);
        Ok(file::replace(&self.path(AUTHORITIES), authorities.as_bytes(), file::PUBLIC)?)
    }

    /// The credentials, or nothing if the machine is not enrolled.
    ///
    /// # Errors
    /// If the file is there and cannot be used.
    pub fn load(&self) -> Result<Option<Credentials>, CredentialsError> {
        let Some(text) = file::read(&self.path(IDENTITY))? else { return Ok(None) };
        parse(&text).map(Some)
    }
}

const TRUSTED: &str = "# The authorities to trust:\n";

fn parse(text: &Zeroizing<Vec<u8>>) -> Result<Credentials, CredentialsError> {
    let at = text
        .windows(TRUSTED.len())
        .position(|window| window == TRUSTED.as_bytes())
        .ok_or(CredentialsError::Pem("the identity's list of authorities"))?;
    let (own, trusted) = text.split_at(at);
    let certificates = |text: &[u8], what| pem::read_certificates(text).ok_or(CredentialsError::Pem(what));
    Credentials::new(
        PrivateKey::from_pem(own)?,
        certificates(own, "the identity's chain")?,
        certificates(trusted, "the identity's list of authorities")?,
    )
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
            assert_eq!((loaded.chain(), loaded.authorities()), (saved.chain(), saved.authorities()));
            assert_eq!(loaded.issuer(), Some(authority.pin()));
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let authority = authority();
        let (one, other) = (credentials(&authority), credentials(&authority));
        let key = PrivateKey::from_pem(one.key().to_pem().as_bytes()).expect("the key");
        let refused = Credentials::new(key, other.chain, one.authorities);
        assert!(matches!(refused, Err(CredentialsError::KeyMismatch)));
    }

    #[test]
    fn an_authority_of_another_cluster_is_refused() {
        let one = credentials(&authority());
        let key = PrivateKey::from_pem(one.key().to_pem().as_bytes()).expect("the key");
        let refused = Credentials::new(key, one.chain, vec![authority().certificate().clone()]);
        assert!(matches!(refused, Err(CredentialsError::Cluster)));
    }
}
