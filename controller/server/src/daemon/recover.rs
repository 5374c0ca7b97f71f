//! `npanel-controller recover`: one controller goes on without the others, when a majority of them is lost for good.

use std::path::PathBuf;

use anyhow::{Context, bail};
use npanel_consensus::{Extent, all_of, extent};
use npanel_model::{ControllerId, Timestamp};
use npanel_pki::{ClusterId, Identity};
use npanel_state::Standing;

use super::{anew::begin_anew, files::Files};
use crate::{backup::missing_key, config::Config};

/// How far a controller's log goes.
#[derive(Debug)]
pub struct LogEnd {
    /// The controller.
    pub id: ControllerId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// The term of the last entry of its log. Of several controllers, the one with the highest (term, index) has the most.
    pub term: u64,
    /// That entry's index.
    pub index: u64,
    /// How far its state is.
    pub applied_index: u64,
}

/// What `recover` made.
#[derive(Debug)]
pub struct Recovered {
    /// This machine's controller, which keeps its id.
    pub id: ControllerId,
    /// The cluster's epoch from now on.
    pub epoch: u64,
    /// The last entry that is in the state: its term and index in the log that has ended.
    pub from: (u64, u64),
    /// The time of the state's last command.
    pub state_of: Timestamp,
    /// What the controller had before, as it was.
    pub kept: PathBuf,
    /// The version of the cluster key by which secrets in the state are sealed and which this controller does not have.
    pub missing_cluster_key: Option<u64>,
}

struct Own {
    files: Files,
    id: ControllerId,
    cluster: ClusterId,
}

fn own(config: &Config) -> anyhow::Result<Own> {
    let files = Files::of(&config.data_directory);
    let credentials = files.credentials()?;
    if files.is_removed() {
        bail!(
            "this controller was removed from the cluster: what it has is old, and it cannot go on from it"
        );
    }
    let Identity::Controller(id) = credentials.id().identity else {
        bail!("the identity in {} is not a controller's", files.root().display());
    };
    Ok(Own { files, id, cluster: credentials.id().cluster })
}

/// How far this controller's log goes. Its daemon must not run.
///
/// # Errors
/// If this machine is no controller, or its log cannot be read.
pub async fn log_end(config: &Config) -> anyhow::Result<LogEnd> {
    let Own { files, id, cluster } = own(config)?;
    let Extent { last, applied } = extent(files.root()).await?;
    Ok(LogEnd { id, cluster, term: last.term, index: last.index, applied_index: applied.index })
}

/// Makes this controller the only one of its cluster, with all that is in its log. What it had before is kept beside it.
///
/// # Errors
/// If this machine is no controller, its daemon runs, or what it has cannot be used; nothing is changed then.
pub async fn recover(config: &Config) -> anyhow::Result<Recovered> {
    let Own { files, id, .. } = own(config)?;
    let files = files.unlock(&config.machine_key).await?;
    let secrets = files.secrets()?;
    let staged = Files::stage_beside(&config.data_directory, &config.machine_key).await?;
    let scratch = staged.files().root().join("unpacked");
    std::fs::create_dir(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
    let state = scratch.join("state.db");
    all_of(files.root(), &scratch, state.clone()).await?;
    let missing = missing_key(&Standing::of_file(&state)?, &secrets).map(|key| key.version);
    let begun = begin_anew(config, &staged, &state, &secrets, Some(id)).await?;
    std::fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))?;
    let kept = staged.commit_instead(&format!("controller.before-{}", begun.epoch))?;
    let from = (begun.from_term, begun.from_index);
    Ok(Recovered {
        id,
        epoch: begun.epoch,
        from,
        state_of: begun.state_of,
        kept,
        missing_cluster_key: missing,
    })
}
