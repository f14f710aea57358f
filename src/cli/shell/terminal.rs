//! The client at the shell: shows progress and asks for consent on the terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rmcp::model::{
    ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationCapability, FormElicitationCapability, Implementation, ProgressNotificationParam,
    ProtocolVersion,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ClientHandler, ErrorData, RoleClient};
use serde_json::json;
use tokio::task::spawn_blocking;

/// The longest progress line, so that it stays one line on a narrow terminal.
const WIDTH: usize = 78;

/// A client whose user sits at a terminal, if there is one.
#[derive(Debug)]
pub(super) struct Terminal {
    /// Whether progress is shown.
    shows: bool,
    /// Whether the user can be asked.
    asks: bool,
    /// Set while the screen shows a question, which progress must not overwrite.
    asking: AtomicBool,
    /// The length of the progress line on the screen.
    shown: AtomicUsize,
}

impl Terminal {
    pub(super) fn new(quiet: bool) -> Self {
        let seen = io::stderr().is_terminal();
        Self {
            shows: seen && !quiet,
            asks: seen && io::stdin().is_terminal(),
            asking: AtomicBool::new(false),
            shown: AtomicUsize::new(0),
        }
    }

    /// Replaces the progress line. Overwrites it with blanks, because not every terminal understands escape sequences.
    fn show(&self, words: &str) {
        let words: String = words.chars().take(WIDTH).collect();
        let length = words.chars().count();
        let before = self.shown.swap(length, Ordering::Relaxed);
        let blanks = " ".repeat(before.saturating_sub(length));
        let end = if length == 0 { "\r" } else { "" };
        let _ = write!(io::stderr(), "\r{words}{blanks}{end}");
        let _ = io::stderr().flush();
    }

    /// Clears the progress line.
    pub(super) fn clear(&self) {
        if self.shown.load(Ordering::Relaxed) > 0 {
            self.show("");
        }
    }
}

impl ClientHandler for Terminal {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        if self.asks {
            let form = FormElicitationCapability::default();
            capabilities.elicitation = Some(ElicitationCapability::new().with_form(form));
        }
        let me = Implementation::new("minimax-shell", env!("CARGO_PKG_VERSION"));
        // In this revision the server asks for consent while the call waits.
        ClientConfig::new(capabilities, me).with_protocol_version(ProtocolVersion::V_2025_11_25)
    }

    async fn on_progress(&self, note: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        if self.shows && !self.asking.load(Ordering::Relaxed) {
            self.show(&note.message.unwrap_or_default());
        }
    }

    async fn create_elicitation(
        &self,
        question: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, requested_schema, .. } = question else {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        };
        // The only form that this server has is a yes or no.
        let mut fields = requested_schema.properties.keys();
        let (Some(field), None, true) = (fields.next(), fields.next(), self.asks) else {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        };
        self.asking.store(true, Ordering::Relaxed);
        self.clear();
        let _ = write!(io::stderr(), "{message} [y/N] ");
        let _ = io::stderr().flush();
        let answer = spawn_blocking(|| {
            let mut line = String::new();
            io::stdin().read_line(&mut line).map(|_| line)
        });
        let yes = matches!(answer.await, Ok(Ok(line)) if ["y", "yes"].contains(&line.trim().to_lowercase().as_str()));
        self.asking.store(false, Ordering::Relaxed);
        let action = if yes { ElicitationAction::Accept } else { ElicitationAction::Decline };
        Ok(ElicitResult::new(action).with_content(json!({ field: yes })))
    }
}
