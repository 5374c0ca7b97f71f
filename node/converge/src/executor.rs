//! Who carries operations out.

use std::future::Future;

use npanel_executor::{Client, Done, Failure, Request};

/// The executor as the engine sees it.
pub trait Executor: Send + Sync + 'static {
    /// Has an operation done. A failure at the stage `call` says that it is not known whether it was: it is
    /// delivered again under the same id.
    fn call(&self, request: Request) -> impl Future<Output = Result<Done, Failure>> + Send;
}

impl Executor for Client {
    async fn call(&self, request: Request) -> Result<Done, Failure> {
        Client::call(self, &request).await
    }
}

/// The stage of failures of the way to the executor, not of the executor.
pub(crate) const CALL_STAGE: &str = "call";
