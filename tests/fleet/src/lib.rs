//! Real fleets on one machine, for the tests and the demo.
//!
//! A fleet is some controllers (plain processes) and nodes (whole Debian systems with systemd, run by
//! `systemd-nspawn` on an overlay of one cached image). Every member has a network namespace, a control group and
//! a directory of its own; a *hub* namespace holds the bridge between them and the test driver's address. Nothing
//! is attached to the host's network, so no test packet can leave it.
//!
//! All state is in the file system (`/run/npanel-fleet/NAME/fleet.json`, named network namespaces, control
//! groups): any process may [`Fleet::open`] a running fleet and steer it, and [`Fleet::down`] cleans up after a run
//! that died at any point. A test fleet has a guard process that takes it down when its owner is gone.
//!
//! The library is synchronous; it starts no thread that outlives a call except one per child to reap it.

mod boot;
mod cgroup;
mod clock;
mod controller;
mod demo;
mod fleet;
mod forward;
mod guard;
mod image;
mod launch;
mod logs;
mod mounts;
mod network;
mod node;
mod places;
mod reach;
mod run;
mod spec;
mod timing;
mod wait;

pub use clock::CLOCK_SEEN_AFTER;
pub use controller::Content;
pub use demo::demo;
pub use fleet::Fleet;
pub use forward::forward;
pub use guard::{Guard, watch};
pub use image::Image;
pub use launch::{Enter, enter_and_exec};
pub use places::{Binaries, FleetName, cache_directory};
pub use run::{Finished, finish};
pub use spec::{FleetSpec, Kind, Member};
pub use timing::Timings;
pub use wait::until;
