//! What can be bought: one file for each kind of purchase.

// Modules: `just modules` writes these lines.
pub mod image;
pub mod listener;
pub mod music;
pub mod outcome;
pub mod speech;
pub(super) mod task;
pub mod transcription;
pub mod video;
pub mod voice;
// End of the modules.

use std::fmt::Debug;

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::api::{ApiError, Client};
use crate::store::Kind;
use outcome::Outcome;

/// A request that costs money. It lives in memory only: it is never read back from a record.
pub trait Order: Debug + Send + Sync {
    /// What it makes.
    fn kind(&self) -> Kind;

    /// Its rate-limit group, of [`crate::rate_limit::group`].
    fn group(&self) -> &'static str;

    /// Whether MiniMax answers with a task id, and makes the result later.
    fn is_task(&self) -> bool {
        false
    }

    /// The body for the record, with media replaced by their size.
    fn record(&self) -> Value;

    /// Sends the paid request once. The worker calls it again only if MiniMax provably did not take the request.
    fn send<'a>(&'a mut self, api: &'a Client) -> BoxFuture<'a, Result<Outcome, ApiError>>;
}
