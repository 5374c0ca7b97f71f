//! A key management service.

use axum::http::StatusCode;
use npanel_cloud::{Kms, KmsError};
use npanel_moto::{KEYS, Moto, SECRET};

const REGION: &str = "us-east-1";

fn kms(endpoint: &str, key: &str, directory: &tempfile::TempDir) -> Kms {
    npanel_pki::tls::install_provider();
    let keys = directory.path().join("keys");
    std::fs::write(&keys, KEYS).expect("written");
    Kms::new(endpoint, REGION, key, keys).expect("a service")
}

#[tokio::test]
async fn what_the_service_sealed_it_opens_and_under_this_use_only() {
    let Some(moto) = Moto::start() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let (key, other) = (moto.make_key(), moto.make_key());
    let ours = kms(&moto.endpoint(), &key, &directory);
    let plain = b"thirty-two bytes that are secret";
    let sealed = ours.encrypt(plain).await.expect("sealed");
    assert!(!sealed.windows(10).any(|part| part == b"thirty-two"));
    assert_eq!(ours.decrypt(&sealed).await.expect("opened").as_slice(), plain);
    let theirs = kms(&moto.endpoint(), &other, &directory);
    let refused = theirs.decrypt(&sealed).await.expect_err("another key");
    assert!(matches!(refused, KmsError::Refused { .. }), "{refused:?}");
    // Nobody opens it for another use: the words that it is bound to are part of the request.
    let blob = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &sealed);
    let body = serde_json::json!({"CiphertextBlob": blob}).to_string();
    let headers = ["Content-Type: application/x-amz-json-1.1", "X-Amz-Target: TrentService.Decrypt"];
    let without = moto.ask("kms", "POST", "/", &headers, body.as_bytes());
    assert_eq!(without.status, 400, "{}", without.text());
    let error = kms(&moto.endpoint(), "alias/nothing", &directory);
    let error = error.encrypt(plain).await.expect_err("there is no such key");
    assert!(matches!(&error, KmsError::Refused { key, .. } if key == "alias/nothing"), "{error:?}");
    assert!(error.to_string().contains("alias/nothing"), "{error}");
}

#[tokio::test]
async fn the_service_accepts_the_signature_of_who_may_and_names_who_may_not() {
    let Some(moto) = Moto::start() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let ours = kms(&moto.endpoint(), &moto.make_key(), &directory);
    let keys = directory.path().join("keys");
    let may = moto.make_user("controller", &["kms:Encrypt", "kms:Decrypt"]);
    let may_not = moto.make_user("stranger", &["kms:Encrypt"]);
    moto.lock();
    let refused = ours.encrypt(b"x").await.expect_err("it does not know these keys");
    assert!(matches!(refused, KmsError::Refused { status: 403, .. }), "{refused:?}");
    std::fs::write(&keys, &may).expect("written");
    let sealed = ours.encrypt(b"x").await.expect("sealed");
    assert_eq!(ours.decrypt(&sealed).await.expect("opened").as_slice(), b"x");
    let wrong: String = may.replace("secret_access_key = \"", "secret_access_key = \"x");
    std::fs::write(&keys, wrong).expect("written");
    let refused = ours.decrypt(&sealed).await.expect_err("it is signed by another key");
    assert!(refused.to_string().contains("SignatureDoesNotMatch"), "{refused}");
    std::fs::write(&keys, may_not).expect("written");
    let refused = ours.decrypt(&sealed).await.expect_err("these may seal only");
    assert!(refused.to_string().contains("AccessDenied"), "{refused}");
}

#[tokio::test]
async fn a_request_is_signed_for_the_service_and_its_region_and_the_key_is_not_sent() {
    let asked = std::sync::Arc::new(std::sync::Mutex::new(None));
    let taken = std::sync::Arc::clone(&asked);
    let answer = async move |headers: axum::http::HeaderMap| {
        *taken.lock().expect("no panic") = Some(headers);
        (StatusCode::FORBIDDEN, "{\"__type\": \"AccessDeniedException\"}")
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let router = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let directory = tempfile::tempdir().expect("a directory");
    let refused = kms(&endpoint, "alias/npanel", &directory).decrypt(b"sealed").await.expect_err("refused");
    assert!(
        matches!(&refused, KmsError::Refused { status: 403, text, .. } if text.contains("AccessDenied")),
        "{refused:?}"
    );
    let headers = asked.lock().expect("no panic").take().expect("a request");
    let signature = headers["authorization"].to_str().expect("text");
    assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIAMOTO/"), "{signature}");
    assert!(signature.contains("/us-east-1/kms/aws4_request"), "{signature}");
    for signed in ["content-type", "host", "x-amz-date", "x-amz-target"] {
        assert!(signature.contains(signed), "{signed} is not signed: {signature}");
    }
    assert!(!format!("{headers:?} {refused:?}").contains(SECRET));
}

#[tokio::test]
async fn a_service_that_is_silent_is_named_without_what_was_asked() {
    let directory = tempfile::tempdir().expect("a directory");
    let nowhere = kms("http://127.0.0.1:1", "alias/npanel", &directory);
    let error = nowhere.encrypt(b"hidden").await.expect_err("nobody is there");
    let text = format!("{error} {error:?}");
    assert!(text.contains("cannot be reached at http://127.0.0.1:1"), "{text}");
    assert!(!text.contains(SECRET) && !text.contains("hidden") && !text.contains("aGlkZGVu"), "{text}");
}

#[test]
fn a_service_that_is_reached_in_clear_is_none() {
    for wrong in
        ["", "ftp://x", "not one", "http://kms.example.net", "http://10.0.0.1:80", "http://127.0.0.1.example"]
    {
        let made = Kms::new(wrong, REGION, "alias/npanel", "/keys".into());
        assert!(made.is_err(), "{wrong:?}");
    }
    for right in ["https://kms.us-east-1.amazonaws.com", "http://127.0.0.1:5000", "http://[::1]:5000"] {
        Kms::new(right, REGION, "alias/npanel", "/keys".into()).expect(right);
    }
}
