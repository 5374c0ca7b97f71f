//! Which nodes an account may be on, as it is typed.

use clap::Args;
use npanel_model::{AvailabilityZone, NodeLabel, PoolName};
use npanel_sdk_types::PlacementWish;

use crate::{failure::Failure, resolve, session::Session};

/// Which nodes an account may be on.
#[derive(Debug, Args)]
pub(crate) struct WishArguments {
    /// Put it on this node (name or id); for the platform.
    #[arg(long)]
    node: Option<String>,
    /// Only on nodes of this pool; for the platform.
    #[arg(long)]
    pool: Option<PoolName>,
    /// Only on nodes of this availability zone.
    #[arg(long)]
    availability_zone: Option<AvailabilityZone>,
    /// Only on nodes with this label, KEY=VALUE; can be repeated; for the platform.
    #[arg(long = "node-label", value_name = "KEY=VALUE")]
    labels: Vec<NodeLabel>,
}

impl WishArguments {
    /// The wish, if there is one.
    pub(crate) async fn wish(self, session: &Session) -> Result<Option<PlacementWish>, Failure> {
        let node_id = match self.node {
            Some(node) => Some(resolve::node(&session.client, &node).await?),
            None => None,
        };
        let wish = PlacementWish {
            node_id,
            pool: self.pool,
            availability_zone: self.availability_zone,
            labels: self.labels,
        };
        Ok((wish != PlacementWish::default()).then_some(wish))
    }
}
