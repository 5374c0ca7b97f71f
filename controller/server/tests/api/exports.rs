//! Exports through the API.

use std::{collections::BTreeMap, io::Read};

use axum::body::Body;
use flate2::read::GzDecoder;
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    support::{Answer, Fleet, Reseller, id},
    users::signed_in,
};

async fn ask(fleet: &Fleet, path: &str, key: &str) -> http::Response<Body> {
    fleet.open(Fleet::request(Method::POST, path, key).body(Body::empty()).expect("a request")).await
}

/// What a request that is refused is answered.
async fn refused(fleet: &Fleet, path: &str, key: &str) -> Answer {
    fleet.send(Fleet::request(Method::POST, path, key).body(Body::empty()).expect("a request")).await
}

/// The files of an archive by their names within its directory.
async fn files(fleet: &Fleet, path: &str, key: &str) -> BTreeMap<String, Value> {
    let response = ask(fleet, path, key).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/gzip");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let disposition = response.headers()["content-disposition"].to_str().expect("text").to_owned();
    let bytes = response.into_body().collect().await.expect("whole").to_bytes();
    let mut archive = tar::Archive::new(GzDecoder::new(bytes.as_ref()));
    let mut files: BTreeMap<String, Value> = BTreeMap::new();
    let mut hashes = BTreeMap::new();
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").into_owned();
        let directory = path.parent().expect("a directory").display().to_string();
        assert!(disposition.contains(&format!("\"{directory}.tar.gz\"")), "{disposition}");
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let mut text = Vec::new();
        entry.read_to_end(&mut text).expect("its text");
        hashes.insert(
            name.clone(),
            Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        );
        files.insert(name, serde_json::from_slice(&text).expect("JSON"));
    }
    let contents = files["contents.json"].as_array().expect("a list");
    assert_eq!(contents.len() + 2, files.len());
    for content in contents {
        let name = content["file"].as_str().expect("a name");
        assert_eq!(content["sha256"], hashes[name], "{name}");
        assert_eq!(content["rows"], files[name].as_array().expect("a list").len(), "{name}");
    }
    files
}

fn texts<'a>(files: &'a BTreeMap<String, Value>, file: &str, field: &str) -> Vec<&'a str> {
    let rows = files[file].as_array().expect("a list");
    rows.iter().filter_map(|row| row[field].as_str()).collect()
}

/// A reseller with an account that has one of everything.
async fn filled(fleet: &Fleet) -> (Reseller, String) {
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", Some("alice.example")).await);
    fleet.shop(&account, &of.key).await;
    let hook = json!({"url": "https://hooks.example/x", "events": ["*"]});
    fleet.post("/v1/webhooks", &of.key, &hook).await.expect(201);
    (of, account)
}

#[tokio::test]
async fn an_export_is_a_whole_archive_that_says_what_is_not_in_it() {
    let fleet = Fleet::new().await;
    let (of, account) = filled(&fleet).await;
    let files = files(&fleet, &format!("/v1/tenants/{}/export", of.tenant), &of.key).await;
    let manifest = &files["manifest.json"];
    assert_eq!(manifest["of"], json!({"kind": "tenant", "id": of.tenant, "name": "acme"}));
    assert_eq!(manifest["files"], "not included");
    assert!(manifest["files_reason"].as_str().is_some_and(|why| why.contains("nodes")), "{manifest}");
    let left_out = manifest["left_out"].as_array().expect("a list");
    let of_users =
        left_out.iter().find(|one| one["what"].as_str().is_some_and(|what| what.starts_with("users.")));
    assert!(
        of_users.is_some_and(|one| one["what"].as_str().is_some_and(|what| what.contains("password_hash")))
    );
    assert_eq!(texts(&files, "accounts.json", "id"), [account.as_str()]);
    assert_eq!(texts(&files, "webhooks.json", "url"), ["https://hooks.example/x"]);
    assert_eq!(texts(&files, "database_users.json", "name"), ["alice_shop"]);
    // It was on record before it was made, and is of that moment or later.
    let audit = texts(&files, "audit.json", "action");
    assert_eq!(audit.last(), Some(&"tenant.export"));
    let shown = fleet.get("/v1/audit?action=tenant.export", &of.key).await.expect(200);
    assert_eq!(shown["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(shown["items"][0]["object_id"], of.tenant);
}

#[tokio::test]
async fn no_secret_is_in_an_export() {
    let fleet = Fleet::new().await;
    let (of, account) = filled(&fleet).await;
    let accounts = json!({"accounts": [account]});
    let (_, session) = signed_in(&fleet, &of.key, "alice@alice.example", "owner", accounts).await;
    let tenant = files(&fleet, &format!("/v1/tenants/{}/export", of.tenant), &of.key).await;
    let own = files(&fleet, &format!("/v1/accounts/{account}/export"), &session).await;
    for files in [tenant, own] {
        assert_eq!(files["users.json"].as_array().map(Vec::len), Some(1));
        assert_eq!(files["sessions.json"].as_array().map(Vec::len), Some(1));
        let all = serde_json::to_string(&files).expect("JSON");
        for secret in ["$argon2id", "npk_", "nps_", "correct horse"] {
            assert!(!all.contains(secret), "{secret} is in it");
        }
    }
}

#[tokio::test]
async fn an_owner_has_their_accounts_and_no_others() {
    let fleet = Fleet::new().await;
    let (of, account) = filled(&fleet).await;
    let other = id(&fleet.account(&of, "bob", Some("bob.example")).await);
    let accounts = json!({"accounts": [account]});
    let (_, owner) = signed_in(&fleet, &of.key, "alice@alice.example", "owner", accounts).await;
    let files = files(&fleet, &format!("/v1/accounts/{account}/export"), &owner).await;
    assert_eq!(files["manifest.json"]["of"]["name"], "alice");
    assert_eq!(texts(&files, "domains.json", "name"), ["alice.example"]);
    let everything = serde_json::to_string(&files).expect("JSON");
    assert!(!everything.contains("bob") && !everything.contains(&other), "another account is in it");
    refused(&fleet, &format!("/v1/accounts/{other}/export"), &owner).await.problem(404, "not_found");
    let whole = format!("/v1/tenants/{}/export", of.tenant);
    refused(&fleet, &whole, &owner).await.problem(403, "forbidden");
}

#[tokio::test]
async fn who_only_looks_has_none_unless_it_is_named() {
    let fleet = Fleet::new().await;
    let (of, account) = filled(&fleet).await;
    let path = format!("/v1/accounts/{account}/export");
    let (_, looks) = signed_in(&fleet, &of.key, "s@acme.example", "support", json!({})).await;
    refused(&fleet, &path, &looks).await.problem(403, "forbidden");
    let named = json!({"actions": ["*", "account.export"]});
    let (_, may) = signed_in(&fleet, &of.key, "t@acme.example", "support", named).await;
    assert_eq!(files(&fleet, &path, &may).await["manifest.json"]["of"]["name"], "alice");
    refused(&fleet, &format!("/v1/tenants/{}/export", of.tenant), &may).await.problem(403, "forbidden");
}

#[tokio::test]
async fn each_export_is_on_record_also_under_a_key_that_was_used() {
    let fleet = Fleet::new().await;
    let (of, account) = filled(&fleet).await;
    let path = format!("/v1/accounts/{account}/export");
    let keyed = || {
        let request = Fleet::request(Method::POST, &path, &of.key).header("idempotency-key", "once");
        request.body(Body::empty()).expect("a request")
    };
    let first = fleet.open(keyed()).await;
    assert_eq!(first.status(), 200);
    first.into_body().collect().await.expect("whole");
    fleet.send(keyed()).await.problem(410, "gone_since");
    let shown = fleet.get("/v1/audit?action=account.export", &of.key).await.expect(200);
    assert_eq!(shown["items"].as_array().map(Vec::len), Some(1));
    // One that is only looked at is none.
    let looked = refused(&fleet, &format!("{path}?dry_run=true"), &of.key).await.expect(200);
    assert_eq!(looked["objects"], json!([]));
    let shown = fleet.get("/v1/audit?action=account.export", &of.key).await.expect(200);
    assert_eq!(shown["items"].as_array().map(Vec::len), Some(1));
}
