//! The stable words for what went wrong.

use npanel_host::{AccountError, CapacityError, FileError, OsError, SystemdError};
use npanel_services::ServiceError;

use crate::operation::Failure;

/// Why an operation failed, before it becomes an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PerformError {
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Capacity(#[from] CapacityError),
    #[error(transparent)]
    Os(#[from] OsError),
}

impl From<AccountError> for PerformError {
    fn from(error: AccountError) -> Self {
        Self::Service(error.into())
    }
}

impl From<FileError> for PerformError {
    fn from(error: FileError) -> Self {
        Self::Service(error.into())
    }
}

impl From<SystemdError> for PerformError {
    fn from(error: SystemdError) -> Self {
        Self::Service(error.into())
    }
}

impl PerformError {
    /// The answer; `stage` is the one that failed.
    pub(crate) fn into_failure(self, stage: &'static str) -> Failure {
        let (reason, retriable) = match &self {
            Self::Service(error) => of_service(error),
            Self::Capacity(_) => ("CapacityUnknown", true),
            Self::Os(_) => ("UnknownOperatingSystem", false),
        };
        let message = self.to_string().chars().take(4000).collect();
        Failure { reason: reason.to_owned(), message, stage: stage.to_owned(), retriable }
    }
}

fn of_service(error: &ServiceError) -> (&'static str, bool) {
    match error {
        ServiceError::File(error) | ServiceError::Account(AccountError::File(error)) => match error {
            FileError::Unexpected { .. } => ("UnexpectedFile", false),
            FileError::Name(_) => ("UnexpectedFile", false),
            FileError::System { .. } if error.is_full() => ("DiskFull", true),
            FileError::System { .. } => ("FileSystem", true),
        },
        ServiceError::Account(error) => match error {
            AccountError::NameTaken { .. } => ("UsernameTaken", false),
            AccountError::UidTaken { .. } => ("UidTaken", false),
            AccountError::Retired { .. } => ("AccountRetired", false),
            AccountError::NotRetired { .. } => ("AccountNotRetired", false),
            // Its own intent may come later.
            AccountError::Missing { .. } => ("AccountMissing", true),
            AccountError::Record { .. } => ("UserRecordUnreadable", false),
            AccountError::Lookup(_) | AccountError::File(_) => ("FileSystem", true),
        },
        ServiceError::Systemd(_) => ("UnitFailed", true),
        ServiceError::Run(_) => ("ProgramFailed", true),
        ServiceError::Render(_) => ("RenderRefused", false),
        // What a checker refuses now may be mended outside of the intent: a module, a file that it includes.
        ServiceError::Refused { .. } => ("CheckRefused", true),
        ServiceError::Unverified { .. } => ("VerifyFailed", true),
        ServiceError::NoUser(_) => ("BaseMissing", true),
        ServiceError::UnknownPhp { .. } => ("PhpVersionMissing", false),
        ServiceError::NoRandomness | ServiceError::Certificate(_) => ("CertificateFailed", true),
        ServiceError::Full { .. } => ("DiskFull", true),
        ServiceError::Database(_) | ServiceError::Password(_) => ("DatabaseFailed", true),
        ServiceError::ZoneDatabase(_) | ServiceError::DnsUnreachable(_) => ("DnsUnreachable", true),
        ServiceError::DnsRefused { status: 400..500, .. } => ("CheckRefused", true),
        ServiceError::DnsRefused { .. } => ("DnsFailed", true),
    }
}
