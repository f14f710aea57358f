//! Prompts: what people start from, and completions for what they have to fill in. Arguments are single words, because
//! some clients split what is typed at every space.

use rmcp::ErrorData;
use rmcp::model::{
    ArgumentInfo, CompletionInfo, GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage,
    Reference, Role,
};

use crate::jobs::Filter;
use crate::mcp::Server;
use crate::mcp::catalogue::PromptTemplate;

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

impl Server {
    /// Those whose tools this caller has: a recipe that names others leads nowhere.
    fn recipes(&self) -> impl Iterator<Item = &'static PromptTemplate> {
        self.shared.catalogue.prompts.iter().filter(|recipe| recipe.tools.iter().all(|tool| self.has(tool)))
    }

    /// `prompts/list`.
    pub(crate) fn prompts(&self) -> Vec<Prompt> {
        self.recipes().map(PromptTemplate::prompt).collect()
    }

    /// `prompts/get`.
    pub(crate) fn prompt(
        &self,
        name: &str,
        given: Option<&JsonObject>,
    ) -> Result<GetPromptResult, ErrorData> {
        let Some(recipe) = self.recipes().find(|recipe| recipe.name == name) else {
            let names: Vec<_> = self.recipes().map(|recipe| recipe.name).collect();
            let text = format!("there is no prompt `{name}`; there are {}", names.join(", "));
            return Err(ErrorData::invalid_params(text, None));
        };
        let message = PromptMessage::new_text(Role::User, recipe.filled(given));
        Ok(GetPromptResult::new(vec![message]).with_description(recipe.description))
    }

    /// `completion/complete`: values that begin with what was typed, then those that contain it.
    pub(crate) async fn completions(&self, about: &Reference, argument: &ArgumentInfo) -> CompletionInfo {
        let completions = self.shared.catalogue.completions.iter();
        let mut known = completions.filter(|known| known.argument == argument.name && self.has(known.tool));
        let values: Vec<String> = match about {
            Reference::Prompt(_) => known.next().map(|known| (known.values)()).unwrap_or_default(),
            Reference::Resource(_) if argument.name == "job_id" => self.recent_jobs().await,
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

    async fn recent_jobs(&self) -> Vec<String> {
        let filter = Filter { limit: 50, ..Filter::default() };
        let page = self.jobs().list(self.principal(), &filter).await;
        page.map(|page| page.jobs.into_iter().map(|job| job.id).collect()).unwrap_or_default()
    }
}
