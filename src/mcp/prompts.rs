//! Prompts and completions. Arguments of prompts are single words, because some clients split input at every space.

use rmcp::ErrorData;
use rmcp::model::{
    ArgumentInfo, CompletionInfo, GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage,
    Reference, Role,
};

use crate::jobs::Filter;
use crate::mcp::catalogue::PromptTemplate;
use crate::mcp::server::Server;

impl PromptTemplate {
    fn prompt(&self) -> Prompt {
        let argument = |(name, description, required): &(&str, &str, bool)| {
            PromptArgument::new(*name).with_description(*description).with_required(*required)
        };
        let arguments = self.arguments.iter().map(argument).collect();
        Prompt::new(self.name, Some(self.description), Some(arguments)).with_title(self.title)
    }

    fn filled(&self, given: Option<&JsonObject>) -> String {
        let mut text = self.text.to_owned();
        for (argument, ..) in self.arguments {
            let value = given.and_then(|given| given.get(*argument)?.as_str()).map(str::trim);
            let value = value.filter(|value| !value.is_empty()).unwrap_or("not named");
            text = text.replace(&format!("{{{argument}}}"), value);
        }
        text
    }
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
        return Err(ErrorData::invalid_params(text, None));
    };
    let message = PromptMessage::new_text(Role::User, template.filled(given));
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
