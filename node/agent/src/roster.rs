//! The controllers that there are, as the leader says. One that was removed from the cluster is not served any more, though
//! its certificate is by the same authority and its address is in the configuration. It is remembered on disk, for a leader
//! may be away when the daemon starts.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use npanel_host::Directory;
use npanel_model::ControllerId;
use npanel_pki::{ClusterId, Identity, IdentityFiles, SpiffeId};
use npanel_proto::node::Controllers;
use tokio::sync::watch;

use crate::config::Endpoint;

/// Beneath the data directory.
const FILE: &str = "controllers";

/// A longer file is none that was written here.
const LIMIT: u64 = 64 * 1024;

/// What a leader said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Ids begin anew in each cluster.
    cluster: ClusterId,
    /// And where each listens, if it said that in a way that can be dialled.
    present: BTreeMap<ControllerId, Option<Endpoint>>,
    /// No controller had this id or a higher one: such a one is too new to be listed.
    next: ControllerId,
}

impl Listed {
    fn is_gone(&self, peer: SpiffeId) -> bool {
        match peer.identity {
            Identity::Controller(id) => {
                peer.cluster == self.cluster && id < self.next && !self.present.contains_key(&id)
            }
            Identity::Node(_) => false,
        }
    }

    fn addresses(&self) -> BTreeMap<ControllerId, Endpoint> {
        self.present.iter().filter_map(|(id, address)| Some((*id, address.clone()?))).collect()
    }

    fn text(&self) -> String {
        let mut text = format!("cluster {}\nnext {}\n", self.cluster, self.next);
        for (id, address) in &self.present {
            let address = address.as_ref().map(|address| format!(" {address}")).unwrap_or_default();
            writeln!(text, "present {id}{address}").expect("writing to a string does not fail");
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let (mut cluster, mut next, mut present) = (None, None, BTreeMap::new());
        for line in text.lines() {
            match line.split_once(' ')? {
                ("cluster", id) => cluster = Some(id.parse().ok()?),
                ("next", id) => next = Some(ControllerId(id.parse().ok()?)),
                ("present", one) => {
                    let (id, address) = one.split_once(' ').map_or((one, None), |(id, at)| (id, Some(at)));
                    let address = address.map(str::parse).transpose().ok()?;
                    present.insert(ControllerId(id.parse().ok()?), address);
                }
                _ => return None,
            }
        }
        Some(Self { cluster: cluster?, present, next: next? }).filter(|listed| !listed.present.is_empty())
    }
}

/// What is known of the controllers.
#[derive(Debug)]
pub struct Roster {
    path: PathBuf,
    identity: IdentityFiles,
    listed: watch::Sender<Option<Listed>>,
}

impl Roster {
    /// As it was last written down, if it was.
    pub(crate) fn open(data: &Path, identity: IdentityFiles) -> Self {
        let path = data.join(FILE);
        let listed = match fs::read_to_string(&path) {
            Ok(text) => {
                let listed = Listed::parse(&text);
                if listed.is_none() {
                    tracing::error!(path = %path.display(), "the list of controllers cannot be read; the leader says it anew");
                }
                listed
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::error!(path = %path.display(), %error, "the list of controllers cannot be read; the leader says it anew");
                }
                None
            }
        };
        Self { path, identity, listed: watch::Sender::new(listed) }
    }

    /// Takes a leader's list, which has passed the fence. Blocks while it is written.
    pub(crate) fn take(&self, told: &Controllers) {
        let at = |address: &str| address.parse().ok();
        let present: BTreeMap<_, _> =
            told.present.iter().map(|one| (ControllerId(one.id), at(&one.address))).collect();
        let Some(cluster) = self.identity.load().ok().flatten().map(|own| own.id().cluster) else { return };
        let listed = Listed { cluster, present, next: ControllerId(told.next_id) };
        // Somebody leads: a list of nobody is none.
        if listed.present.is_empty() || self.listed.borrow().as_ref() == Some(&listed) {
            return;
        }
        if let Err(error) = self.write(&listed) {
            tracing::error!(path = %self.path.display(), %error, "the list of controllers cannot be written down");
        }
        self.listed.send_replace(Some(listed));
    }

    fn write(&self, listed: &Listed) -> io::Result<()> {
        let aside = self.path.with_extension("new");
        fs::write(&aside, listed.text())?;
        fs::rename(aside, &self.path)
    }

    /// Whether this controller was removed from the cluster.
    pub(crate) fn is_gone(&self, peer: SpiffeId) -> bool {
        self.listed.borrow().as_ref().is_some_and(|listed| listed.is_gone(peer))
    }

    /// The controllers that there are and whose address is known.
    pub(crate) fn addresses(&self) -> BTreeMap<ControllerId, Endpoint> {
        self.listed.borrow().as_ref().map(Listed::addresses).unwrap_or_default()
    }

    /// Moves when another list is taken.
    pub(crate) fn changes(&self) -> watch::Receiver<Option<Listed>> {
        self.listed.subscribe()
    }

    /// Returns when this controller has been removed from the cluster.
    pub(crate) async fn until_gone(&self, peer: SpiffeId) {
        let mut listed = self.listed.subscribe();
        let is_gone = |listed: &Option<Listed>| listed.as_ref().is_some_and(|listed| listed.is_gone(peer));
        if listed.wait_for(is_gone).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The addresses that were last written down, for a process that is not told them; none if they cannot be read.
pub(crate) fn written_addresses(data: &Path) -> Vec<Endpoint> {
    let read = || Directory::open(data).ok()?.read(FILE, LIMIT).ok()?;
    let listed = read().and_then(|text| Listed::parse(str::from_utf8(&text).ok()?));
    listed.map(|listed| listed.addresses().into_values().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(cluster: ClusterId) -> Listed {
        let present = [
            (ControllerId(1), Some("10.88.0.1:8444".parse().expect("an endpoint"))),
            (ControllerId(3), None),
        ];
        let present = present.into();
        Listed { cluster, present, next: ControllerId(4) }
    }

    #[test]
    fn only_one_of_the_own_cluster_that_was_there_and_is_not_listed_is_gone() {
        let cluster = ClusterId::generate();
        let peer = |cluster, id| SpiffeId { cluster, identity: Identity::Controller(ControllerId(id)) };
        let listed = listed(cluster);
        assert!(listed.is_gone(peer(cluster, 2)));
        for id in [1, 3, 4, 9] {
            assert!(!listed.is_gone(peer(cluster, id)), "{id}");
        }
        assert!(!listed.is_gone(peer(ClusterId::generate(), 2)), "ids begin anew in each cluster");
    }

    #[test]
    fn what_is_written_is_read_and_what_is_torn_is_not() {
        let listed = listed(ClusterId::generate());
        assert_eq!(Listed::parse(&listed.text()), Some(listed.clone()));
        for torn in
            ["", "next 4\npresent 1\n", "cluster x\nnext 4\npresent 1", "present", "present 1 nowhere"]
        {
            assert_eq!(Listed::parse(torn), None, "{torn:?}");
        }
        let without = listed.text().lines().take(2).collect::<Vec<_>>().join("\n");
        assert_eq!(Listed::parse(&without), None, "a list of nobody");
    }
}
