//! Tool calls from a page. They go through an MCP client in the same process, so that checks, records, budgets and consent
//! are the same as for other clients.

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationCapability, FormElicitationCapability, Implementation, JsonObject,
    ProtocolVersion,
};
use rmcp::service::RequestContext;
use rmcp::{ClientHandler, ErrorData, RoleClient, ServiceExt as _};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::mcp::Server;

/// The size of the pipe between client and server, in bytes.
const PIPE: usize = 1 << 20;

/// The outcome of a call.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) structured: Value,
    pub(super) is_error: bool,
}

impl Answer {
    /// The price in the result, for comparison.
    pub(super) fn price(&self) -> String {
        let cost = self.structured.get("cost").cloned().unwrap_or_default();
        let parts = ["currency", "estimated", "most"].map(|name| cost.get(name).cloned().unwrap_or_default());
        Value::from(parts.to_vec()).to_string()
    }

    /// The job that the call started.
    pub(super) fn job(&self) -> Option<&str> {
        self.structured.get("job_id")?.as_str()
    }
}

/// The client of a page. `has_agreed` means that the person has seen the price and wants to buy.
struct Client {
    has_agreed: bool,
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let form = FormElicitationCapability::default();
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = Some(ElicitationCapability::new().with_form(form));
        let me = Implementation::new("minimax-gallery", env!("CARGO_PKG_VERSION"));
        // In this revision the server asks for consent while the call waits.
        ClientConfig::new(capabilities, me).with_protocol_version(ProtocolVersion::V_2025_11_25)
    }

    async fn create_elicitation(
        &self,
        question: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { requested_schema, .. } = question else {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        };
        // The only form that this server has is a yes or no to a price.
        let mut fields = requested_schema.properties.keys();
        let (Some(field), None, true) = (fields.next(), fields.next(), self.has_agreed) else {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        };
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({ field: true })))
    }
}

/// Calls a tool as the caller of `server`.
pub(super) async fn call(server: &Server, tool: &str, arguments: JsonObject, has_agreed: bool) -> Answer {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let handler = server.clone();
    TaskTracker::new().spawn(async move {
        if let Ok(running) = handler.serve(ours).await {
            let _ = running.waiting().await;
        }
    });
    let failed = |text: String| Answer { text, is_error: true, ..Answer::default() };
    let client = match (Client { has_agreed }).serve(theirs).await {
        Ok(client) => client,
        Err(error) => return failed(error.to_string()),
    };
    let called =
        client.call_tool(CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments)).await;
    let _ = client.cancel().await;
    match called {
        Ok(result) => {
            let texts = result.content.iter().filter_map(|block| Some(block.as_text()?.text.as_str()));
            Answer {
                text: texts.collect::<Vec<_>>().join("\n"),
                is_error: result.is_error == Some(true),
                structured: result.structured_content.unwrap_or_default(),
            }
        }
        Err(error) => failed(error.to_string()),
    }
}
