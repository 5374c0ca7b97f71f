//! What can go wrong.

use npanel_sdk_types::{ChangePreview, Problem};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A controller answered with a problem.
    #[error("{} ({}, request {})", .0.detail, .0.code, .0.request_id)]
    Refused(Box<Problem>),
    /// No controller answered, or none could take the request in time.
    #[error("no controller could be reached: {}", .0.join("; "))]
    Unreachable(Vec<String>),
    /// A controller answered with something that this version does not understand.
    #[error("the answer of {url} was not understood: {reason}")]
    NotUnderstood {
        /// Who answered.
        url: String,
        /// What was wrong with it.
        reason: String,
    },
    /// The client only looks at what writes would come to: this one to that. Nothing was changed.
    #[error("nothing was changed: it was a dry run")]
    Previewed(Box<ChangePreview>),
    /// The client cannot be made as configured.
    #[error("{0}")]
    Configuration(String),
}

impl Error {
    /// The controller's problem, if it answered with one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            Self::Unreachable(_)
            | Self::NotUnderstood { .. }
            | Self::Previewed(_)
            | Self::Configuration(_) => None,
        }
    }
}
