//! `generate_video_from_template`.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::template::{TemplateInput as Value, TemplateSubmit};
use crate::config::Toolset;
use crate::facts::{Template, facts};
use crate::jobs::Cost;
use crate::mcp::ToolSpec;
use crate::mcp::inputs::Takes;
use crate::mcp::{Draft, JobOptions, Server, ToolError};
use crate::media::Limits;
use crate::result::job_view::JobView;
use crate::telemetry::{is_blank, quoted};

pub(crate) const TOOLS: &[ToolSpec] = &[ToolSpec {
    slow: true,
    lengths: &[("texts", 2000)],
    ..ToolSpec::job("generate_video_from_template", Toolset::Video)
}];

/// Video Agent > media_inputs: below 20 MB.
const IMAGE: Takes = Takes {
    limits: Limits::new(&["image/jpeg", "image/png", "image/webp"], 20 * 1024 * 1024 - 1),
    uploads: None,
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct TemplateInput {
    /// diving, rings, run for life, labubu swap, pet courier, tibetan portrait, anime life, winter portrait,
    /// four seasons, female try-on, male try-on, or a number.
    template_id: String,
    /// Image for the template (path, URL or minimax://); none for anime life.
    media: Option<Vec<String>>,
    /// Words: an animal for run for life, whose life for anime life.
    texts: Option<Vec<String>>,
    #[serde(flatten)]
    job: JobOptions,
}

#[tool_router(router = template_tools, vis = "pub(crate)")]
impl Server {
    /// Make a video from a MiniMax template with your image or words. Takes minutes; price unknown beforehand.
    /// Costs money.
    #[tool(
        title = "Generate video from template",
        output_schema = JobView::schema(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn generate_video_from_template(
        &self,
        Parameters(input): Parameters<TemplateInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        if !input.job.dry_run {
            self.checkout.ready()?;
        }
        let (template_id, name, warnings) = input.check()?;
        let mut media_inputs = Vec::new();
        for (index, text) in input.media.iter().flatten().enumerate() {
            let value =
                self.inputs.resolve(&format!("media[{index}]"), text, &IMAGE, input.job.dry_run).await?;
            media_inputs.push(Value { value });
        }
        let texts = input.texts.clone().unwrap_or_default();
        let draft = Draft {
            model: String::new(),
            prompt: format!("{name} {}", texts.join(" ")).trim().to_owned(),
            question: "Make this video from a template",
            details: String::new(),
            // The price page does not mention templates.
            cost: Cost::unknown(self.config().currency()),
            order: Box::new(TemplateSubmit {
                template_id,
                media_inputs,
                text_inputs: texts.into_iter().map(|value| Value { value }).collect(),
            }),
            warnings,
        };
        self.checkout.buy("generate_video_from_template", draft, input.job, &call).await
    }
}

impl TemplateInput {
    /// The template's id and name, and warnings.
    fn check(&self) -> Result<(String, String, Vec<String>), ToolError> {
        let wanted = self.template_id.trim();
        if let Some(row) = facts().template(wanted) {
            self.check_needs(row)?;
            let name = row.names.first().unwrap_or(&row.id).clone();
            return Ok((row.id.clone(), name, Vec::new()));
        }
        let is_id = (1..=32).contains(&wanted.len()) && wanted.bytes().all(|digit| digit.is_ascii_digit());
        if !is_id {
            let known: Vec<_> = facts().template_names().collect();
            let problem = format!(
                "is {}; must be the number of a template, or one of {}",
                quoted(wanted),
                known.join(", ")
            );
            return Err(ToolError::argument("template_id", problem));
        }
        let warning =
            format!("the template {wanted} is not in the tables of this server; its inputs are not checked");
        Ok((wanted.to_owned(), format!("template {wanted}"), vec![warning]))
    }

    fn check_needs(&self, row: &Template) -> Result<(), ToolError> {
        let name = row.names.first().unwrap_or(&row.id);
        let given = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        let text = row.text.as_deref().unwrap_or("a text");
        let inputs = [
            ("media", given(&self.media), row.media, "an image"),
            ("texts", given(&self.texts), row.text.is_some(), text),
        ];
        for (field, given, needed, what) in inputs {
            if needed && !given {
                return Err(ToolError::argument(
                    field,
                    format!("is missing: the template {name} needs {what}"),
                ));
            }
            if given && !needed {
                let problem = format!("cannot be given for the template {name}: it has no use for it");
                return Err(ToolError::argument(field, problem));
            }
        }
        let blank = |text: &String| is_blank(text);
        match self.texts.iter().flatten().position(blank) {
            Some(index) => Err(ToolError::argument(format!("texts[{index}]"), "is empty")),
            None => Ok(()),
        }
    }
}
