//! MCP Apps: which clients get the viewer, and what it adds to their messages.
//!
//! A client that does not declare the extension gets the same bytes as without it. So does a client whose protocol
//! revision has no `_meta` in tools: it has no structured results either, and the viewer needs both.

use rmcp::RoleServer;
use rmcp::model::ServerCapabilities;
use rmcp::service::RequestContext;

use crate::mcp::catalogue::{Catalogue, Shown};
use crate::mcp::listed_tool::ListedTool;
use crate::mcp::revision::{Feature, Revision};
use crate::mcp::server::Server;
use crate::viewer;

/// Whether the client of a request shows pages: by the request itself, by its connection, or by its HTTP session.
pub(crate) fn are_shown(call: &RequestContext<RoleServer>) -> bool {
    let in_session = || {
        let parts = call.extensions.get::<http::request::Parts>();
        parts.is_some_and(|parts| parts.extensions.get::<viewer::Declared>().is_some())
    };
    let declared = || call.client_capabilities().is_some_and(|client| viewer::is_declared(&client));
    Revision::of(call).knows(Feature::Meta) && (declared() || in_session())
}

/// Adds the viewer to the tools whose results it shows.
pub(crate) fn mark(tools: &mut [ListedTool<'_>], catalogue: &Catalogue<Server>) {
    for tool in tools {
        if catalogue.find(tool.name).is_some_and(|spec| spec.shown == Shown::InViewer) {
            tool.meta.get_or_insert_default().0.extend(viewer::tool_meta().0);
        }
    }
}

/// Declares the extension to a client that has declared it.
pub(crate) fn declare(capabilities: &mut ServerCapabilities) {
    let extensions = capabilities.extensions.get_or_insert_default();
    extensions.insert(viewer::EXTENSION.to_owned(), viewer::settings());
}

/// Whether a caller may use a tool whose results the viewer shows.
pub(crate) fn has_use(server: &Server) -> bool {
    server.policy.offered().any(|spec| spec.shown == Shown::InViewer)
}
