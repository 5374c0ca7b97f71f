//! What is held on somebody: having it, and having it gone.

use std::time::Duration;

use npanel_model::{AccountId, TenantId};
use npanel_sdk_types::Operation;
use reqwest::Method;

use crate::{Client, Download, Error, Terms, transport::Call};

impl Client {
    /// Everything that is held on a tenant, its accounts and the tenants beneath it, as it comes: a tar, compressed by gzip.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn export_tenant(&self, id: TenantId) -> Result<Download, Error> {
        self.transport.download(Call::new(Method::POST, format!("/v1/tenants/{id}/export"))).await
    }

    /// The same of an account.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn export_account(&self, id: AccountId) -> Result<Download, Error> {
        self.transport.download(Call::new(Method::POST, format!("/v1/accounts/{id}/export"))).await
    }

    /// Removes an account, whose data is kept for so long; of one that is removed already, that is changed. Less than the fleet's time
    /// needs `account.erase`.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn delete_account_keeping(
        &self,
        id: AccountId,
        retention: Duration,
        terms: impl Into<Terms>,
    ) -> Result<Option<Operation>, Error> {
        let query = [("retention_seconds", retention.as_secs().to_string())];
        let call = Call::new(Method::DELETE, format!("/v1/accounts/{id}")).with_query(&query);
        self.removed(call.on(terms.into())).await
    }
}
