//! The receivers of messages about jobs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::signature::Signer;
use crate::config::{Receiver, WebhookSettings};
use crate::download::Poster;

/// The most addresses to which connections are kept.
const KEPT: usize = 64;

/// The receiver of messages about a principal's jobs, if the principal has its own.
pub(crate) type OwnReceivers = Box<dyn Fn(&str) -> Option<Receiver> + Send + Sync>;

/// A connection to a receiver, with its signing key.
pub(super) struct Channel {
    pub(super) poster: Poster,
    pub(super) signer: Signer,
}

/// All receivers. A principal's own receiver replaces the one in the settings.
pub(super) struct Receivers {
    common: Option<Receiver>,
    own: OwnReceivers,
    private: bool,
    /// By principal; the receiver in the settings has an empty name.
    kept: Mutex<HashMap<String, (Receiver, Arc<Channel>)>>,
}

impl Receivers {
    pub(super) fn new(settings: &WebhookSettings, own: OwnReceivers) -> Self {
        Self { common: settings.receiver(), own, private: settings.private, kept: Mutex::default() }
    }

    /// The receiver of messages about a principal's jobs; `None` if there is none. The error is a sentence.
    pub(super) fn of(&self, principal: &str) -> Result<Option<Arc<Channel>>, String> {
        let own = (self.own)(principal);
        let whose = own.as_ref().map_or("", |_| principal);
        let Some(receiver) = own.or_else(|| self.common.clone()) else { return Ok(None) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, channel)) = kept.get(whose).filter(|(known, _)| *known == receiver) {
            return Ok(Some(Arc::clone(channel)));
        }
        let poster = Poster::new(&receiver.url, self.private).map_err(|problem| match whose {
            "" => format!("MINIMAX_WEBHOOK_URL {problem}"),
            token => format!("the webhook of {token} {problem}"),
        })?;
        let channel = Arc::new(Channel { poster, signer: Signer::new(&receiver.secret) });
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(whose.to_owned(), (receiver, Arc::clone(&channel)));
        Ok(Some(channel))
    }
}
