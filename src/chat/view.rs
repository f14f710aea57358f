//! The results of `chat` and `count_tokens`.

use rmcp::ErrorData;
use rmcp::handler::server::tool::IntoCallToolResult;
use rmcp::model::CallToolResponse;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::chat::{Reply, ToolCall, Usage};
use crate::jobs::Cost;
use crate::result::job_view::DRY_RUN;
use crate::result::job_view::{CostView, ErrorView};
use crate::result::{Report, local_link};

/// An answer of a text model. What is absent is unknown.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct ChatView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// What the model thought before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning: Option<String>,
    /// Answer each in a message of role tool, with the conversation_id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallView>,
    /// stop, length, tool_calls, content_filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cost: Option<CostView>,
    /// Continues this conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conversation_id: Option<String>,
    /// A long text, whole, on the server's machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ErrorView>,
    /// What to do now.
    pub(crate) next: String,
}

/// A function that the model wants called.
#[derive(Debug, Serialize, JsonSchema)]
struct CallView {
    /// The tool_call_id of its result.
    id: String,
    name: String,
    /// JSON as text.
    arguments: String,
}

/// Tokens as MiniMax counted them.
#[derive(Debug, Serialize, JsonSchema)]
struct UsageView {
    /// All of the input, cached or not.
    input_tokens: u64,
    /// All of the output, thinking included.
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    web_searches: Option<u64>,
}

impl ChatView {
    /// The result of a reply, without price and conversation.
    pub(crate) fn of(reply: Reply, warnings: Vec<String>) -> Self {
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            text: filled(reply.text),
            reasoning: filled(reply.reasoning),
            tool_calls: reply.tool_calls.into_iter().map(CallView::of).collect(),
            finish_reason: reply.finish_reason,
            model: reply.model,
            usage: reply.usage.map(UsageView::of),
            warnings: warnings.into_iter().chain(reply.warnings).collect(),
            ..Self::default()
        }
    }

    /// What a call would cost at most.
    pub(crate) fn rehearsed(model: String, cost: &Cost, warnings: Vec<String>) -> Self {
        let (model, next) = (Some(model), DRY_RUN.to_owned());
        Self { model, cost: Some(CostView::of(cost)), warnings, next, ..Self::default() }
    }

    /// Sets the advice after a complete answer.
    pub(crate) fn advise(&mut self) {
        let again = match &self.conversation_id {
            Some(id) => format!("conversation_id {id}"),
            None => "all messages so far".to_owned(),
        };
        self.next = match self.finish_reason.as_deref() {
            _ if !self.tool_calls.is_empty() => format!(
                "The model wants functions called. Call chat with {again} and messages: for each call one of role \
                 tool with its tool_call_id and the result as content."
            ),
            Some("length") if self.text.is_none() => {
                "max_tokens was used up by reasoning before the answer began. Ask again with a \
                 larger max_tokens or less effort."
                    .to_owned()
            }
            Some("length") => {
                format!(
                    "The answer was cut at max_tokens. Call chat with {again} and a prompt such as `go on`."
                )
            }
            Some("content_filter") => "MiniMax withheld the rest. Rephrase the question.".to_owned(),
            _ => format!("Done. To continue, call chat with {again}."),
        };
    }

    fn report(&self) -> Report {
        let call = |call: &CallView| format!("Tool call {}: {} {}", call.id, call.name, call.arguments);
        let finish = self.finish_reason.as_deref().filter(|reason| *reason != "stop");
        let usage = self.usage.as_ref().map(UsageView::words);
        let report = Report::default()
            .content(self.text.clone())
            .content(self.tool_calls.iter().map(call))
            .fact("", self.model.as_deref())
            .fact("finish_reason", finish)
            .fact("", usage.as_deref())
            .fact("conversation_id", self.conversation_id.as_deref());
        let report = match self.path.as_deref() {
            Some(path) => {
                let link = local_link(path, "text/markdown", None);
                report.file([format!("The whole text: {path}")], link)
            }
            None => report,
        };
        let report = report.cost(self.cost.as_ref().map(CostView::line)).notes(&self.warnings);
        let Some(error) = &self.error else { return report.next(&self.next) };
        let part = self.text.as_ref().map(|_| "The part of the answer that arrived is above.".to_owned());
        report.lines(part).next(error.lines(&self.next)).failed(true)
    }
}

impl CallView {
    fn of(call: ToolCall) -> Self {
        let ToolCall { id, name, arguments } = call;
        Self { id, name, arguments }
    }
}

impl UsageView {
    fn of(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input,
            output_tokens: usage.output,
            reasoning_tokens: usage.reasoning,
            cache_read_tokens: usage.cache_read,
            cache_write_tokens: usage.cache_write,
            web_searches: usage.searches,
        }
    }

    fn words(&self) -> String {
        let cached = self.cache_read_tokens.filter(|count| *count > 0);
        let cached = cached.map(|count| format!(" ({count} from the cache)")).unwrap_or_default();
        format!("{} tokens in{cached}, {} out", self.input_tokens, self.output_tokens)
    }
}

impl IntoCallToolResult for ChatView {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        Ok(self.report().result(&self)?.into())
    }
}

/// How large a request is.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the name on the wire, as in usage")]
pub(crate) struct Tokens {
    pub(crate) input_tokens: u64,
    pub(crate) model: String,
    /// Of the input alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cost: Option<CostView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
    /// What to do now.
    pub(crate) next: String,
}

impl IntoCallToolResult for Tokens {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let report = Report::default()
            .head([format!("{} input tokens", self.input_tokens)])
            .fact("", Some(&self.model))
            .cost(self.cost.as_ref().map(CostView::line))
            .notes(&self.warnings)
            .next(&self.next);
        Ok(report.result(&self)?.into())
    }
}
