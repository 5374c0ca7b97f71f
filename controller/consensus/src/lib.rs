//! Agreement: one log on every controller, one leader that adds to it, and the state applied from it.
//!
//! What runs inside a [`Cluster`]: the consensus library's own tasks; the log's writer thread, which owns the
//! log file and fsyncs before it answers; the state's writer thread (`npanel-state`); one task that publishes
//! [`Leadership`]; and, on the leader, one that brings the membership up to the state: enrolled controllers in, removed
//! ones out, one at a time. One task has snapshots made and the log purged ([`compaction`]).
//!
//! Another has the leader raise the feature level once every controller can go so far ([`levels`]).
//!
//! One more task compares this controller's clock with the others' ([`clock`]), one says when to stand for election
//! ([`election`]), and one sees whether this controller was removed ([`belonging`]).
//!
//! The consensus library does not show outside this crate, so that it can be replaced.

#![expect(
    clippy::result_large_err,
    reason = "the consensus library's error types are what its traits ask for"
)]

mod admission;
mod applying;
mod beginning;
mod belonging;
mod bug;
mod canvass;
mod clock;
mod cluster;
mod commits;
mod compaction;
mod config;
#[cfg(test)]
mod crash;
mod duty;
#[cfg(test)]
mod earlier;
mod election;
mod encoding;
mod foresee;
#[cfg(test)]
mod golden;
mod health;
mod keys;
mod leadership;
mod levels;
mod lines;
mod log;
mod machine;
mod membership;
mod network;
mod propose;
mod quorum;
mod reading;
mod receiving;
mod room;
mod sending;
mod service;
mod shares;
mod shelf;
#[cfg(test)]
mod suite;
mod types;
mod writing;

pub use admission::{Admissions, Overload};
pub use beginning::{Beginning, Extent, all_of, begin, extent};
pub use belonging::{Roll, refused_as_removed};
pub use cluster::{Cluster, ClusterError, ClusterStatus, Peer};
pub use compaction::Retention;
pub use config::{Dial, Prepare, Purpose, Unprepared};
pub use foresee::told;
pub use health::{Asked, Health};
pub use leadership::Leadership;
#[cfg(feature = "failpoints")]
pub use log::lose_power;
pub use propose::{ProposeError, ReadError};
pub use service::{ControllerService, JoinKeys};
pub use shares::{Crowded, Place, Room, Shares, Standing, Usage};
