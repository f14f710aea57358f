//! Gateways in front of MiniMax, such as LiteLLM: they have other paths.

use std::sync::PoisonError;

use super::{ApiError, Client};
use crate::facts::Class;

impl Client {
    /// Whether the host is a gateway in front of MiniMax.
    pub fn is_gateway(&self) -> bool {
        self.site.is_gateway()
    }

    /// Sends a request to MiniMax's `own` path of an endpoint, or to a gateway's `other` path first. If a gateway does not
    /// have the first path, which costs nothing, tries the second, and remembers which one exists.
    pub(super) async fn at_either<P: Copy, T, F>(
        &self,
        own: P,
        other: Option<P>,
        mut ask: impl FnMut(P) -> F,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let Some(other) = other.filter(|_| self.is_gateway()) else { return ask(own).await };
        let known = *self.own_paths.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, second) = if known == Some(true) { (own, other) } else { (other, own) };
        let missing = match ask(first).await {
            Err(error) if error.is_missing_endpoint() && known.is_none() => error,
            answer => return answer,
        };
        let answer = ask(second).await;
        match &answer {
            // The second path does not exist either, or belongs to another service of the gateway.
            Err(error) if error.is_missing_endpoint() || error.class() == Class::Auth => Err(missing),
            _ => {
                *self.own_paths.lock().unwrap_or_else(PoisonError::into_inner) = Some(true);
                answer
            }
        }
    }
}
