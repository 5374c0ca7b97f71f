//! Work that blocks on the disk, away from the threads that serve connections.

/// Runs `work` on a thread for blocking work. A panic inside goes on in the caller.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that is shutting down cancels blocking work; the caller is cancelled with it.
            Err(_) => std::future::pending().await,
        },
    }
}
