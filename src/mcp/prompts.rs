//! Prompts and completions.

use rmcp::ErrorData;
use rmcp::model::{
    ArgumentInfo, CompletionInfo, GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage,
    Reference, Role,
};
use serde_json::Value;

use crate::jobs::Filter;
use crate::mcp::catalogue::{Line, PromptTemplate};
use crate::mcp::resources;
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

    /// The argument with this name.
    fn argument(&self, name: &str) -> Result<&'static str, ErrorData> {
        let known = self.arguments.iter().map(|(known, _)| *known);
        known.clone().find(|known| *known == name).ok_or_else(|| {
            wrong(&format!(
                "the prompt `{}` has no argument `{}`; it takes {}",
                self.name,
                telemetry::display(name, 64),
                known.collect::<Vec<_>>().join(", ")
            ))
        })
    }

    /// Checks the arguments of a request. Blank ones count as not given.
    fn given(&self, arguments: Option<&JsonObject>) -> Result<Given, ErrorData> {
        let mut given = Given::new();
        for (name, value) in arguments.into_iter().flatten() {
            let known = self.argument(name)?;
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
    let template = named(server, name)?;
    let message = PromptMessage::new_text(Role::User, template.filled(&template.given(given)?));
    Ok(GetPromptResult::new(vec![message]).with_description(template.description))
}

/// The prompt with this name, if the caller has its tools.
fn named(server: &Server, name: &str) -> Result<&'static PromptTemplate, ErrorData> {
    offered(server).find(|template| template.name == name).ok_or_else(|| {
        let names: Vec<_> = offered(server).map(|template| template.name).collect();
        let name = telemetry::display(name, 64);
        wrong(&match names.as_slice() {
            [] => format!("there is no prompt `{name}`, and no other for the tools that you may use"),
            names => format!("there is no prompt `{name}`; there are {}", names.join(", ")),
        })
    })
}

/// `completion/complete`: values that begin with the input, then those that contain it.
pub(crate) async fn complete(
    server: &Server,
    about: &Reference,
    argument: &ArgumentInfo,
) -> Result<CompletionInfo, ErrorData> {
    let values: Vec<String> = match about {
        Reference::Prompt(prompt) => {
            let template = named(server, &prompt.name)?;
            template.argument(&argument.name)?;
            let completions = server.catalogue().completions.iter();
            let mut known = completions
                .filter(|known| known.argument == argument.name && server.policy.offers(known.tool));
            known.next().map(|known| (known.values)()).unwrap_or_default()
        }
        Reference::Resource(resource) => {
            let variables = variables_of(&resource.uri)?;
            match variables.iter().find(|variable| **variable == argument.name) {
                Some(variable) if variable == "job_id" => recent_jobs(server).await,
                Some(_) => Vec::new(),
                None => {
                    return Err(wrong(&format!(
                        "the template `{}` has no argument `{}`; it has {}",
                        resource.uri,
                        telemetry::display(&argument.name, 64),
                        variables.join(", ")
                    )));
                }
            }
        }
        // A later revision of the protocol may have more.
        _ => return Err(wrong("`ref.type` must be ref/prompt or ref/resource")),
    };
    let typed = argument.value.to_lowercase();
    let (first, rest): (Vec<_>, Vec<_>) =
        values.into_iter().partition(|value| value.to_lowercase().starts_with(&typed));
    let inside = rest.into_iter().filter(|value| value.to_lowercase().contains(&typed));
    let fitting: Vec<_> = first.into_iter().chain(inside).collect();
    let (total, more) = (fitting.len(), fitting.len() > CompletionInfo::MAX_VALUES);
    let shown = fitting.into_iter().take(CompletionInfo::MAX_VALUES).collect();
    Ok(CompletionInfo::with_pagination(shown, u32::try_from(total).ok(), more).unwrap_or_default())
}

/// The variables of a resource template.
fn variables_of(uri: &str) -> Result<Vec<String>, ErrorData> {
    let templates: Vec<_> =
        resources::templates().into_iter().map(|template| template.uri_template).collect();
    if !templates.iter().any(|template| template == uri) {
        let (uri, templates) = (telemetry::display(uri, 128), templates.join(", "));
        return Err(wrong(&format!("there is no resource template `{uri}`; there are {templates}")));
    }
    let parts = uri.split('{').skip(1).filter_map(|part| part.split_once('}'));
    Ok(parts.map(|(variable, _)| variable.to_owned()).collect())
}

async fn recent_jobs(server: &Server) -> Vec<String> {
    let filter = Filter { limit: 50, ..Filter::default() };
    let page = server.jobs().list(server.principal(), &filter).await;
    page.map(|page| page.jobs.into_iter().map(|job| job.id).collect()).unwrap_or_default()
}
