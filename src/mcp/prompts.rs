//! Prompts and completions.

use rmcp::ErrorData;
use rmcp::model::{
    ArgumentInfo, CompletionInfo, GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage,
    Reference, Role,
};
use serde_json::Value;

use crate::jobs::Filter;
use crate::mcp::catalogue::{Line, PromptTemplate};
use crate::mcp::server::Server;
use crate::telemetry;

/// The longest argument, in characters. A text to narrate may be long, but the message must fit into a model's context.
const LONGEST: usize = 50_000;

/// The arguments that were given, by name.
type Given = Vec<(&'static str, String)>;

impl PromptTemplate {
    fn prompt(&self) -> Prompt {
        let argument = |(name, description): &(&str, &str)| {
            PromptArgument::new(*name).with_description(*description).with_required(false)
        };
        let arguments = self.arguments.iter().map(argument).collect();
        Prompt::new(self.name, Some(self.description), Some(arguments)).with_title(self.title)
    }

    /// Checks the arguments of a request. Blank ones count as not given.
    fn given(&self, arguments: Option<&JsonObject>) -> Result<Given, ErrorData> {
        let mut given = Given::new();
        for (name, value) in arguments.into_iter().flatten() {
            let Some((known, _)) = self.arguments.iter().find(|(known, _)| known == name) else {
                let allowed: Vec<_> = self.arguments.iter().map(|(known, _)| *known).collect();
                return Err(wrong(&format!(
                    "the prompt `{}` has no argument `{}`; it takes {}",
                    self.name,
                    telemetry::display(name, 64),
                    allowed.join(", ")
                )));
            };
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.trim().to_owned(),
                Value::Number(number) => number.to_string(),
                _ => return Err(wrong(&format!("`{known}` must be a string"))),
            };
            let length = text.chars().count();
            if length > LONGEST {
                return Err(wrong(&format!("`{known}` has {length} characters; it may have {LONGEST}")));
            }
            if !text.is_empty() {
                given.push((known, text));
            }
        }
        Ok(given)
    }

    fn filled(&self, given: &Given) -> String {
        let value = |name: &str| given.iter().find(|(known, _)| *known == name).map(|(_, text)| text);
        let line = |line: &Line| match line {
            Line::Always(text) => Some((*text).to_owned()),
            // Only this argument is replaced, so its text can contain any other placeholder.
            Line::Given(name, text) => Some(text.replace(&format!("{{{name}}}"), value(name)?)),
            Line::Missing(name, text) => value(name).is_none().then(|| (*text).to_owned()),
        };
        self.lines.iter().filter_map(line).collect::<Vec<_>>().join("\n")
    }
}

fn wrong(problem: &str) -> ErrorData {
    ErrorData::invalid_params(problem.to_owned(), None)
}

/// The prompts whose tools this caller has.
fn offered(server: &Server) -> impl Iterator<Item = &'static PromptTemplate> {
    server
        .catalogue()
        .prompts
        .iter()
        .filter(|template| template.tools.iter().all(|tool| server.policy.offers(tool)))
}

/// `prompts/list`.
pub(crate) fn list(server: &Server) -> Vec<Prompt> {
    offered(server).map(PromptTemplate::prompt).collect()
}

/// `prompts/get`.
pub(crate) fn get(
    server: &Server,
    name: &str,
    given: Option<&JsonObject>,
) -> Result<GetPromptResult, ErrorData> {
    let Some(template) = offered(server).find(|template| template.name == name) else {
        let names: Vec<_> = offered(server).map(|template| template.name).collect();
        let text = format!("there is no prompt `{name}`; there are {}", names.join(", "));
        return Err(wrong(&text));
    };
    let message = PromptMessage::new_text(Role::User, template.filled(&template.given(given)?));
    Ok(GetPromptResult::new(vec![message]).with_description(template.description))
}

/// `completion/complete`: values that begin with the input, then those that contain it.
pub(crate) async fn complete(server: &Server, about: &Reference, argument: &ArgumentInfo) -> CompletionInfo {
    let completions = server.catalogue().completions.iter();
    let mut known =
        completions.filter(|known| known.argument == argument.name && server.policy.offers(known.tool));
    let values: Vec<String> = match about {
        Reference::Prompt(_) => known.next().map(|known| (known.values)()).unwrap_or_default(),
        Reference::Resource(_) if argument.name == "job_id" => recent_jobs(server).await,
        _ => Vec::new(),
    };
    let typed = argument.value.to_lowercase();
    let (first, rest): (Vec<_>, Vec<_>) =
        values.into_iter().partition(|value| value.to_lowercase().starts_with(&typed));
    let inside = rest.into_iter().filter(|value| value.to_lowercase().contains(&typed));
    let fitting: Vec<_> = first.into_iter().chain(inside).collect();
    let (total, more) = (fitting.len(), fitting.len() > CompletionInfo::MAX_VALUES);
    let shown = fitting.into_iter().take(CompletionInfo::MAX_VALUES).collect();
    CompletionInfo::with_pagination(shown, u32::try_from(total).ok(), more).unwrap_or_default()
}

async fn recent_jobs(server: &Server) -> Vec<String> {
    let filter = Filter { limit: 50, ..Filter::default() };
    let page = server.jobs().list(server.principal(), &filter).await;
    page.map(|page| page.jobs.into_iter().map(|job| job.id).collect()).unwrap_or_default()
}
