//! Files that are not what a controller left behind are refused, and stay as they are.

use std::{fs, path::Path, sync::Arc};

use crate::members::Members;
use npanel_consensus::{Cluster, ClusterError, Dial, Unprepared};
use npanel_model::ControllerId;
use tonic::transport::{Channel, Endpoint};

struct Nowhere;

impl Dial for Nowhere {
    fn channel(&self, _: ControllerId, _: &str) -> Channel {
        Endpoint::from_static("http://controller.invalid").connect_lazy()
    }
}

async fn refused(directory: &Path) -> ClusterError {
    let started =
        Cluster::start(ControllerId(1), directory, Arc::new(Nowhere), Arc::new(Unprepared::default())).await;
    started.expect_err("it is refused")
}

#[tokio::test]
async fn a_log_of_a_version_before_the_first_release_is_refused_and_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let old = directory.path().join("raft-log.db");
    fs::write(&old, "an old log").expect("written");
    let error = refused(directory.path()).await;
    assert!(error.to_string().contains("raft-log.db"), "{error}");
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1, "nothing was made beside it");
    assert_eq!(fs::read(&old).expect("it is there"), b"an old log");
}

#[tokio::test]
async fn a_state_without_its_log_is_refused_every_time() {
    let mut members = Members::start(1).await;
    members.kill(1).await;
    let directory = members.path(1);
    fs::remove_dir_all(directory.join("raft-log")).expect("it was there");
    for _ in 0..2 {
        let error = refused(&directory).await;
        assert!(matches!(error, ClusterError::LogGone), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_log_is_refused_with_what_to_do_and_stays() {
    let mut members = Members::start(1).await;
    members.kill(1).await;
    let directory = members.path(1);
    let segment = directory.join("raft-log/000000000001.log");
    let mut bytes = fs::read(&segment).expect("a segment");
    // Within the first frame, which others follow.
    bytes[120] ^= 1;
    fs::write(&segment, &bytes).expect("written");
    let error = refused(&directory).await.to_string();
    assert!(error.contains("000000000001.log") && error.contains("join it anew"), "{error}");
    assert!(fs::read(&segment).expect("it is there") == bytes, "it was changed");
}
