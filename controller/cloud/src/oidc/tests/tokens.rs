//! Tokens that are not good, one fault each.

use serde_json::{Value, json};

use super::issuer::{SigningKey, claims, seconds, token_of};
use crate::oidc::token::{Expected, TokenFault};

const ISSUER: &str = "https://id.example.com";

fn verify(token: &str, keys: &[Value]) -> Result<String, TokenFault> {
    let expected = Expected { issuer: ISSUER, client_id: "npanel", nonce: "nonce" };
    expected.verify(token, keys).map(|(subject, _)| subject.to_string())
}

/// Claims with one that is something else.
fn with(claim: &str, value: Value) -> Value {
    let mut changed = claims(ISSUER);
    match value {
        Value::Null => drop(changed.as_object_mut().expect("an object").remove(claim)),
        value => changed[claim] = value,
    }
    changed
}

#[test]
fn a_token_is_good_as_a_whole_or_not_at_all() {
    let key = SigningKey::new();
    let keys = [key.public("k1")];
    assert_eq!(verify(&key.sign("k1", &claims(ISSUER)), &keys).as_deref(), Ok("4711"));
    let missing = |claim: &str| TokenFault::Missing(claim.to_owned());
    for (claim, value, fault) in [
        ("nonce", json!("another"), TokenFault::Nonce),
        ("nonce", Value::Null, TokenFault::Nonce),
        ("iss", json!("https://id.example.com/"), TokenFault::Issuer),
        ("iss", Value::Null, missing("iss")),
        ("aud", json!("another"), TokenFault::Audience),
        ("aud", json!(["another", "third"]), TokenFault::Audience),
        ("aud", json!(["npanel", "another"]), TokenFault::Audience),
        ("aud", Value::Null, missing("aud")),
        ("azp", json!("another"), TokenFault::Audience),
        ("exp", json!(seconds(-90)), TokenFault::Expired),
        ("exp", Value::Null, missing("exp")),
        ("nbf", json!(seconds(300)), TokenFault::Early),
        ("sub", Value::Null, missing("sub")),
        ("sub", json!(""), missing("sub")),
    ] {
        let token = key.sign("k1", &with(claim, value.clone()));
        assert_eq!(verify(&token, &keys), Err(fault), "{claim} {value}");
    }
    let mut of_several = with("aud", json!(["npanel", "another"]));
    of_several["azp"] = json!("npanel");
    assert!(verify(&key.sign("k1", &of_several), &keys).is_ok());
}

#[test]
fn only_a_key_of_the_issuers_own_signs() {
    let (key, other) = (SigningKey::new(), SigningKey::new());
    let keys = [key.public("k1")];
    let forged = other.sign("k1", &claims(ISSUER));
    assert_eq!(verify(&forged, &keys), Err(TokenFault::Signature));
    assert_eq!(verify(&key.sign("k2", &claims(ISSUER)), &keys), Err(TokenFault::Signature), "an unknown key");
    assert_eq!(verify(&key.sign("k1", &claims(ISSUER)), &[]), Err(TokenFault::Signature));
    let mut for_encryption = key.public("k1");
    for_encryption["use"] = json!("enc");
    assert_eq!(verify(&key.sign("k1", &claims(ISSUER)), &[for_encryption]), Err(TokenFault::Signature));
    let (both, good) = ([other.public("k1"), key.public("k1")], key.sign("k1", &claims(ISSUER)));
    assert!(verify(&good, &both).is_ok(), "one of two of that name");
    let mut parts: Vec<&str> = good.split('.').collect();
    let changed = token_of(&json!({}), &with("sub", json!("1")), b"");
    parts[1] = changed.split('.').nth(1).expect("claims");
    assert_eq!(
        verify(&parts.join("."), &keys),
        Err(TokenFault::Signature),
        "other claims, the same signature"
    );
}

#[test]
fn what_is_not_signed_or_by_a_shared_secret_is_refused() {
    let key = SigningKey::new();
    let public = key.public("k1");
    for alg in ["none", "None", "HS256", "HS512", "ES512X"] {
        let head = json!({"alg": alg, "kid": "k1"});
        // By the public key as the secret, for who would take it as one.
        let secret = aws_lc_rs::hmac::Key::new(
            aws_lc_rs::hmac::HMAC_SHA256,
            public["x"].as_str().expect("x").as_bytes(),
        );
        let unsigned = token_of(&head, &claims(ISSUER), b"");
        let text = unsigned.rsplit_once('.').expect("parts").0;
        let signed =
            token_of(&head, &claims(ISSUER), aws_lc_rs::hmac::sign(&secret, text.as_bytes()).as_ref());
        let mut shared = json!({"kty": "oct", "kid": "k1", "k": public["x"]});
        shared["alg"] = json!(alg);
        for token in [&unsigned, &signed] {
            let fault = verify(token, &[public.clone(), shared.clone()]).expect_err(alg);
            assert_eq!(fault, TokenFault::Algorithm(alg.to_owned()));
        }
    }
    for text in ["", "x", "a.b.c", "..", "e30.e30."] {
        assert_eq!(verify(text, std::slice::from_ref(&public)), Err(TokenFault::Form), "{text:?}");
    }
}
