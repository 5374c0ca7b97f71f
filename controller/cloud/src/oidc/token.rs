//! Whether a token is good (OpenID Connect Core, 3.1.3.7): signed by a key of the issuer's, for this client, for this sign-in, and
//! not over.

use jsonwebtoken::{
    Algorithm as A, DecodingKey, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, Jwk, PublicKeyUse},
};
use npanel_model::Subject;
use serde_json::{Map, Value};

/// Signatures by a private key that the issuer alone has. Not by a secret that is shared (HS256), which a public key could be taken
/// for; and nothing is good that is not signed.
const ALGORITHMS: [A; 9] =
    [A::RS256, A::RS384, A::RS512, A::PS256, A::PS384, A::PS512, A::ES256, A::ES384, A::EdDSA];

/// By how much clocks may differ.
const LEEWAY_SECONDS: u64 = 60;

/// An issuer has a few keys: that of today, that of yesterday.
const MOST_KEYS: usize = 50;

/// What is wrong with a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is no token.
    #[error("it is no signed token")]
    Form,
    /// It is not signed as tokens are.
    #[error("it is signed by {0}, and not by a key of the issuer's own")]
    Algorithm(String),
    /// None of the issuer's keys has signed it.
    #[error("none of the issuer's keys has signed it")]
    Signature,
    /// It says that somebody else has issued it.
    #[error("it is of another issuer")]
    Issuer,
    /// It is for somebody else.
    #[error("it is for another client")]
    Audience,
    /// It is over.
    #[error("it has expired")]
    Expired,
    /// It counts later.
    #[error("it does not count yet")]
    Early,
    /// It is of another sign-in.
    #[error("it is of another sign-in (its nonce is not the one that this was begun with)")]
    Nonce,
    /// Something has to be in it that is not.
    #[error("it says no {0}")]
    Missing(String),
}

/// What a token has to say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
}

type Claims = Map<String, Value>;

impl Expected<'_> {
    /// Whom the token means, and all that it says.
    pub(super) fn verify(&self, token: &str, keys: &[Value]) -> Result<(Subject, Claims), TokenFault> {
        let header = decode_header(token).map_err(|_| form_or_algorithm(token))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(TokenFault::Algorithm(format!("{:?}", header.alg)));
        }
        let claims = self.verified(token, header.alg, header.kid.as_deref(), keys)?;
        self.require_for_client(&claims)?;
        if claims.get("nonce").and_then(Value::as_str) != Some(self.nonce) {
            return Err(TokenFault::Nonce);
        }
        let subject = claims.get("sub").and_then(Value::as_str).and_then(|text| text.parse().ok());
        Ok((subject.ok_or_else(|| TokenFault::Missing("sub".to_owned()))?, claims))
    }

    /// What the token says, if one of the keys has signed it.
    fn verified(&self, token: &str, alg: A, kid: Option<&str>, keys: &[Value]) -> Result<Claims, TokenFault> {
        let mut rules = Validation::new(alg);
        rules.set_issuer(&[self.issuer]);
        rules.set_audience(&[self.client_id]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.leeway = LEEWAY_SECONDS;
        rules.validate_nbf = true;
        let known =
            keys.iter().take(MOST_KEYS).filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
        for key in known.filter(|key| may_sign(key, alg, kid)) {
            let Ok(key) = DecodingKey::from_jwk(&key) else { continue };
            match decode::<Claims>(token, &key, &rules) {
                Ok(read) => return Ok(read.claims),
                Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
                Err(error) => return Err(fault(error.kind())),
            }
        }
        Err(TokenFault::Signature)
    }

    /// Core, 3.1.3.7, 3 to 5: who else it is for must not be able to use it here.
    fn require_for_client(&self, claims: &Claims) -> Result<(), TokenFault> {
        let is_for_others = match claims.get("aud") {
            Some(Value::Array(all)) => all.len() > 1,
            _ => false,
        };
        match claims.get("azp") {
            Some(Value::String(party)) if party == self.client_id => Ok(()),
            None if !is_for_others => Ok(()),
            _ => Err(TokenFault::Audience),
        }
    }
}

/// Whether the key may have signed so: it is of that kind, it is there to sign, and it goes by that name.
fn may_sign(key: &Jwk, alg: A, kid: Option<&str>) -> bool {
    let is_of_kind = match &key.algorithm {
        AlgorithmParameters::RSA(_) => {
            [A::RS256, A::RS384, A::RS512, A::PS256, A::PS384, A::PS512].contains(&alg)
        }
        AlgorithmParameters::EllipticCurve(_) => [A::ES256, A::ES384].contains(&alg),
        AlgorithmParameters::OctetKeyPair(_) => alg == A::EdDSA,
        AlgorithmParameters::OctetKey(_) => false,
    };
    let is_to_sign = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    let is_for_it = key.common.key_algorithm.is_none_or(|of| of.to_string() == format!("{alg:?}"));
    let is_named = kid.is_none() || key.common.key_id.is_none() || key.common.key_id.as_deref() == kid;
    is_of_kind && is_to_sign && is_for_it && is_named
}

/// Of a header that is not read: an algorithm that is none, such as `none`, is told as what it is.
fn form_or_algorithm(token: &str) -> TokenFault {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let header = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let header = header.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    match header.as_ref().and_then(|header| header["alg"].as_str()) {
        Some(alg) => TokenFault::Algorithm(alg.chars().take(20).collect()),
        None => TokenFault::Form,
    }
}

fn fault(kind: &ErrorKind) -> TokenFault {
    match kind {
        ErrorKind::InvalidIssuer => TokenFault::Issuer,
        ErrorKind::InvalidAudience => TokenFault::Audience,
        ErrorKind::ExpiredSignature => TokenFault::Expired,
        ErrorKind::ImmatureSignature => TokenFault::Early,
        ErrorKind::MissingRequiredClaim(claim) => TokenFault::Missing(claim.clone()),
        ErrorKind::InvalidAlgorithm => TokenFault::Signature,
        _ => TokenFault::Form,
    }
}
