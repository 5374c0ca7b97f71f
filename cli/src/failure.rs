//! How a command ends when it does not succeed.

use std::process::ExitCode;

use npanel_sdk_types::ChangePreview;

/// Why a command did not succeed: one sentence, and the exit status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The fleet said no.
    #[error("{0}")]
    Refused(String),
    /// What was typed or configured cannot be used.
    #[error("{0}")]
    Usage(String),
    /// No controller could be asked.
    #[error("{0}")]
    Unreachable(String),
    /// A dry run: nothing was done, and this is what would be.
    #[error("nothing was changed")]
    Previewed(Box<ChangePreview>),
    /// The fleet was not done in time; it goes on.
    #[error("{0}")]
    TimedOut(String),
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Refused(_) | Self::Previewed(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::TimedOut(_) => 4,
        })
    }
}

impl From<npanel_client::Error> for Failure {
    fn from(error: npanel_client::Error) -> Self {
        use npanel_client::Error;
        let text = error.to_string();
        match error {
            Error::Refused(problem) if problem.status == 503 => Self::Unreachable(text),
            Error::Refused(_) | Error::NotUnderstood { .. } => Self::Refused(text),
            Error::Unreachable(_) => Self::Unreachable(text),
            Error::Configuration(_) => Self::Usage(text),
            Error::Previewed(preview) => Self::Previewed(preview),
        }
    }
}

#[cfg(test)]
mod tests {
    use npanel_sdk_types::Problem;

    use super::*;

    #[test]
    fn a_refusal_names_its_code_and_request() {
        let problem = Problem {
            kind: "/problems/name_taken".into(),
            title: "The name is taken".into(),
            status: 409,
            code: "name_taken".into(),
            detail: "the domain example.com is taken".into(),
            field: None,
            request_id: "r-1".into(),
        };
        let failure = Failure::from(npanel_client::Error::Refused(Box::new(problem)));
        assert_eq!(failure.to_string(), "the domain example.com is taken (name_taken, request r-1)");
        assert_eq!(failure.exit_code(), ExitCode::from(1));
    }
}
