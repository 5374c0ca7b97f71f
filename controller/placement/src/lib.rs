//! Where things go: a pure function of the fleet and a request, with every node's reason in the answer.
//!
//! A node is first held against the filters, each of which is one [`Reason`]; among those that pass, the best
//! [`Score`] wins. Nothing here does I/O, reads a clock or is random: the same fleet and request always give the
//! same answer, in whatever order the nodes came.
//!
//! A [`Fleet`] is kept, not rebuilt: what changes of a node is told to it, and a decision is one pass over a table of
//! numbers. What only people read (every node's verdict in words) is made when it is asked for ([`Fleet::judge`]).

mod decide;
mod fleet;
mod judge;
mod query;
mod reason;
mod report;
mod request;
mod score;
mod traits;

pub use decide::Decision;
pub use fleet::{Carries, Fleet, Heard, NodeView, Promise};
pub use judge::{Judged, Verdict, words};
pub use reason::{Filter, Reason};
pub use report::{NodeReport, OthersReport, PartReport, Report, Verdicts, ZoneReport};
pub use request::{Apart, Request, Runtime, Wish};
pub use score::Score;

/// How many nodes answer for a zone, if there are as many: registries want two name servers (RFC 1034, 4.1).
pub const ZONE_NODES: usize = 2;
