//! The cluster's authorities as this controller has them now: what issues, and what is trusted.

use std::sync::{Arc, PoisonError, RwLock};

use npanel_model::Timestamp;
use npanel_pki::{
    AuthorityError, CertificateAuthority, ClusterKeys, ClusterSecrets, Credentials, CredentialsError,
    Identity, IssueError, Issued, KeyFingerprint, Lifetimes, LiveClusterKeys, PrivateKey, PrivateKeyError,
    SealError, Serial,
};
use npanel_proto::command::{Authority, Certificate};
use rustls::pki_types::{CertificateDer, ServerName};

/// Why a controller could not certify itself.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// No key.
    #[error("cannot make a key")]
    Key(#[from] PrivateKeyError),
    /// No certificate.
    #[error("cannot issue a certificate")]
    Issue(#[from] IssueError),
    /// They do not fit together.
    #[error("the certificate just issued cannot be used")]
    Credentials(#[from] CredentialsError),
}

#[derive(Debug)]
struct Known {
    secrets: ClusterSecrets,
    issuing: CertificateAuthority,
    trusted: Vec<CertificateDer<'static>>,
}

/// The authorities. Cheap to clone; every clone follows when they are rotated.
#[derive(Debug, Clone)]
pub struct Authorities {
    lifetimes: Lifetimes,
    known: Arc<RwLock<Arc<Known>>>,
    keys: LiveClusterKeys,
}

fn known(secrets: ClusterSecrets, lifetimes: Lifetimes) -> Result<Arc<Known>, AuthorityError> {
    let issuing = secrets.authority()?.with_lifetimes(lifetimes);
    let trusted = secrets.trusted()?;
    Ok(Arc::new(Known { secrets, issuing, trusted }))
}

impl Authorities {
    /// The authorities in a cluster's secrets, whose certificates live so long.
    ///
    /// # Errors
    /// If the secrets hold none that can be used.
    pub fn new(secrets: ClusterSecrets, lifetimes: Lifetimes) -> Result<Self, AuthorityError> {
        let keys = LiveClusterKeys::new(secrets.cluster_keys());
        Ok(Self { lifetimes, known: Arc::new(RwLock::new(known(secrets, lifetimes)?)), keys })
    }

    fn now(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on those in these secrets.
    ///
    /// # Errors
    /// If there is none that can be used; then everything stays.
    pub fn replace(&self, secrets: ClusterSecrets) -> Result<(), AuthorityError> {
        let keys = secrets.cluster_keys();
        let next = known(secrets, self.lifetimes)?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = next;
        self.keys.replace(keys);
        Ok(())
    }

    /// The cluster's secrets.
    pub fn secrets(&self) -> ClusterSecrets {
        self.now().secrets.clone()
    }

    /// The cluster keys, which follow when they are changed.
    pub fn keys(&self) -> LiveClusterKeys {
        self.keys.clone()
    }

    /// The name of the key that issues, as bootstrap tokens carry it.
    pub fn pin(&self) -> KeyFingerprint {
        self.now().issuing.pin()
    }

    /// How long certificates live.
    pub fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// The authorities to trust, the issuing one first.
    pub fn trusted(&self) -> Vec<CertificateDer<'static>> {
        self.now().trusted.clone()
    }

    /// Makes the authority that is to issue next, and what leads from the present one to it.
    ///
    /// # Errors
    /// If the library cannot make it.
    pub fn successor(&self, now: Timestamp) -> Result<Successor, AuthorityError> {
        let known = self.now();
        let authority = CertificateAuthority::create(known.issuing.cluster(), now)?;
        let cross = known.issuing.cross_sign(&authority, now)?;
        Ok(Successor { authority, cross, replaces: known.issuing.pin() })
    }

    /// Certifies the holder of a request's key.
    ///
    /// # Errors
    /// If the request is not valid.
    pub fn issue(
        &self,
        request: &[u8],
        identity: Identity,
        names: &[ServerName<'_>],
    ) -> Result<Issued, IssueError> {
        self.now().issuing.issue(request, identity, names, Serial::generate(), Timestamp::now())
    }

    /// A key made here, certified.
    ///
    /// # Errors
    /// If it cannot be made or certified.
    pub fn certify(
        &self,
        identity: Identity,
        names: &[ServerName<'_>],
    ) -> Result<(Credentials, Issued), CertifyError> {
        let key = PrivateKey::generate()?;
        let issued = self.issue(&key.certificate_request()?, identity, names)?;
        let credentials = Credentials::new(key, issued.chain.clone(), self.trusted())?;
        Ok((credentials, issued))
    }
}

/// An authority that is about to issue.
#[derive(Debug)]
pub struct Successor {
    /// The authority.
    pub authority: CertificateAuthority,
    /// Its certificate, signed by the one that issues until now.
    pub cross: CertificateDer<'static>,
    /// The one that issues until now.
    pub replaces: KeyFingerprint,
}

/// A certificate as the state remembers it.
pub(crate) fn certificate(issued: &Issued) -> Certificate {
    Certificate {
        serial: issued.serial.to_bytes(),
        not_after_millis: issued.not_after.as_millis(),
        key_fingerprint: issued.key.to_bytes(),
        authority_fingerprint: issued.authority.to_bytes(),
    }
}

/// An authority as the state keeps it. `cross`: its certificate as the one before signed it.
///
/// # Errors
/// If its key cannot be sealed.
pub(crate) fn authority_command(
    authority: &CertificateAuthority,
    cross: Option<&CertificateDer<'_>>,
    cluster_keys: &ClusterKeys,
) -> Result<Authority, SealError> {
    Ok(Authority {
        key_fingerprint: authority.pin().to_bytes(),
        certificate: authority.certificate().to_vec(),
        cross_certificate: cross.map(|certificate| certificate.to_vec()).unwrap_or_default(),
        sealed_key: cluster_keys.wrap_authority(authority)?,
        not_after_millis: authority.not_after().as_millis(),
    })
}
