//! The leader vouches for the audit.

use npanel_audit::{SignedCheckpoint, VerifierKey, origin};

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
