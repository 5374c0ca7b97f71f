//! Where things go: a pure function of the fleet and a request, with every node's reason in the answer.
//!
//! A node is first held against the filters ([`Reason`] says which one it fails); among those that pass, the
//! best [`Score`] wins. Nothing here does I/O, reads a clock or is random: the same fleet and request always
//! give the same answer, in whatever order the nodes are given.

mod fleet;
mod place;
mod reason;
mod report;
mod request;
mod score;

pub use fleet::{Availability, NodeView};
pub use place::{Judged, Placement, Verdict, ZONE_NODES, ZonePlacement, place, place_zone};
pub use reason::Reason;
pub use report::{NodeReport, PartReport, Report};
pub use request::{Request, Runtime};
pub use score::Score;
