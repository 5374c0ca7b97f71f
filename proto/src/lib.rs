//! The contracts between machines and with the past: protobuf messages and gRPC services, generated from the
//! `.proto` files beside this crate, and the conversions between them and the model's types.
//!
//! | module | who speaks it |
//! |---|---|
//! | [`node`] | a controller to a node's daemon, on a connection that the node opened |
//! | [`enrolment`] | a machine with a bootstrap token to a controller |
//! | [`controller`] | controllers among themselves |
//! | [`command`] | the Raft log: today's controller to every later one |

mod digest;
pub mod levels;
mod redact;

pub use digest::ledger_digest;

macro_rules! generated {
    ($(#[$doc:meta])* $name:ident, $package:literal) => {
        $(#[$doc])*
        pub mod $name {
            /// Version 1, as the package of the `.proto` file is named.
            pub mod v1 {
                #![allow(
                    missing_docs,
                    unused_qualifications,
                    unreachable_pub,
                    clippy::all,
                    clippy::allow_attributes_without_reason,
                    clippy::large_futures,
                    clippy::needless_pass_by_value,
                    clippy::semicolon_if_nothing_returned,
                    clippy::uninlined_format_args,
                    reason = "generated: the documentation is in the .proto file"
                )]
                tonic::include_proto!($package);
            }
            pub use v1::*;
        }
    };
}

generated! {
    /// A controller to a node's daemon.
    node, "npanel.node.v1"
}
generated! {
    /// A machine with a bootstrap token to a controller.
    enrolment, "npanel.enrolment.v1"
}
generated! {
    /// Controllers among themselves.
    controller, "npanel.controller.v1"
}
generated! {
    /// The Raft log.
    command, "npanel.command.v1"
}

/// The protocol versions that this build speaks with nodes, oldest and newest.
pub const NODE_PROTOCOLS: std::ops::RangeInclusive<u32> = 1..=1;

/// ALPN of a connection that a node opened and on which the controller calls: HTTP/2 with its roles turned
/// round.
pub const ALPN_NODE: &[u8] = b"npanel-node/1";

/// ALPN of ordinary gRPC towards a controller.
pub const ALPN_GRPC: &[u8] = b"h2";
