//! Machines' certificates and the authorities that issue them.

use npanel_model::{NodeId, Timestamp};
use sqlx::sqlite::SqliteRow;

use super::{QueryError, Reader, row};
use crate::rules::MAY_BE_LOST;

/// A certificate authority of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// SHA-256 of its key.
    pub key_fingerprint: Vec<u8>,
    /// Its certificate in DER.
    pub certificate: Vec<u8>,
    /// The same as the authority before certified it; empty for the first.
    pub cross_certificate: Vec<u8>,
    /// Its key, sealed by the cluster key; empty unless it issues.
    pub sealed_key: Vec<u8>,
    /// Whether it issues now.
    pub issuing: bool,
    /// Until when its certificate is valid.
    pub not_after: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A machine's certificate as the state knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIdentity {
    /// "node/<id>" or "controller/<id>".
    pub subject: String,
    /// SHA-256 of its key.
    pub key_fingerprint: Vec<u8>,
    /// Whether it was revoked.
    pub revoked: bool,
}

impl Reader {
    /// The authorities that are trusted, the issuing one first. Empty if the cluster keeps none in its state.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn authorities(&self) -> Result<Vec<Authority>, QueryError> {
        let rows = sqlx::query("SELECT * FROM authorities ORDER BY issuing DESC, created_millis DESC")
            .fetch_all(&self.pool())
            .await?;
        let authority = |row: &SqliteRow| {
            Ok(Authority {
                key_fingerprint: row::get(row, "key_fingerprint")?,
                certificate: row::get(row, "certificate")?,
                cross_certificate: row::get(row, "cross_certificate")?,
                sealed_key: row::get(row, "sealed_key")?,
                issuing: row::get(row, "issuing")?,
                not_after: row::time(row, "not_after_millis")?,
                created_at: row::time(row, "created_millis")?,
            })
        };
        rows.iter().map(authority).collect()
    }

    /// How many living machines have their newest certificate from this authority.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn machines_of(&self, authority: &[u8]) -> Result<u64, QueryError> {
        let row = sqlx::query(
            "SELECT count(*) AS machines FROM identities i
             WHERE i.authority = ?1 AND i.revoked_millis IS NULL AND NOT EXISTS (
                 SELECT 1 FROM identities newer
                 WHERE newer.subject = i.subject AND newer.issued_index > i.issued_index)",
        )
        .bind(authority)
        .fetch_one(&self.pool())
        .await?;
        row::number(&row, "machines")
    }

    /// The certificate with this serial number, if it was issued and is remembered.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn identity(&self, serial: &[u8]) -> Result<Option<KnownIdentity>, QueryError> {
        let select = "SELECT subject, key_fingerprint, revoked_millis IS NOT NULL AS revoked FROM identities WHERE serial = ?1";
        self.point(select, [serial], |row| {
            Ok(KnownIdentity {
                subject: row::get(row, "subject")?,
                key_fingerprint: row::get(row, "key_fingerprint")?,
                revoked: row::get(row, "revoked")?,
            })
        })
    }

    /// Where in the log a certificate was revoked last; 0 if none ever was.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn last_revocation(&self) -> Result<u64, QueryError> {
        let row = sqlx::query(
            "SELECT coalesce(max(revoked_index), 0) AS last FROM identities WHERE revoked_index > 0",
        )
        .fetch_one(&self.pool())
        .await?;
        row::number(&row, "last")
    }

    /// The serial numbers of revoked certificates of controllers.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn revoked_controllers(&self) -> Result<Vec<Vec<u8>>, QueryError> {
        let rows = sqlx::query(
            "SELECT serial FROM identities WHERE revoked_index > 0 AND subject LIKE 'controller/%'",
        )
        .fetch_all(&self.pool())
        .await?;
        rows.iter().map(|row| row::get(row, "serial")).collect()
    }

    /// Whether the certificate with this serial number was issued, to this subject, and not revoked.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn is_identity_valid(&self, serial: &[u8], subject: &str) -> Result<bool, QueryError> {
        let found = self.identity(serial).await?;
        Ok(found.is_some_and(|identity| identity.subject == subject && !identity.revoked))
    }

    /// Whether a node's certificate, which an authority of the cluster issued, is good: it was issued to this node and not
    /// revoked; or the state was restored since and cannot know it, and the node was not revoked.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn is_node_certificate_valid(
        &self,
        node: NodeId,
        serial: &[u8],
        not_before: Timestamp,
    ) -> Result<bool, QueryError> {
        let subject = format!("node/{node}");
        if let Some(known) = self.identity(serial).await? {
            return Ok(known.subject == subject && !known.revoked);
        }
        let row = sqlx::query(MAY_BE_LOST)
            .bind(node.to_bytes())
            .bind(subject)
            .bind(not_before.as_millis())
            .fetch_one(&self.pool())
            .await?;
        row::get(&row, "may_be_lost")
    }
}
