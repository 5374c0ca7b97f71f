//! The fleet's port: mutual TLS, and behind it whatever the two ends agreed to speak (ALPN).
//!
//! | ALPN | who | what happens |
//! |---|---|---|
//! | `npanel-node/1` | a node, by its certificate | the roles turn round: the connection becomes a channel on which this controller calls the node, kept in [`NodeConnections`] |
//! | `h2` | a controller, by its certificate | the `Controller` service of `npanel-consensus` |
//! | `h2` | a machine without a certificate | the `Enrolment` service, and nothing else |
//!
//! A connection ends when the certificate that it was opened with expires, and within a second of its revocation.
//!
//! What runs inside: one task that accepts, one per handshake or node connection, the gRPC server's own, one that
//! follows which controllers there are, and one that follows revocations.

mod accept;
mod controllers;
mod enrolment;
mod keys;
mod node;
mod renewal;
mod revocation;
mod stream;

pub use accept::{FleetListener, Strangers, strangers};

use npanel_consensus::Cluster;
use npanel_pki::{ClusterId, LiveCredentials, tls::TlsSetupError};
use npanel_reconcile::NodeConnections;
use tokio::sync::watch;

use crate::authorities::Authorities;

/// Why the fleet's port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// This controller's certificate.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
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
    /// Who this controller is at the moment.
    pub credentials: LiveCredentials,
    /// The authorities and the cluster key.
    pub authorities: Authorities,
    /// Room for machines that show no certificate.
    pub strangers: Strangers,
}

/// What the tasks share.
struct Shared {
    cluster: Cluster,
    connections: NodeConnections,
    authorities: Authorities,
    cluster_id: ClusterId,
    /// Moves when a certificate is revoked.
    revocations: watch::Receiver<u64>,
    strangers: Strangers,
}

impl Shared {
    /// The authorities to trust, as they go over the wire.
    fn trusted(&self) -> Vec<Vec<u8>> {
        self.authorities.trusted().iter().map(|authority| authority.to_vec()).collect()
    }
}
