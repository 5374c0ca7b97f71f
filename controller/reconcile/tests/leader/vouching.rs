//! The leader vouches for the audit, and has that kept outside.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode};
use npanel_audit::{SignedCheckpoint, VerifierKey, origin};

use npanel_cloud::Bucket;
use npanel_reconcile::Anchor;

use crate::fleet::Fleet;

#[tokio::test]
async fn the_leader_signs_what_the_audits_tree_is() {
    let fleet = Fleet::new().await;
    let newest = async || fleet.state().audit_checkpoint().await.expect("a query");
    fleet.until("there is a checkpoint", async || newest().await.is_some()).await;
    let checkpoint = newest().await.expect("a checkpoint");
    let note: SignedCheckpoint = checkpoint.note.parse().expect("a note");
    let key = fleet.state().audit_key().await.expect("a query").expect("a key");
    let cluster = fleet.state().cluster().await.expect("a query").expect("a cluster");
    let key = VerifierKey::new(&origin(&cluster.id), &key.public_key).expect("a key");
    let signed = note.verify(&key).expect("signed by the log's key");
    assert_eq!(signed.size, checkpoint.tree_size);
    assert_eq!(signed.root, fleet.state().audit_root(signed.size).await.expect("a root"));
}

/// What was written into a bucket, which refuses the first.
type Written = Arc<Mutex<Vec<String>>>;

async fn store() -> (String, Written) {
    let written = Written::default();
    let answer = async |State(written): State<Written>, body: String| {
        let mut written = written.lock().expect("no panic");
        written.push(body);
        if written.len() == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    };
    let router = Router::new().fallback(answer).with_state(Arc::clone(&written));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), written)
}

#[tokio::test]
async fn a_checkpoint_is_kept_outside_however_often_that_fails() {
    npanel_pki::tls::install_provider();
    let (endpoint, written) = store().await;
    let directory = tempfile::tempdir().expect("a directory");
    let keys = directory.path().join("keys");
    std::fs::write(&keys, "access_key_id = \"id\"\nsecret_access_key = \"secret\"\n").expect("written");
    let bucket = Bucket::new(&endpoint, "eu-central-1", "audit", keys).expect("a bucket");
    let anchor = Anchor { bucket, prefix: "here/".into(), retention: Duration::from_secs(86_400) };
    let fleet = Fleet::anchored(anchor).await;
    fleet.until("it is written again", async || written.lock().expect("no panic").len() == 2).await;
    let newest = fleet.state().audit_checkpoint().await.expect("a query").expect("a checkpoint");
    assert_eq!(written.lock().expect("no panic").last(), Some(&newest.note));
}
