//! How a person on the node releases deletions that the daemon holds.

use std::{fs, io, path::Path, time::Duration};

use npanel_converge::Handle;
use npanel_model::Timestamp;
use tokio::time::sleep;

use crate::{Config, user};

const FILE: &str = "deletions-released";

/// How soon a release is noticed.
const LOOK: Duration = Duration::from_secs(5);

/// Why nothing was released.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The user.
    #[error(transparent)]
    User(#[from] user::UserError),
    /// The file.
    #[error("cannot note the release")]
    Write(#[source] io::Error),
}

/// Releases every deletion that the daemon has accepted until now.
///
/// # Errors
/// If it cannot be noted.
pub fn release_deletions(config: &Config, now: Timestamp) -> Result<(), ReleaseError> {
    note(config, FILE, now)
}

/// Notes a person's word, for the daemon to notice.
pub(crate) fn note(config: &Config, file: &str, now: Timestamp) -> Result<(), ReleaseError> {
    user::become_user(&config.user, &config.data_directory)?;
    let (aside, place) = (config.data_directory.join(".new-release"), config.data_directory.join(file));
    fs::write(&aside, now.as_millis().to_string())
        .and_then(|()| fs::rename(&aside, &place))
        .map_err(ReleaseError::Write)
}

/// Until when deletions were released; long ago if none ever were.
pub(crate) fn released(data_directory: &Path) -> Timestamp {
    noted(data_directory, FILE)
}

/// When a person's word was noted; long ago if it never was.
pub(crate) fn noted(data_directory: &Path, file: &str) -> Timestamp {
    let text = fs::read_to_string(data_directory.join(file)).unwrap_or_default();
    Timestamp::from_millis(text.trim().parse().unwrap_or(0))
}

/// Tells the engine of each release. Never ends.
pub(crate) async fn watch(data_directory: &Path, engine: &Handle) {
    let mut known = released(data_directory);
    loop {
        sleep(LOOK).await;
        let newest = released(data_directory);
        if newest > known {
            tracing::warn!(%newest, "held deletions are released");
            engine.release_deletions(newest);
            known = newest;
        }
    }
}
