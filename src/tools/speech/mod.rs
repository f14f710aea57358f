//! `text_to_audio`.

// Modules: `just modules` writes these lines.
pub(crate) mod input;
pub(crate) mod long;
pub(crate) mod playback;
pub(crate) mod transcription;
// End of the modules.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};

use crate::config::{ResourceMode, Toolset};
use crate::jobs::SpeechOrder;
use crate::mcp::ToolSpec;
use crate::mcp::model_name::ModelNames;
use crate::mcp::{Bill, Draft, Server, ToolError};
use crate::media::SubtitleFormat;
use crate::result::job_view::JobView;
use crate::speech::first_use;
use crate::speech::rules::{Characters, cost};
use crate::tools::speech::input::{Source, SpeechInput};
use crate::tools::speech::long::LongText;

pub(crate) const TOOLS: &[ToolSpec] =
    &[ToolSpec { lengths: &[("text", 50_000)], ..ToolSpec::job("text_to_audio", Toolset::Speech) }];

/// The question to a person before a purchase.
const QUESTION: &str = "Speak this text";

/// How long a text is, for the question to a person.
fn details(billed: Option<Characters>) -> String {
    billed.map(Characters::words).unwrap_or_default()
}

#[tool_router(router = speech_tools, vis = "pub(crate)")]
impl Server {
    /// Text to speech, saved as a file; minutes above 9,999 characters. To say it aloud: speak. Costs money.
    #[tool(
        title = "Text to audio",
        output_schema = JobView::schema(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn text_to_audio(
        &self,
        Parameters(input): Parameters<SpeechInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        let dry = input.job.dry_run;
        if !dry {
            self.checkout.ready()?;
        }
        let config = self.config();
        let source = input.source()?;
        let (model, mut warnings) = input.manner().check(&config.defaults, ModelNames::of(self))?;
        input.check(source)?;
        if !dry {
            for (field, voice) in input.voices() {
                self.inputs.ownership.check_voice(&field, voice).await?;
            }
        }
        let manner = input.manner();
        let voice =
            |text: Option<&str>| manner.voice(&config.defaults, config.region, text, input.is_mixed());
        let fee = first_use::fee(self, input.voices().map(|(_, voice)| voice)).await?;
        let links_alone = config.mode == ResourceMode::Url && input.job.output_directory.is_none();
        let subtitles = match input.subtitles.format() {
            Some(_) if links_alone => Some(SubtitleFormat::Json),
            wanted => wanted,
        };
        if links_alone && (subtitles != input.subtitles.format() || !matches!(source, Source::Short(_))) {
            warnings.push(
                "links lead to what MiniMax has: JSON for srt and vtt, a tar file for a long text; give \
                 output_directory to have the files"
                    .to_owned(),
            );
        }
        let (order, billed, prompt) = match source {
            Source::Short(text) => {
                let stream = config.mode == ResourceMode::Local && input.may_stream(text);
                let submit = input.submit(text, &model, voice(Some(text)), stream);
                let order = SpeechOrder::Short { submit, subtitles };
                (order, Some(Characters::of(text)), text.to_owned())
            }
            Source::Long(_) | Source::File(_) => {
                let mut long = match source {
                    Source::File(given) => long::text_file(self, given).await?,
                    Source::Short(text) | Source::Long(text) => LongText::inline(text),
                };
                let (billed, prompt) = (long.billed, long.prompt.clone());
                if !dry {
                    let cost = fee.add_to(cost(&model, billed, config.currency()));
                    let details = details(billed);
                    let bill = Bill {
                        tool: "text_to_audio",
                        question: QUESTION,
                        model: &model,
                        prompt: &prompt,
                        details: &details,
                        cost: &cost,
                    };
                    self.checkout.budget.admit(&bill, &call).await?;
                    long::hand_in(self, &mut long).await?;
                }
                let voice = voice(long.beginning.as_deref());
                (long.order(&input, model.clone(), voice), billed, prompt)
            }
        };
        let cost = fee.add_to(cost(&model, billed, config.currency()));
        let (question, details) = (QUESTION, details(billed));
        let draft = Draft { model, prompt, question, details, cost, order: Box::new(order), warnings };
        self.checkout.buy("text_to_audio", draft, input.job, &call).await
    }
}
