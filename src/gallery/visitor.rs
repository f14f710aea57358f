//! The person who opens a page.

use super::language::Language;
use super::session::Session;
use super::shared::Gallery;
use crate::mcp::Server;

/// The visitor of a page, with the session's rights.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    pub(super) gallery: Gallery,
    /// The server as the visitor sees it.
    pub(super) server: Server,
    pub(super) session: Session,
    /// The key of the session.
    pub(super) key: String,
    pub(super) language: Language,
}

impl Visitor {
    /// The text in the visitor's language.
    pub(super) fn say(&self, english: &'static str, chinese: &'static str) -> &'static str {
        self.language.say(english, chinese)
    }

    /// An address within the gallery.
    pub(super) fn to(&self, path: &str) -> String {
        format!("{}{path}", self.gallery.0.prefix)
    }

    /// The principal whose jobs the visitor sees.
    pub(super) fn principal(&self) -> &str {
        self.server.principal()
    }

    /// Whether the visitor may buy and delete.
    pub(super) fn may_act(&self) -> bool {
        !self.server.config().read_only
    }
}
