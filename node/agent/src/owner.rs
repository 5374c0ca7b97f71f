//! The ledger is one node's. A machine that becomes another node begins with an empty one: what its ledger says was asked
//! of a node that it is no longer, and would stand in the way of what is asked now.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use npanel_model::NodeId;
use npanel_pki::{Credentials, Identity, IdentityFiles};
use tokio::{task::spawn_blocking, time::interval};

use crate::leftovers;

/// Which node the ledger is of.
const OWNER: &str = "ledger-of";

/// How often it is looked whether the machine has become another node while its daemon runs.
const LOOK: Duration = Duration::from_secs(2);

/// Which node this machine is, if it is one.
fn node(identity: &IdentityFiles) -> Option<NodeId> {
    match identity.load().ok().flatten()?.id().identity {
        Identity::Node(node) => Some(node),
        Identity::Controller(_) => None,
    }
}

/// Whether the ledger is known to be another node's than these credentials.
pub(crate) fn is_anothers(data: &Path, credentials: &Credentials) -> bool {
    let Identity::Node(node) = credentials.id().identity else { return false };
    matches!(owner(data), Ok(Some(of)) if of != node)
}

fn owner(data: &Path) -> io::Result<Option<NodeId>> {
    match fs::read_to_string(data.join(OWNER)) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn claim(data: &Path, node: NodeId) -> io::Result<()> {
    let aside = data.join(format!("{OWNER}.new"));
    fs::write(&aside, format!("{node}\n"))?;
    fs::rename(aside, data.join(OWNER))
}

/// Sets a ledger of another node aside. To be called before the ledger is opened.
///
/// # Errors
/// If the data directory cannot be written.
pub(crate) fn set_aside_anothers(data: &Path, ledger: &Path, identity: &IdentityFiles) -> io::Result<()> {
    match node(identity) {
        Some(node) => set_aside(data, ledger, node),
        None => Ok(()),
    }
}

fn set_aside(data: &Path, ledger: &Path, node: NodeId) -> io::Result<()> {
    match owner(data)? {
        Some(of) if of == node => return Ok(()),
        Some(of) if ledger.exists() => {
            let aside = free_name(data, of);
            fs::rename(ledger, &aside)?;
            tracing::warn!(%of, now = %node, path = %aside.display(), "this machine was another node; that one's ledger is set aside, and what it held is left as it is");
        }
        Some(_) | None => {}
    }
    leftovers::forget_word(data);
    claim(data, node)
}

/// Returns when the machine has become another node: its daemon is to begin anew then.
pub(crate) async fn until_another(data: PathBuf, identity: IdentityFiles) {
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        let (data, identity) = (data.clone(), identity.clone());
        let is_another = spawn_blocking(move || {
            let Some(node) = node(&identity) else { return Ok(false) };
            match owner(&data)? {
                Some(of) => Ok(of != node),
                None => claim(&data, node).map(|()| false),
            }
        });
        match is_another.await {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => {
                tracing::warn!("this machine has become another node; its daemon begins anew");
                return;
            }
            Ok(Err(error)) => tracing::error!(%error, "it cannot be looked up whose the ledger is"),
            Err(_) => return,
        }
    }
}

/// The ledgers of the nodes that this machine was.
///
/// # Errors
/// If the data directory cannot be read.
pub(crate) fn set_aside_before(data: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(data)? {
        let path = entry?.path();
        let is_one =
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("ledger."));
        if is_one && path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}

fn free_name(data: &Path, of: NodeId) -> PathBuf {
    let names = (0_u32..).map(|number| match number {
        0 => data.join(format!("ledger.{of}")),
        _ => data.join(format!("ledger.{of}.{number}")),
    });
    names.into_iter().find(|path| !path.exists()).expect("a directory has room for one more name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_stays_with_its_node_and_is_set_aside_for_another() {
        let directory = tempfile::tempdir().expect("a directory");
        let (data, ledger) = (directory.path(), directory.path().join("ledger"));
        fs::create_dir(&ledger).expect("a ledger of before there were owners");
        let (first, second) = (NodeId::generate(), NodeId::generate());
        for _ in 0..2 {
            set_aside(data, &ledger, first).expect("it is written down");
            assert!(ledger.exists(), "its own");
        }
        for round in 0..2 {
            set_aside(data, &ledger, second).expect("set aside");
            assert!(!ledger.exists(), "another's");
            set_aside(data, &ledger, first).expect("back");
            fs::create_dir(&ledger).expect("a new one");
            assert!(!free_name(data, first).exists(), "{round}");
        }
        assert!(
            data.join(format!("ledger.{first}")).exists() && data.join(format!("ledger.{first}.1")).exists()
        );
    }
}
