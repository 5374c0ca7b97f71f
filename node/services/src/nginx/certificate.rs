//! A site's certificate until an authority's takes its place: self-signed, key and certificate in one file,
//! so that one rename replaces both.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, date_time_ymd};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use x509_parser::{extensions::GeneralName, prelude::FromDer, prelude::X509Certificate};

use crate::ServiceError;

/// Days that a self-signed certificate is good for: within what browsers accept of any certificate.
const VALID_DAYS: i64 = 365;
/// Days before its end that one is replaced.
const RENEW_DAYS: i64 = 30;

/// A key and the certificate of it.
#[derive(Debug)]
pub struct Certificate {
    der: CertificateDer<'static>,
    names: Vec<String>,
    not_after: i64,
    matches_key: bool,
}

impl Certificate {
    /// Longest file of key and chain that is read, in bytes.
    pub const LIMIT: u64 = 256 * 1024;

    /// A new key and self-signed certificate for a name, as PEM.
    ///
    /// # Errors
    /// If the name is not one, or randomness fails.
    pub fn generate(name: &str) -> Result<String, ServiceError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        // A common name has at most 64 characters; the name that counts is the alternative one.
        params.distinguished_name.push(DnType::CommonName, name.chars().take(64).collect::<String>());
        let now = Timestamp::now();
        let (year, month, first) = day(now - 24.hours());
        params.not_before = date_time_ymd(year, month, first);
        let (year, month, last) = day(now + (24 * VALID_DAYS).hours());
        params.not_after = date_time_ymd(year, month, last);
        let certificate = params.self_signed(&key)?;
        Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
    }

    /// Reads a file of a private key and its certificate chain; none if it is not such.
    pub fn parse(pem: &[u8]) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem).ok()?;
        let key = PrivateKeyDer::from_pem_slice(pem).ok()?;
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let names = match parsed.subject_alternative_name().ok()? {
            Some(names) => names.value.general_names.iter().filter_map(dns_name).collect(),
            None => Vec::new(),
        };
        let public = parsed.public_key().subject_public_key.data.as_ref();
        let key = KeyPair::try_from(key.secret_der()).ok();
        let matches_key = key.is_some_and(|key| key.public_key_raw() == public);
        let not_after = parsed.validity().not_after.timestamp();
        Some(Self { names, not_after, matches_key, der: der.clone().into_owned() })
    }

    /// Whether it can go on being shown for the name: for it, of its key, and not near its end.
    pub fn is_good_for(&self, name: &str) -> bool {
        let renewal = Timestamp::now().as_second() + RENEW_DAYS * 86_400;
        self.matches_key && self.not_after > renewal && self.names.iter().any(|found| found == name)
    }

    /// The certificate itself.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }
}

fn dns_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    }
}

/// The UTC day of a time.
fn day(time: Timestamp) -> (i32, u8, u8) {
    let day = time.to_zoned(TimeZone::UTC).date();
    (i32::from(day.year()), day.month().unsigned_abs(), day.day().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_certificate_is_good_for_its_name_only() {
        let pem = Certificate::generate("shop.example.com").expect("made");
        let certificate = Certificate::parse(pem.as_bytes()).expect("parsed");
        assert!(certificate.is_good_for("shop.example.com"));
        assert!(!certificate.is_good_for("other.example.com"));
    }

    #[test]
    fn a_name_longer_than_a_common_name_works() {
        let name = format!("{}.{}.example.com", "a".repeat(60), "b".repeat(60));
        let pem = Certificate::generate(&name).expect("made");
        assert!(Certificate::parse(pem.as_bytes()).expect("parsed").is_good_for(&name));
    }

    #[test]
    fn a_certificate_of_another_key_is_not_good() {
        let (one, two) = (Certificate::generate("a.b"), Certificate::generate("a.b"));
        let (one, two) = (one.expect("made"), two.expect("made"));
        let end = "-----END PRIVATE KEY-----";
        let (key, _) = one.split_once(end).expect("a key");
        let (_, certificate) = two.split_once(end).expect("a certificate");
        let mixed = format!("{key}{end}{certificate}");
        assert!(!Certificate::parse(mixed.as_bytes()).expect("parsed").is_good_for("a.b"));
    }

    #[test]
    fn what_is_no_certificate_is_not_parsed() {
        for text in [&b""[..], b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(Certificate::parse(text).is_none());
        }
    }
}
