//! An issuer on this machine, and the flow with it.

use std::sync::{Arc, Mutex};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use axum::{
    Json, Router,
    http::HeaderMap,
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::outgoing::tests::serve;

/// A key that tokens are signed by.
pub(super) struct SigningKey(EcdsaKeyPair);

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

impl SigningKey {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).expect("a key");
        Self(key)
    }

    /// Its public half, by this name.
    pub(super) fn public(&self, kid: &str) -> Value {
        let point = self.0.public_key().as_ref();
        let part = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid, "x": part(1), "y": part(33)})
    }

    /// A token with this header's name of the key.
    pub(super) fn sign(&self, kid: &str, claims: &Value) -> String {
        let head = json!({"alg": "ES256", "kid": kid, "typ": "JWT"});
        let text = format!("{}.{}", encoded(&head), encoded(claims));
        let signature = self.0.sign(&SystemRandom::new(), text.as_bytes()).expect("signed");
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

/// A token that is signed otherwise.
pub(super) fn token_of(head: &Value, claims: &Value, signature: &[u8]) -> String {
    format!("{}.{}.{}", encoded(head), encoded(claims), URL_SAFE_NO_PAD.encode(signature))
}

/// Seconds since 1970, so many from now.
pub(super) fn seconds(from_now: i64) -> i64 {
    npanel_model::Timestamp::now().as_millis() / 1000 + from_now
}

pub(super) fn claims(issuer: &str) -> Value {
    json!({"iss": issuer, "aud": "npanel", "sub": "4711", "nonce": "nonce", "iat": seconds(0), "exp": seconds(300),
        "groups": ["admins", 7, "staff"], "email": "ann@example.com", "email_verified": true})
}

/// What the token endpoint was asked with: its authorization, and its form.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// Serves an issuer; its address, and what it was asked.
async fn issuer(methods: Value, userinfo: Value) -> (String, Asked) {
    let key = Arc::new(SigningKey::new());
    let asked = Asked::default();
    let own = Arc::new(Mutex::new(String::new()));
    let metadata = {
        let own = Arc::clone(&own);
        move || {
            let at = own.lock().expect("no panic").clone();
            let mut said = json!({"issuer": at, "authorization_endpoint": format!("{at}/auth?tenant=1"),
                "token_endpoint": format!("{at}/token"), "jwks_uri": format!("{at}/keys"),
                "userinfo_endpoint": format!("{at}/me")});
            if !methods.is_null() {
                said["token_endpoint_auth_methods_supported"] = methods.clone();
            }
            std::future::ready(Json(said))
        }
    };
    let keys = {
        let public = json!({"keys": [{"kty": "unheard-of"}, key.public("k1")]});
        move || std::future::ready(Json(public.clone()))
    };
    let token = {
        let (asked, own) = (Arc::clone(&asked), Arc::clone(&own));
        move |headers: HeaderMap, body: String| {
            let by = headers.get("authorization").map(|value| value.to_str().expect("text").to_owned());
            asked.lock().expect("no panic").push((by.unwrap_or_default(), body));
            let mut claims = claims(&own.lock().expect("no panic"));
            claims.as_object_mut().expect("an object").remove("groups");
            std::future::ready(Json(json!({"id_token": key.sign("k1", &claims), "access_token": "bearer",
                "token_type": "Bearer"})))
        }
    };
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(metadata))
        .route("/keys", get(keys))
        .route("/token", post(token))
        .route("/me", get(move || std::future::ready(Json(userinfo.clone()))));
    let at = format!("http://{}", serve("127.0.0.1:0", router).await);
    own.lock().expect("no panic").clone_from(&at);
    (at, asked)
}

#[tokio::test]
async fn somebody_is_sent_to_the_issuer_with_what_the_end_is_compared_with() {
    let (at, _) = issuer(Value::Null, json!({})).await;
    let scopes = ["email".parse().expect("a scope"), "openid".parse().expect("a scope")];
    let url = client().begin(&relation(&at), &scopes, &begun()).await.expect("an address");
    let query: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["tenant"], "1", "what was there stays: {url}");
    assert_eq!((query["state"].as_str(), query["nonce"].as_str()), ("state", "nonce"));
    assert_eq!((query["scope"].as_str(), query["response_type"].as_str()), ("openid email", "code"));
    assert_eq!(query["code_challenge_method"], "S256");
    assert!(!url.as_str().contains("verifier") && !url.as_str().contains("secret"), "{url}");
}

#[tokio::test]
async fn a_code_becomes_what_the_issuer_says_of_somebody() {
    for (methods, is_basic) in [(Value::Null, true), (json!(["client_secret_post"]), false)] {
        let more = json!({"sub": "4711", "groups": ["admins"], "email": "other@example.com"});
        let (at, asked) = issuer(methods, more).await;
        let code = Secret::new("c&ode");
        let said =
            client().finish(&relation(&at), &begun(), &code, &["email", "groups"]).await.expect("said");
        assert_eq!((said.subject.as_str(), said.texts("groups")), ("4711", vec!["admins"]));
        assert_eq!(said.text("email"), Some("ann@example.com"), "what was signed counts");
        assert!(!said.is_unverified("email"));
        let (by, form) = asked.lock().expect("no panic").pop().expect("it was asked");
        assert_eq!(by.starts_with("Basic "), is_basic, "{by}");
        assert_eq!(form.contains("client_secret=a+secret"), !is_basic, "{form}");
        assert!(form.contains("code=c%26ode") && form.contains("code_verifier=verifier"), "{form}");
    }
}

#[tokio::test]
async fn what_is_said_of_another_subject_is_not_taken() {
    let (at, _) = issuer(Value::Null, json!({"sub": "4712", "groups": ["admins"]})).await;
    let error = client().finish(&relation(&at), &begun(), &Secret::new("c"), &["groups"]).await;
    assert!(error.expect_err("another's").to_string().contains("another subject"));
    let said = client().finish(&relation(&at), &begun(), &Secret::new("c"), &["email"]).await.expect("said");
    assert_eq!(said.texts("groups"), Vec::<&str>::new());
}

#[tokio::test]
async fn an_issuer_that_calls_itself_otherwise_is_refused() {
    let (at, _) = issuer(Value::Null, json!({})).await;
    let error = client().begin(&relation(&format!("{at}/")), &[], &begun()).await.expect_err("another name");
    assert!(matches!(&error, OidcError::OtherIssuer(name) if *name == at), "{error}");
}
