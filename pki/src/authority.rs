//! The cluster's certificate authority.

use std::{fmt, time::Duration};

use npanel_model::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
    SerialNumber, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, ServerName};

use crate::{
    CertificateError, ClusterId, Identity, KeyFingerprint, PrivateKey, PrivateKeyError, SpiffeId,
    certificate, identity::authority_uri, pem, secret::random_bytes,
};

/// How long certificates are valid.
pub mod lifetime {
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// The authority's own: rotated long before.
    pub const AUTHORITY: Duration = DAY.saturating_mul(3650);
    /// A node's: short, so that a stolen key is of use for a day at most.
    pub const NODE: Duration = DAY;
    /// A controller's.
    pub const CONTROLLER: Duration = DAY.saturating_mul(90);
    /// How far before now a certificate begins, for machines whose clock is behind.
    pub const BACKDATE: Duration = Duration::from_secs(5 * 60);
    /// The shortest that can be set: renewal at two thirds of it still leaves time for an election.
    pub const SHORTEST: Duration = Duration::from_secs(30);
    /// The longest that can be set for a node.
    pub const LONGEST_NODE: Duration = DAY.saturating_mul(31);
    /// The longest that can be set for a controller.
    pub const LONGEST_CONTROLLER: Duration = DAY.saturating_mul(366);
}

/// How long the certificates of machines are valid, as this cluster has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// A node's.
    pub node: Duration,
    /// A controller's, and that of its API.
    pub controller: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { node: lifetime::NODE, controller: lifetime::CONTROLLER }
    }
}

impl Lifetimes {
    /// That of an identity's certificates.
    pub fn of(&self, identity: Identity) -> Duration {
        match identity {
            Identity::Node(_) => self.node,
            Identity::Controller(_) => self.controller,
        }
    }
}

/// A certificate's serial number: sixteen random bytes, positive (RFC 5280, 4.1.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serial([u8; 16]);

impl Serial {
    /// A new serial number.
    pub fn generate() -> Self {
        let random = random_bytes();
        let mut serial = [0; 16];
        serial.copy_from_slice(&random[..16]);
        // The first bit is the sign; the second keeps DER from dropping leading zero bytes.
        serial[0] = (serial[0] & 0x7f) | 0x40;
        Self(serial)
    }

    /// The sixteen bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

/// An authority that cannot be made or loaded.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The key.
    #[error("the authority's key cannot be used")]
    Key(#[from] PrivateKeyError),
    /// The certificate.
    #[error("the authority's certificate cannot be used")]
    Certificate(#[from] CertificateError),
    /// No certificate in the PEM text.
    #[error("no certificate in PEM")]
    Pem,
    /// The key is not the certificate's.
    #[error("the authority's certificate is for another key (key {key}, certificate {certificate})")]
    Mismatch {
        /// The fingerprint of the key given.
        key: KeyFingerprint,
        /// The fingerprint in the certificate.
        certificate: KeyFingerprint,
    },
    /// Another cluster's.
    #[error("the authority is of another cluster (got {got}, have {have})")]
    Cluster {
        /// That of the other authority.
        got: ClusterId,
        /// This one's.
        have: ClusterId,
    },
    /// The library refused.
    #[error("the authority cannot be made")]
    Crypto(#[source] rcgen::Error),
}

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Not a request, or its signature is not by its key.
    #[error("the certificate request is not valid or does not prove possession of its key")]
    Request(#[source] rcgen::Error),
    /// Not a P-256 key.
    #[error("a certificate request has an ECDSA P-256 key")]
    Algorithm,
    /// The library refused.
    #[error("the certificate cannot be signed")]
    Sign(#[source] rcgen::Error),
    /// A name that cannot be in a certificate.
    #[error("{0:?} cannot be a name in a certificate")]
    Name(String),
}

/// A certificate just made.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate, then those that lead from it to every authority a peer may trust or have pinned.
    pub chain: Vec<CertificateDer<'static>>,
    /// Whom it names.
    pub id: SpiffeId,
    /// Its serial number.
    pub serial: Serial,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// The key it is for.
    pub key: KeyFingerprint,
    /// The key of the authority that issued it.
    pub authority: KeyFingerprint,
}

/// The cluster's authority: its key and certificate. Certifies its own cluster's identities only.
pub struct CertificateAuthority {
    cluster: ClusterId,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    key_pem: zeroize::Zeroizing<String>,
    pin: KeyFingerprint,
    not_after: Timestamp,
    lifetimes: Lifetimes,
    beside: Vec<CertificateDer<'static>>,
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority")
            .field("cluster", &self.cluster)
            .field("pin", &self.pin)
            .finish_non_exhaustive()
    }
}

impl CertificateAuthority {
    /// A new authority for a new cluster.
    ///
    /// # Errors
    /// If the library cannot make one.
    pub fn create(cluster: ClusterId, now: Timestamp) -> Result<Self, AuthorityError> {
        let key = PrivateKey::generate()?;
        let key_pem = key.to_pem();
        // Room for one authority beneath: the one that takes this one's place.
        let params = authority_params(cluster, key.fingerprint(), 1, now)?;
        let certificate = params.self_signed(&key.into_key_pair()).map_err(AuthorityError::Crypto)?;
        Self::load(certificate.pem().as_bytes(), key_pem.as_bytes())
    }

    /// Loads an authority from its certificate and key in PEM.
    ///
    /// # Errors
    /// If either cannot be used, or they do not belong together.
    pub fn load(certificate_pem: &[u8], key_pem: &[u8]) -> Result<Self, AuthorityError> {
        let certificate = pem::read_certificates(certificate_pem)
            .and_then(|chain| chain.into_iter().next())
            .ok_or(AuthorityError::Pem)?;
        Self::with_key(certificate, key_pem)
    }

    /// An authority of its certificate and its key in PEM.
    ///
    /// # Errors
    /// If either cannot be used, or they do not belong together.
    pub fn with_key(certificate: CertificateDer<'static>, key_pem: &[u8]) -> Result<Self, AuthorityError> {
        let key = PrivateKey::from_pem(key_pem)?;
        let cluster = certificate::authority_cluster(&certificate)?;
        let not_after = certificate::not_after(&certificate)?;
        let pin = certificate::fingerprint(&certificate)?;
        if key.fingerprint() != pin {
            return Err(AuthorityError::Mismatch { key: key.fingerprint(), certificate: pin });
        }
        let key_pem = key.to_pem();
        let issuer =
            Issuer::from_ca_cert_der(&certificate, key.into_key_pair()).map_err(AuthorityError::Crypto)?;
        let (lifetimes, beside) = (Lifetimes::default(), Vec::new());
        Ok(Self { cluster, certificate, issuer, key_pem, pin, not_after, lifetimes, beside })
    }

    /// The same authority, whose certificates live so long.
    #[must_use]
    pub fn with_lifetimes(self, lifetimes: Lifetimes) -> Self {
        Self { lifetimes, ..self }
    }

    /// The same authority, which puts these certificates into every chain: its own, signed by the one before, so
    /// that a machine that knows only that one accepts what this one issues.
    #[must_use]
    pub(crate) fn with_beside(self, beside: Vec<CertificateDer<'static>>) -> Self {
        Self { beside, ..self }
    }

    /// The certificate of `successor`, signed by this authority: whoever trusts this one may trust that one.
    ///
    /// # Errors
    /// If the library cannot sign it, or the successor is of another cluster.
    pub fn cross_sign(
        &self,
        successor: &Self,
        now: Timestamp,
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        if successor.cluster != self.cluster {
            return Err(AuthorityError::Cluster { got: successor.cluster, have: self.cluster });
        }
        let params = authority_params(self.cluster, successor.pin, 0, now)?;
        let signed =
            params.signed_by(successor.issuer.key(), &self.issuer).map_err(AuthorityError::Crypto)?;
        Ok(signed.der().clone())
    }

    pub(crate) fn key(&self) -> &KeyPair {
        self.issuer.key()
    }

    /// How long its certificates live.
    pub fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// Until when its own certificate is valid.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The cluster whose identities it certifies.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The name of its key, as bootstrap tokens carry it.
    pub fn pin(&self) -> KeyFingerprint {
        self.pin
    }

    /// Its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its certificate in PEM.
    pub fn certificate_pem(&self) -> String {
        pem::certificates(std::slice::from_ref(&self.certificate))
    }

    /// Its key in PEM. To be sealed at once.
    pub fn key_pem(&self) -> zeroize::Zeroizing<String> {
        self.key_pem.clone()
    }

    /// Certifies that the holder of the request's key is `identity`.
    ///
    /// `request` is PKCS #10 in DER; its proof of possession is checked, its names are ignored. `names` are
    /// those under which clients of the API reach a controller; none for nodes.
    ///
    /// # Errors
    /// If the request is not valid or its key is not of P-256.
    pub fn issue(
        &self,
        request: &[u8],
        identity: Identity,
        names: &[ServerName<'_>],
        serial: Serial,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(request))
            .map_err(IssueError::Request)?;
        if request.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(IssueError::Algorithm);
        }
        let id = SpiffeId { cluster: self.cluster, identity };
        let lifetime = self.lifetimes.of(identity);
        let mut params = validity(now, lifetime);
        params.serial_number = Some(SerialNumber::from(serial.to_bytes()));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names = alternative_names(id, names)?;
        let certificate = params.signed_by(&request.public_key, &self.issuer).map_err(IssueError::Sign)?;
        let leaf = certificate.der().clone();
        Ok(Issued {
            key: certificate::fingerprint(&leaf).expect("a certificate just made can be read"),
            chain: [leaf, self.certificate.clone()].into_iter().chain(self.beside.iter().cloned()).collect(),
            id,
            serial,
            not_after: seconds(now.plus(lifetime)),
            authority: self.pin,
        })
    }
}

/// Each authority has a name of its own, by which clients tell two of one cluster apart.
fn authority_params(
    cluster: ClusterId,
    pin: KeyFingerprint,
    beneath: u8,
    now: Timestamp,
) -> Result<CertificateParams, AuthorityError> {
    let mut params = validity(now, lifetime::AUTHORITY);
    let short: String = pin.to_string().chars().take(8).collect();
    params.distinguished_name.push(DnType::CommonName, format!("nPanel {cluster} {short}"));
    params.serial_number = Some(SerialNumber::from(Serial::generate().to_bytes()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(beneath));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params.subject_alt_names =
        vec![SanType::URI(authority_uri(cluster).try_into().map_err(AuthorityError::Crypto)?)];
    Ok(params)
}

/// Certificates count in whole seconds.
fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millis() / 1000 * 1000)
}

fn validity(now: Timestamp, lifetime: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    let epoch = date_time_ymd(1970, 1, 1);
    let at = |time: Timestamp| epoch + Duration::from_millis(seconds(time).as_millis().unsigned_abs());
    params.not_before = at(now) - lifetime::BACKDATE;
    params.not_after = at(now.plus(lifetime));
    params.distinguished_name = DistinguishedName::new();
    params
}

fn alternative_names(id: SpiffeId, names: &[ServerName<'_>]) -> Result<Vec<SanType>, IssueError> {
    let mut all = vec![SanType::URI(id.to_string().try_into().map_err(IssueError::Sign)?)];
    for name in names {
        all.push(match name {
            ServerName::DnsName(name) => SanType::DnsName(
                name.as_ref().try_into().map_err(|_| IssueError::Name(name.as_ref().to_owned()))?,
            ),
            ServerName::IpAddress(address) => SanType::IpAddress((*address).into()),
            other => return Err(IssueError::Name(format!("{other:?}"))),
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Peer;
    use npanel_model::{ControllerId, NodeId};

    fn authority() -> CertificateAuthority {
        CertificateAuthority::create(ClusterId::generate(), Timestamp::now()).expect("an authority")
    }

    fn request() -> (PrivateKey, Vec<u8>) {
        let key = PrivateKey::generate().expect("a key");
        let request = key.certificate_request().expect("a request");
        (key, request)
    }

    #[test]
    fn a_certificate_names_its_holder_and_nobody_else() {
        let authority = authority();
        let (key, request) = request();
        let identity = Identity::Node(NodeId::generate());
        let (serial, now) = (Serial::generate(), Timestamp::now());
        let issued = authority.issue(&request, identity, &[], serial, now).expect("a certificate");
        let peer = Peer::read(&issued.chain[0]).expect("an identity");
        assert_eq!(peer.id, SpiffeId { cluster: authority.cluster(), identity });
        assert_eq!((peer.key, issued.key), (key.fingerprint(), key.fingerprint()));
        assert_eq!((peer.serial, peer.not_after), (serial.to_bytes(), issued.not_after));
        assert!(issued.not_after.since(now) <= lifetime::NODE);
        assert!(issued.not_after.since(now) > lifetime::NODE - Duration::from_secs(2));
    }

    #[test]
    fn names_in_a_request_are_ignored() {
        let authority = authority();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let stolen =
            SpiffeId { cluster: authority.cluster(), identity: Identity::Controller(ControllerId(1)) };
        let mut params = CertificateParams::new(vec!["c1.example.net".to_owned()]).expect("parameters");
        params.subject_alt_names.push(SanType::URI(stolen.to_string().try_into().expect("a URI")));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let request = params.serialize_request(&key).expect("a request");
        let identity = Identity::Node(NodeId::generate());
        let issued = authority
            .issue(request.der(), identity, &[], Serial::generate(), Timestamp::now())
            .expect("a certificate");
        assert_eq!(Peer::read(&issued.chain[0]).expect("an identity").id.identity, identity);
        assert!(certificate::authority_cluster(&issued.chain[0]).is_err());
    }

    #[test]
    fn a_request_without_proof_of_its_key_is_refused() {
        let (_, mut request) = request();
        let last = request.len() - 1;
        request[last] ^= 1;
        let identity = Identity::Node(NodeId::generate());
        let refused = authority().issue(&request, identity, &[], Serial::generate(), Timestamp::now());
        assert!(matches!(refused, Err(IssueError::Request(_))));
        let refused = authority().issue(b"junk", identity, &[], Serial::generate(), Timestamp::now());
        assert!(matches!(refused, Err(IssueError::Request(_))));
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
        let request = CertificateParams::default().serialize_request(&key).expect("a request");
        let identity = Identity::Node(NodeId::generate());
        let refused = authority().issue(request.der(), identity, &[], Serial::generate(), Timestamp::now());
        assert!(matches!(refused, Err(IssueError::Algorithm)));
    }

    #[test]
    fn an_authority_is_the_same_after_loading() {
        let authority = authority();
        let loaded = CertificateAuthority::load(
            authority.certificate_pem().as_bytes(),
            authority.key_pem().as_bytes(),
        )
        .expect("the authority");
        assert_eq!((loaded.pin(), loaded.cluster()), (authority.pin(), authority.cluster()));
    }

    #[test]
    fn a_key_of_another_authority_is_refused() {
        let (one, other) = (authority(), authority());
        let refused =
            CertificateAuthority::load(one.certificate_pem().as_bytes(), other.key_pem().as_bytes());
        assert!(matches!(refused, Err(AuthorityError::Mismatch { .. })));
        assert!(!format!("{one:?}").contains("PRIVATE"));
    }
}
