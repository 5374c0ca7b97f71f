//! Who did what, and the proofs that it is all there.

use npanel_sdk_types::{AuditCheckpoint, AuditConsistency, AuditEntry, AuditInclusion, AuditKey, Page};

use crate::{Client, Error};

impl Client {
    /// Accepted writes that pass the filters, newest first.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn audit(&self, query: &[(&str, String)]) -> Result<Page<AuditEntry>, Error> {
        self.read("/v1/audit".to_owned(), query).await
    }

    /// The key that the audit's checkpoints are signed by.
    ///
    /// # Errors
    /// If there is none yet or no controller can be reached.
    pub async fn audit_key(&self) -> Result<AuditKey, Error> {
        self.read("/v1/audit/key".to_owned(), &[]).await
    }

    /// The audit's newest checkpoint.
    ///
    /// # Errors
    /// If there is none yet or no controller can be reached.
    pub async fn audit_checkpoint(&self) -> Result<AuditCheckpoint, Error> {
        self.read("/v1/audit/checkpoint".to_owned(), &[]).await
    }

    /// The audit's checkpoints, newest first.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn audit_checkpoints(&self, query: &[(&str, String)]) -> Result<Page<AuditCheckpoint>, Error> {
        self.read("/v1/audit/checkpoints".to_owned(), query).await
    }

    /// The proof that an entry is in the audit's tree; in that of the newest checkpoint, if there is one of it.
    ///
    /// # Errors
    /// If there is no such entry (that the key may see) or no controller can be reached.
    pub async fn audit_inclusion(&self, position: u64) -> Result<AuditInclusion, Error> {
        self.read("/v1/audit/proof/inclusion".to_owned(), &[("position", position.to_string())]).await
    }

    /// The proof that the audit's tree with `second` entries goes on from the one with `first`.
    ///
    /// # Errors
    /// If there are not so many or no controller can be reached.
    pub async fn audit_consistency(&self, first: u64, second: u64) -> Result<AuditConsistency, Error> {
        let query = [("first_size", first.to_string()), ("second_size", second.to_string())];
        self.read("/v1/audit/proof/consistency".to_owned(), &query).await
    }
}
