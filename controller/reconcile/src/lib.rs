//! The leader's loops: what is wanted is told to nodes, what they say is written down, and what is new is placed.
//!
//! What runs inside, all of it on the leader only and all of it ended when it leads no longer:
//!
//! | task | how many | what it owns |
//! |---|---|---|
//! | [`Reconciler::run`] | one | follows leadership; on the leader, the list of sessions; tells each of them when something changed for its node |
//! | a session | one per connected node | what the node is wanted to hold and what it said of it; pushes, heartbeats, listens |
//! | [`chores`] | one | nothing; what was begun in a batch goes on, and what is old goes |
//! | [`secrets`] | one | nothing; has secrets sealed anew while their keys are changed |
//! | the replacing | one | places anew what was on nodes that are gone for good |
//! | [`checkpoints`] | one | nothing; signs what the audit's tree is, once a minute |
//! | [`anchoring`] | one, if configured | nothing; has the newest checkpoint in a bucket |
//! | [`webhooks`] | one, and one for each that is being told | how far each webhook was told |
//! | the recorders | two | observations, and events, on their way into the log, many at a time |
//!
//! Everything is level-triggered: a session compares intent (the state) with observation (the node's ledger and
//! reports) and acts on the difference, on a signal and on a timer. A new leader needs nothing of an old one.
//!
//! On every controller: [`NodeConnections`], the connections that nodes opened, kept by the fleet listener;
//! [`Liveness`], what the leader last heard of each node (empty elsewhere); and [`Placing`], which the leader
//! runs before it proposes.

mod anchoring;
mod answering;
mod checkpoints;
mod chores;
mod connections;
mod consult;
mod facts;
mod fleet_view;
mod happened;
mod intent;
mod liveness;
mod placing;
mod recorder;
mod replacing;
mod roster;
mod secrets;
mod session;
mod strangers;
mod supervisor;
mod view;
mod webhooks;

pub use anchoring::Anchor;
pub use connections::{Connection, NodeConnections, Registration};
pub use liveness::{Capacity, Liveness, Presence, Seen};
pub use placing::Placing;
pub use supervisor::Reconciler;
