//! Issuers that lie, lead inside, or say too much; and one that is good.

mod inside;
mod issuer;
mod tokens;

use npanel_model::Secret;

use super::*;
use crate::outgoing::tests::way_by;

fn begun() -> Begun {
    Begun { state: Secret::new("state"), nonce: Secret::new("nonce"), verifier: Secret::new("verifier") }
}

fn relation(issuer: &str) -> Relation {
    Relation {
        issuer: issuer.parse().expect("an issuer"),
        client_id: "npanel".parse().expect("a client"),
        client_secret: Secret::new("a secret"),
        redirect_uri: "https://c1.example.net:8443/device/callback".to_owned(),
    }
}

/// By a way out that leads to the issuers of these tests.
fn client() -> Oidc {
    Oidc::new(way_by("x", &[&[]], &["127.0.0.1"], &[]))
}
