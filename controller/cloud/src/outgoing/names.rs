//! Resolving names to addresses that may be connected to.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures::{FutureExt, future::BoxFuture};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::rule::{Inside, Rule};

/// Whom names are asked of.
pub(super) trait Lookup: Send + Sync + 'static {
    fn look_up(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>>;
}

/// As the machine is configured.
#[derive(Debug)]
pub(super) struct System;

impl Lookup for System {
    fn look_up(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) }.boxed()
    }
}

/// The connection is made to what this gives, so that no second answer of a name server leads elsewhere.
pub(super) struct Guarded {
    pub(super) rule: Rule,
    pub(super) names: Arc<dyn Lookup>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (rule, found) = (self.rule.clone(), self.names.look_up(name.as_str().to_owned()));
        Box::pin(async move {
            let judged = rule.judge(found.await?).await?;
            let usable: Vec<SocketAddr> = judged
                .iter()
                .filter(|(_, verdict)| verdict.is_ok())
                .map(|(address, _)| SocketAddr::new(*address, 0))
                .collect();
            if usable.is_empty() {
                return Err(LeadsInside(judged).into());
            }
            Ok(Box::new(usable.into_iter()) as Addrs)
        })
    }
}

/// None of a name's addresses may be connected to.
#[derive(Debug)]
pub(super) struct LeadsInside(Vec<(IpAddr, Result<(), Inside>)>);

impl fmt::Display for LeadsInside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its name leads to no address that may be connected to")?;
        for (address, verdict) in &self.0 {
            if let Err(inside) = verdict {
                write!(f, ", {address}: {inside}")?;
            }
        }
        f.write_str(" (see outgoing.allowed_networks in the controllers' configuration)")
    }
}

impl std::error::Error for LeadsInside {}
