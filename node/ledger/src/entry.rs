//! What the ledger holds of one object.

use std::time::Duration;

use npanel_model::{Generation, Timestamp};

use crate::{Fence, Intent};

/// The newest that is known of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The generation of the content.
    pub generation: Generation,
    /// Under which fence it was accepted.
    pub fence: Fence,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// What is wanted.
    pub content: Content,
}

/// Whether an object is to be there or to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// It is to be as the intent says.
    Wanted(Intent),
    /// It is to go.
    Going(Removal),
}

/// A tombstone, and how far it has been carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// What the object was; none if this node never had it.
    pub of: Option<Intent>,
    /// How long its data is kept after it stopped being served.
    pub retention: Duration,
    /// How far the removal is.
    pub progress: Progress,
}

/// How far a removal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was done yet.
    Asked,
    /// No longer served; the data is kept.
    Retained {
        /// When serving ended.
        since: Timestamp,
        /// When the data may be deleted.
        until: Timestamp,
    },
    /// Nothing is left.
    Removed {
        /// When the last of it went.
        since: Timestamp,
    },
}

impl Entry {
    /// Whether nothing of the object is left on the node.
    pub fn is_removed(&self) -> bool {
        matches!(&self.content, Content::Going(Removal { progress: Progress::Removed { .. }, .. }))
    }

    /// Whether the object is to go, or gone.
    pub fn is_tombstone(&self) -> bool {
        matches!(self.content, Content::Going(_))
    }

    /// What the object is, or was; none for a tombstone of something this node never had.
    pub fn intent(&self) -> Option<&Intent> {
        match &self.content {
            Content::Wanted(intent) => Some(intent),
            Content::Going(removal) => removal.of.as_ref(),
        }
    }
}
