//! What a request came to before, for one that cannot be tried again.

use npanel_model::{TenantId, Timestamp};
use npanel_proto::command::Accepted;

use super::{QueryError, Reader, row};
use crate::repetition;

/// What a request came to.
#[derive(Debug, Clone)]
pub struct Earlier {
    /// Of the request, as its envelope had it.
    pub request_digest: Vec<u8>,
    /// What came of it.
    pub accepted: Accepted,
}

impl Earlier {
    /// Whether the request has one of these digests: the one by the current key, and those by others.
    pub fn is(&self, digests: &(Vec<u8>, Vec<Vec<u8>>)) -> bool {
        std::iter::once(&digests.0).chain(&digests.1).any(|digest| *digest == self.request_digest)
    }
}

impl Reader {
    /// What the tenant's request under this idempotency key came to, if it was accepted within a day.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn earlier(
        &self,
        tenant: TenantId,
        idempotency_key: &str,
    ) -> Result<Option<Earlier>, QueryError> {
        let select = "SELECT i.request_digest, i.outcome, i.created_millis, c.clock_millis FROM idempotency i, cluster c
             WHERE i.tenant_id = ?1 AND i.key = ?2";
        let found = self.point(select, (tenant.to_bytes(), idempotency_key), |row| {
            let (made, now): (i64, i64) = (row::get(row, "created_millis")?, row::get(row, "clock_millis")?);
            let is_kept = made >= repetition::oldest(Timestamp::from_millis(now));
            let accepted = repetition::repeated(row::get(row, "outcome")?);
            Ok(is_kept.then_some(Earlier { request_digest: row::get(row, "request_digest")?, accepted }))
        })?;
        Ok(found.flatten())
    }
}
