//! The fleet's port: mutual TLS, and behind it whatever the two ends agreed to speak (ALPN).
//!
//! | ALPN | who | what happens |
//! |---|---|---|
//! | `npanel-node/1` | a node, by its certificate | the roles turn round: the connection becomes a channel on which this controller calls the node, kept in [`NodeConnections`] |
//! | `h2` | a controller, by its certificate | the `Controller` service of `npanel-consensus` |
//! | `h2` | a machine without a certificate | the `Enrolment` service, and nothing else |
//!
//! What runs inside: one task that accepts, one per handshake or node connection, the gRPC server's own, and one
//! that follows which controllers there are.

mod accept;
mod controllers;
mod enrolment;
mod keys;
mod node;
mod stream;

pub use accept::FleetListener;

use npanel_consensus::Cluster;
use npanel_pki::{AuthorityError, CertificateAuthority, ClusterSecrets, Credentials, tls::TlsSetupError};
use npanel_reconcile::NodeConnections;

/// Why the fleet's port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// This controller's certificate.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// The cluster's authority.
    #[error("the cluster's authority cannot be used")]
    Authority(#[from] AuthorityError),
    /// The address.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// What the fleet's port needs of the rest of the controller.
#[derive(Debug)]
pub struct FleetParts {
    /// This member of the cluster.
    pub cluster: Cluster,
    /// Where connected nodes are entered.
    pub connections: NodeConnections,
    /// Who this controller is.
    pub credentials: Credentials,
    /// The authority's key and the cluster key.
    pub secrets: ClusterSecrets,
}

/// What the tasks share.
struct Shared {
    cluster: Cluster,
    connections: NodeConnections,
    authority: CertificateAuthority,
    secrets: ClusterSecrets,
}
