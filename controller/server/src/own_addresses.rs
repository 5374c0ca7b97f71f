//! The fleet's own addresses, which nobody has a controller connect to on their behalf.

use std::{
    collections::HashSet,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use npanel_cloud::OwnAddresses;
use npanel_state::Reader;
use tokio::time::{Instant, timeout};

/// What was found counts for so long: a machine that is new is refused seconds later.
const KEPT: Duration = Duration::from_secs(5);
/// For the name of a controller.
const LOOKUP: Duration = Duration::from_secs(2);

type Found = Arc<HashSet<IpAddr>>;

/// Nodes and controllers as the state has them, and this machine's interfaces.
#[derive(Debug)]
pub struct FleetsOwn {
    reader: Reader,
    found: Mutex<Option<(Instant, Found)>>,
}

impl FleetsOwn {
    /// Of the fleet in this state.
    pub fn new(reader: Reader) -> Self {
        Self { reader, found: Mutex::default() }
    }

    fn kept(&self) -> Option<Found> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.as_ref().filter(|(at, _)| at.elapsed() < KEPT).map(|(_, found)| Arc::clone(found))
    }

    async fn find(&self) -> Result<HashSet<IpAddr>, String> {
        let of_fleet = self.reader.fleet_addresses().await.map_err(|error| error.to_string())?;
        let mut found: HashSet<IpAddr> = of_fleet.nodes.iter().filter_map(|text| text.parse().ok()).collect();
        let names = of_fleet.controllers.iter().map(|address| resolved(address));
        found.extend(futures::future::join_all(names).await.into_iter().flatten());
        found.extend(interfaces()?);
        Ok(found.into_iter().map(|address| address.to_canonical()).collect())
    }
}

impl OwnAddresses for FleetsOwn {
    fn all(&self) -> BoxFuture<'_, Result<Found, String>> {
        async {
            if let Some(found) = self.kept() {
                return Ok(found);
            }
            let found = Arc::new(self.find().await?);
            let kept = (Instant::now(), Arc::clone(&found));
            *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
            Ok(found)
        }
        .boxed()
    }
}

/// Where `HOST:PORT` is. A name that leads nowhere at the moment leads nobody else there either.
async fn resolved(address: &str) -> Vec<IpAddr> {
    match timeout(LOOKUP, tokio::net::lookup_host(address)).await {
        Ok(Ok(found)) => found.map(|found| found.ip()).collect(),
        Ok(Err(_)) | Err(_) => {
            tracing::debug!(address, "the name of a controller cannot be resolved");
            Vec::new()
        }
    }
}

/// This machine's. Loopback is nobody's in particular: it is not public, and an operator who allows it means it.
fn interfaces() -> Result<Vec<IpAddr>, String> {
    let all = nix::ifaddrs::getifaddrs().map_err(|error| error.to_string())?;
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    };
    Ok(all.filter_map(address).filter(|address| !address.is_loopback()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machines_addresses_are_its_own_and_loopback_is_nobodys() {
        let found = interfaces().expect("interfaces");
        assert!(found.iter().all(|address| !address.is_loopback()), "{found:?}");
    }

    #[tokio::test]
    async fn a_controller_is_where_its_address_says() {
        assert_eq!(resolved("192.0.2.7:8444").await, [IpAddr::from([192, 0, 2, 7])]);
        assert_eq!(resolved("[2001:db8::7]:8444").await, ["2001:db8::7".parse::<IpAddr>().expect("one")]);
    }
}
