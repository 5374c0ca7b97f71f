//! Whether an authority issued a certificate, which may have expired since.

use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::{sync::Arc, time::Duration};

use super::{provider, roots};
use crate::Peer;

/// Whether one of these authorities issued the machine's certificate: as of the time from which it is valid, for it may have
/// expired since.
pub fn was_issued(by: &[CertificateDer<'_>], certificate: &CertificateDer<'_>) -> bool {
    let Ok(peer) = Peer::read(certificate) else { return false };
    let Ok(begin) = u64::try_from(peer.not_before.as_millis()) else { return false };
    let begin = UnixTime::since_unix_epoch(Duration::from_millis(begin));
    let Ok(roots) = roots(by) else { return false };
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    verifier.is_ok_and(|verifier| verifier.verify_client_cert(certificate, &[], begin).is_ok())
}

#[cfg(test)]
mod tests {
    use npanel_model::{NodeId, Timestamp};

    use super::*;
    use crate::{CertificateAuthority, ClusterId, Identity, PrivateKey, Serial};

    #[test]
    fn an_expired_certificate_was_issued_all_the_same_and_anothers_was_not() {
        let now = Timestamp::now();
        let long_ago = Timestamp::from_millis(now.as_millis() - 90 * 86_400_000);
        let authority = CertificateAuthority::create(ClusterId::generate(), long_ago).expect("an authority");
        let other = CertificateAuthority::create(authority.cluster(), long_ago).expect("an authority");
        let request = PrivateKey::generate().and_then(|key| key.certificate_request()).expect("a request");
        let node = Identity::Node(NodeId::generate());
        for time in [now, Timestamp::from_millis(long_ago.as_millis() + 86_400_000)] {
            let issued = authority.issue(&request, node, &[], Serial::generate(), time).expect("issued");
            let by = |authority: &CertificateAuthority| {
                was_issued(&[authority.certificate().clone()], &issued.chain[0])
            };
            assert!(by(&authority));
            assert!(!by(&other), "the same cluster's name, another key");
        }
        assert!(!was_issued(&[], &CertificateDer::from(vec![1, 2, 3])));
    }
}
