//! Reading certificates.

use npanel_model::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, X509Certificate};

use crate::{ClusterId, KeyFingerprint, SpiffeId, SpiffeIdError, identity::parse_authority_uri};

/// Why a certificate says nothing about who holds it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not X.509 in DER.
    #[error("the certificate cannot be read")]
    Encoding,
    /// Not exactly one URI among its names.
    #[error("a certificate has exactly one URI as its subject's alternative name (got {0})")]
    UriCount(usize),
    /// The URI is not an identity.
    #[error("the certificate's URI is not an identity")]
    Identity(#[source] SpiffeIdError),
    /// Not an authority's certificate.
    #[error("not the certificate of a cluster's authority")]
    NotAuthority,
}

/// Who a certificate says its holder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The machine.
    pub id: SpiffeId,
    /// Its key; the state knows each machine's, so that a replaced one is refused.
    pub key: KeyFingerprint,
    /// The certificate's serial number.
    pub serial: Vec<u8>,
    /// From when the certificate is valid.
    pub not_before: Timestamp,
    /// Until when the certificate is valid.
    pub not_after: Timestamp,
}

impl Peer {
    /// Reads a certificate. Whether its issuer is to be trusted is not decided here.
    ///
    /// # Errors
    /// If it cannot be read or its one URI is not an identity.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, CertificateError> {
        let parsed = parse(certificate)?;
        Ok(Self {
            id: only_uri(&parsed)?.parse().map_err(CertificateError::Identity)?,
            key: KeyFingerprint::of_spki(parsed.public_key().raw),
            serial: parsed.raw_serial().to_vec(),
            not_before: time(parsed.validity().not_before),
            not_after: time(parsed.validity().not_after),
        })
    }
}

/// The key of any certificate.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> Result<KeyFingerprint, CertificateError> {
    Ok(KeyFingerprint::of_spki(parse(certificate)?.public_key().raw))
}

/// The cluster whose authority has this certificate.
pub(crate) fn authority_cluster(certificate: &CertificateDer<'_>) -> Result<ClusterId, CertificateError> {
    let parsed = parse(certificate)?;
    if !parsed.is_ca() {
        return Err(CertificateError::NotAuthority);
    }
    parse_authority_uri(only_uri(&parsed)?).ok_or(CertificateError::NotAuthority)
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, CertificateError> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(CertificateError::Encoding),
    }
}

/// Until when any certificate is valid.
pub(crate) fn not_after(certificate: &CertificateDer<'_>) -> Result<Timestamp, CertificateError> {
    Ok(time(parse(certificate)?.validity().not_after))
}

/// The uncompressed point of any certificate's key.
pub(crate) fn public_key(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, CertificateError> {
    Ok(parse(certificate)?.public_key().subject_public_key.data.to_vec())
}

/// Whether the certificate names this authority as its issuer. The signature is not looked at.
pub(crate) fn names_issuer(
    certificate: &CertificateDer<'_>,
    authority: &CertificateDer<'_>,
) -> Result<bool, CertificateError> {
    let (certificate, authority) = (parse(certificate)?, parse(authority)?);
    Ok(certificate.issuer().as_raw() == authority.subject().as_raw())
}

fn time(time: ASN1Time) -> Timestamp {
    Timestamp::from_millis(time.timestamp().saturating_mul(1000))
}

fn only_uri<'a>(certificate: &'a X509Certificate<'_>) -> Result<&'a str, CertificateError> {
    let names = certificate.subject_alternative_name().map_err(|_| CertificateError::Encoding)?;
    let uris: Vec<&str> = names
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None })
        .collect();
    match uris[..] {
        [uri] => Ok(uri),
        _ => Err(CertificateError::UriCount(uris.len())),
    }
}
