//! Work that would block the async threads.

use crate::engine::errors::ApiError;

/// Runs work that computes or touches the disk on a blocking thread. A panic in it, for example inside a codec, becomes
/// MiniMax's internal error.
pub(crate) async fn run_blocking<T, F>(work: F) -> Result<T, ApiError>
where
    F: FnOnce() -> Result<T, ApiError> + Send + 'static,
    T: Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failure) => Err(ApiError::internal(&failure)),
    }
}
