//! What a store is asked.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
};
use npanel_cloud::{Bucket, BucketError};
use npanel_model::Timestamp;
use npanel_moto::Moto;
use sha2::Digest;

type Asked = Arc<Mutex<Vec<(String, Vec<(String, String)>)>>>;

async fn store(status: StatusCode) -> (String, Asked) {
    npanel_pki::tls::install_provider();
    let asked = Asked::default();
    let answer = async move |State(asked): State<Asked>, request: Request| {
        let headers = request.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("").to_owned()));
        asked
            .lock()
            .expect("no panic")
            .push((format!("{} {}", request.method(), request.uri()), headers.collect()));
        (status, "<Error><Code>No</Code></Error>")
    };
    let router = Router::new().fallback(answer).with_state(Arc::clone(&asked));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), asked)
}

fn bucket(endpoint: &str, directory: &tempfile::TempDir) -> Bucket {
    npanel_pki::tls::install_provider();
    let keys = directory.path().join("keys");
    std::fs::write(&keys, "access_key_id = \"AKID\"\nsecret_access_key = \"marked\"\n").expect("written");
    Bucket::new(endpoint, "eu-central-1", "audit", keys).expect("a bucket")
}

#[tokio::test]
async fn an_object_is_locked_signed_and_its_key_is_not_sent() {
    let (endpoint, asked) = store(StatusCode::OK).await;
    let directory = tempfile::tempdir().expect("a directory");
    let until = Timestamp::from_millis(1_900_000_000_000);
    bucket(&endpoint, &directory).put_locked("npanel/1", "note".to_owned(), until).await.expect("written");
    let asked = asked.lock().expect("no panic").pop().expect("one request");
    let (line, headers) = asked;
    assert!(line.starts_with("PUT /audit/npanel/1?") && line.contains("X-Amz-Signature="), "{line}");
    let header =
        |name: &str| headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    assert_eq!(header("x-amz-object-lock-mode"), Some("COMPLIANCE"));
    assert_eq!(header("x-amz-object-lock-retain-until-date"), Some("2030-03-17T17:46:40Z"));
    assert_eq!(header("x-amz-checksum-sha256"), Some("7bRlYkKR5AU8bF6kt+syDex3PhClfSa5Xc8FZPjjEPg="));
    for signed in ["x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-checksum-sha256"] {
        assert!(line.contains(signed), "{signed} is not signed: {line}");
    }
    assert!(!line.contains("marked") && !format!("{headers:?}").contains("marked"));
}

#[tokio::test]
async fn what_a_store_refuses_is_told_without_the_signature() {
    let directory = tempfile::tempdir().expect("a directory");
    let (endpoint, _) = store(StatusCode::FORBIDDEN).await;
    let put = async |endpoint: &str| {
        let until = Timestamp::from_millis(0);
        bucket(endpoint, &directory).put_locked("x", String::new(), until).await.expect_err("an error")
    };
    let refused = put(&endpoint).await;
    assert!(
        matches!(&refused, BucketError::Refused { status: 403, text } if text.contains("<Code>No")),
        "{refused}"
    );
    let unreachable = put("http://127.0.0.1:1").await;
    assert!(!format!("{unreachable:?}").contains("X-Amz-Signature"), "{unreachable:?}");
    for endpoint in ["", "ftp://x", "not one"] {
        assert!(Bucket::new(endpoint, "r", "audit", "/keys".into()).is_err(), "{endpoint:?}");
    }
}

#[tokio::test]
async fn a_large_object_comes_in_pieces_with_its_length_and_its_hash() {
    let (endpoint, asked) = store(StatusCode::OK).await;
    let directory = tempfile::tempdir().expect("a directory");
    let pieces = || futures::stream::iter([Ok("no".into()), Ok("te".into())]);
    let sha256 = sha2::Sha256::digest("note").into();
    bucket(&endpoint, &directory).put("npanel/1.tar", 4, sha256, pieces()).await.expect("written");
    let (line, headers) = asked.lock().expect("no panic").pop().expect("one request");
    assert!(line.starts_with("PUT /audit/npanel/1.tar?") && !line.contains("marked"), "{line}");
    let header =
        |name: &str| headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    assert_eq!(header("content-length"), Some("4"));
    assert_eq!(header("x-amz-checksum-sha256"), Some("7bRlYkKR5AU8bF6kt+syDex3PhClfSa5Xc8FZPjjEPg="));
    let cut_off = futures::stream::iter([Ok("no".into()), Err(std::io::Error::other("gone"))]);
    bucket(&endpoint, &directory).put("x", 4, sha256, cut_off).await.expect_err("it is not whole");
}

#[tokio::test]
async fn an_object_of_many_pieces_is_in_the_bucket_as_it_was_given() {
    let Some(moto) = Moto::start() else { return };
    moto.make_bucket("audit", false);
    let directory = tempfile::tempdir().expect("a directory");
    let piece = |n: u8| bytes::Bytes::from(vec![n; 300 * 1024 + 1]);
    // At once, and in three parts.
    for count in [50, 130] {
        let whole: Vec<u8> = (0..count).flat_map(piece).collect();
        let pieces = futures::stream::iter((0..count).map(move |n| Ok(piece(n))));
        let sha256 = sha2::Sha256::digest(&whole).into();
        let bucket = bucket(&moto.endpoint(), &directory);
        bucket.put("fleet 1/état.tar", whole.len() as u64, sha256, pieces).await.expect("written");
        let kept = moto.object("audit", "fleet%201/%C3%A9tat.tar");
        assert!(kept == whole, "{} bytes are kept of {}", kept.len(), whole.len());
    }
}

#[tokio::test]
async fn of_an_object_that_is_not_what_was_said_nothing_is_left() {
    let Some(moto) = Moto::start() else { return };
    moto.make_bucket("audit", false);
    let directory = tempfile::tempdir().expect("a directory");
    let bucket = bucket(&moto.endpoint(), &directory);
    let piece = || Ok(bytes::Bytes::from(vec![7; 20 << 20]));
    let whole = sha2::Sha256::digest(vec![7; 40 << 20]).into();
    let put = async |bytes: u64, pieces: Vec<std::io::Result<bytes::Bytes>>| {
        bucket.put("x", bytes, whole, futures::stream::iter(pieces)).await
    };
    let gone = || Err(std::io::Error::other("gone"));
    for (bytes, pieces) in [
        (40 << 20, vec![piece()]),
        (40 << 20, vec![piece(), gone()]),
        (20 << 20, vec![piece(), piece()]),
        (39 << 20, vec![piece(), piece()]),
    ] {
        let error = put(bytes, pieces).await.expect_err("it is not what was said");
        assert!(matches!(error, BucketError::Changed | BucketError::Unread(_)), "{error:?}");
    }
    let left = moto.ask("s3", "GET", "/audit?uploads", &[], b"").text();
    assert!(!left.contains("<Upload>"), "{left}");
    assert_eq!(moto.ask("s3", "GET", "/audit/x", &[], b"").status, 404);
    put(40 << 20, vec![piece(), piece()]).await.expect("written");
}

#[tokio::test]
async fn a_locked_object_is_there_until_its_time_whatever_is_tried() {
    let Some(moto) = Moto::start() else { return };
    moto.make_bucket("audit", true);
    let directory = tempfile::tempdir().expect("a directory");
    let bucket = bucket(&moto.endpoint(), &directory);
    let until = Timestamp::now().plus(std::time::Duration::from_secs(86_400));
    bucket.put_locked("npanel/1", "note".to_owned(), until).await.expect("written");
    let version = format!("/audit/npanel/1?versionId={}", moto.versions("audit").pop().expect("a version"));
    let removed = moto.ask("s3", "DELETE", &version, &[], b"");
    assert_eq!(removed.status, 403, "{}", removed.text());
    // What is written over it is another version.
    bucket.put_locked("npanel/1", "other".to_owned(), until).await.expect("written");
    assert_eq!(moto.ask("s3", "GET", &version, &[], b"").done(), b"note");
    assert_eq!(moto.versions("audit").len(), 2);
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told_by_the_store_itself() {
    let Some(moto) = Moto::start() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let nowhere = bucket(&moto.endpoint(), &directory);
    let error = nowhere.put_locked("x", String::new(), Timestamp::now()).await.expect_err("no bucket");
    assert!(
        matches!(&error, BucketError::Refused { status: 404, text } if text.contains("NoSuchBucket")),
        "{error:?}"
    );
}
