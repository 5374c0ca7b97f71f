//! Where the controllers are: accounts' processes have no business there, so the packet filter has to know.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use npanel_host::{Attributes, Directory, FileError, Layout, Owner, blocking};
use tokio::{net::lookup_host, time::timeout};

use crate::config::ControllerList;

/// How often it is looked whether a controller's name leads elsewhere, or there are others.
pub(crate) const LOOK: Duration = Duration::from_secs(60);
/// A resolver that takes longer is down.
const PATIENCE: Duration = Duration::from_secs(3);
/// What was found at the last time, for a start without a resolver. Beneath [`Layout::STATE`].
const FILE: &str = "controllers.json";
const LIMIT: u64 = 64 * 1024;
const ATTRIBUTES: Attributes = Attributes { owner: Owner::ROOT, mode: 0o600 };

type Found = BTreeMap<String, BTreeSet<IpAddr>>;

/// The controllers' addresses, as far as they were ever found. A name that does not resolve keeps what it led to.
#[derive(Debug)]
pub(crate) struct Controllers {
    list: ControllerList,
    /// None before the first look.
    found: Mutex<Option<Found>>,
}

impl Controllers {
    pub(crate) fn new(list: ControllerList) -> Self {
        Self { list, found: Mutex::default() }
    }

    /// All addresses that are known, looking for them if nobody has.
    pub(crate) async fn addresses(&self) -> BTreeSet<IpAddr> {
        if self.known().is_none() {
            self.look().await;
        }
        self.known().unwrap_or_default()
    }

    /// Looks anew. Answers whether there are others than before.
    pub(crate) async fn look(&self) -> bool {
        let known = self.known();
        let mut found = match self.found() {
            Some(found) => found,
            None => blocking(read).await.unwrap_or_default(),
        };
        let list = self.list.clone();
        let endpoints = blocking(move || list.read()).await;
        found.retain(|endpoint, _| endpoints.contains(endpoint));
        for endpoint in &endpoints {
            match timeout(PATIENCE, lookup_host(endpoint)).await {
                Ok(Ok(addresses)) => {
                    found.insert(endpoint.clone(), addresses.map(|address| address.ip()).collect());
                }
                _ => tracing::debug!(endpoint, "a controller's name does not resolve"),
            }
        }
        let to_write = found.clone();
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        let changed = self.known() != known;
        if changed && let Err(error) = blocking(move || write(&to_write)).await {
            tracing::warn!(%error, "the controllers' addresses cannot be written down");
        }
        changed
    }

    fn found(&self) -> Option<Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn known(&self) -> Option<BTreeSet<IpAddr>> {
        self.found().map(|found| found.into_values().flatten().collect())
    }
}

fn read() -> Result<Found, FileError> {
    let text = Directory::open(Layout::STATE)?.read(FILE, LIMIT)?;
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
}

fn write(found: &Found) -> Result<(), FileError> {
    // Of text and addresses: it is always JSON.
    let text = serde_json::to_vec(found).unwrap_or_default();
    let state = Directory::open(Layout::STATE)?;
    state.write(FILE, &text, ATTRIBUTES)?;
    state.sync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_does_not_resolve_keeps_what_it_led_to() {
        let list = || vec!["192.0.2.7:8444".into(), "no.such.name.invalid:8444".into()];
        let controllers = Controllers::new(ControllerList::new(list));
        let last: BTreeSet<IpAddr> = BTreeSet::from(["192.0.2.9".parse().expect("an address")]);
        let known = BTreeMap::from([
            ("no.such.name.invalid:8444".to_owned(), last),
            ("left.example:8444".to_owned(), BTreeSet::from(["192.0.2.11".parse().expect("an address")])),
        ]);
        *controllers.found.lock().expect("no panic") = Some(known);
        assert!(controllers.look().await);
        let expected = ["192.0.2.7", "192.0.2.9"].map(|text| text.parse().expect("an address"));
        assert_eq!(controllers.addresses().await, expected.into());
        assert!(!controllers.look().await, "nothing has moved");
    }
}
