//! DER to PEM and back (RFC 7468).

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// One PEM section.
pub(crate) fn section(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for start in (0..body.len()).step_by(64) {
        text.push_str(&body[start..body.len().min(start + 64)]);
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Certificates, one section each.
pub(crate) fn certificates(chain: &[CertificateDer<'_>]) -> String {
    chain.iter().map(|certificate| section("CERTIFICATE", certificate)).collect()
}

/// The certificates of a PEM text; at least one.
pub(crate) fn read_certificates(text: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().ok()?;
    (!chain.is_empty()).then_some(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_go_to_text_and_back() {
        let chain = vec![CertificateDer::from(vec![1; 100]), CertificateDer::from(vec![2; 64])];
        assert_eq!(read_certificates(certificates(&chain).as_bytes()), Some(chain));
        assert_eq!(read_certificates(b"nothing"), None);
    }
}
