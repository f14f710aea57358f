//! `speech_to_text`.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::transcription::{Timestamps, TranscriptFormat, TranscriptionSubmit};
use crate::config::Toolset;
use crate::facts::{facts, voices};
use crate::jobs::{Cost, Transcription};
use crate::mcp::inputs::Checked;
use crate::mcp::{Draft, JobOptions, Server, Shown, ToolError, ToolSpec};
use crate::media::{Limits, Opened, Resendable};
use crate::money::{Currency, Decimal};
use crate::result::job_view::JobView;

pub(crate) const TOOLS: &[ToolSpec] =
    &[ToolSpec { shown: Shown::AsText, ..ToolSpec::job("speech_to_text", Toolset::Speech) }];

/// Speech to Text > file: 50 MB, 500 seconds, no raw samples.
const RECORDING: Limits = Limits {
    duration_ms: Some((0, 500_000)),
    ..Limits::new(
        &["audio/mpeg", "audio/mp4", "audio/wav", "audio/flac", "audio/ogg", "audio/aac", "audio/aiff"],
        50 * 1024 * 1024,
    )
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct TranscriptionInput {
    /// Recording, up to 500 s and 50 MB, mp3, m4a, wav, flac, ogg, aac, aiff: path, URL or minimax://.
    file: String,
    /// By name or code: English, zh, yue. Default: detected.
    language: Option<String>,
    /// Default text; verbose_json has times.
    #[serde(default)]
    format: TranscriptFormat,
    /// Times per sentence (default) or word; verbose_json, srt, vtt only.
    timestamps: Option<Timestamps>,
    #[serde(flatten)]
    job: JobOptions,
}

#[tool_router(router = transcription_tools, vis = "pub(crate)")]
impl Server {
    /// Transcribe a recording into text or subtitles. Costs money.
    #[tool(
        title = "Speech to text",
        output_schema = JobView::schema(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn speech_to_text(
        &self,
        Parameters(input): Parameters<TranscriptionInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        if !input.job.dry_run {
            self.checkout.ready()?;
        }
        let language = input.language.as_deref().map(code).transpose()?;
        let checked = self.inputs.check("file", &input.file, &RECORDING).await?;
        let Checked::Here(Opened { content, bytes, mime, name, duration_ms }) = checked else {
            let problem = "is an uploaded file, which this endpoint does not take; give a path or a URL";
            return Err(ToolError::argument("file", problem));
        };
        let model = facts().transcription.model.clone();
        let prompt = format!("Transcript of {name}");
        let cost = cost(duration_ms, self.config().currency());
        let timestamp_level = input.timestamps.filter(|_| input.format.is_timed());
        let submit = TranscriptionSubmit {
            model: model.clone(),
            language,
            format: input.format,
            timestamp_level,
            name,
            mime,
            bytes,
        };
        let recording = Resendable::of(content, bytes).await;
        let warnings = match (input.timestamps, timestamp_level) {
            (Some(_), None) => {
                vec!["timestamps were not sent: format verbose_json, srt or vtt has times".to_owned()]
            }
            _ => Vec::new(),
        };
        let order = Box::new(Transcription { submit, recording });
        let length = duration_ms.map(|length| format!("{} s", length.div_ceil(1000)));
        let (question, details) = ("Transcribe this recording", length.unwrap_or_default());
        let draft = Draft { order, model, prompt, question, details, cost, warnings };
        self.checkout.buy("speech_to_text", draft, input.job, &call).await
    }
}

/// MiniMax's code for a language, which callers may give by name or code.
fn code(word: &str) -> Result<String, ToolError> {
    let legal = &facts().transcription.languages;
    let known = voices().language(word).map_or(word.trim(), |language| &language.code);
    legal.iter().find(|code| code.eq_ignore_ascii_case(known)).cloned().ok_or_else(|| {
        let shown: String = word.chars().take(40).collect();
        ToolError::argument("language", format!("is {shown}; must be one of {}", legal.join(", ")))
    })
}

/// The longest recording, in seconds.
const LONGEST: u32 = 500;

fn cost(duration_ms: Option<u64>, currency: Currency) -> Cost {
    let hour = facts().transcription.per_hour.in_currency(currency);
    let mut cost = Cost { unit: hour.map(|price| price.per(3600)), ..Cost::unknown(currency) };
    let seconds = duration_ms.map(Decimal::from_thousandths);
    cost.estimated = seconds.and_then(|seconds| cost.of(seconds));
    // The length that a file claims is not the length that MiniMax counts.
    cost.most = cost.of(seconds.unwrap_or_default().max(LONGEST.into()));
    cost.basis = hour.map(|price| format!("{price} an hour, prices of {}", facts().as_of));
    cost
}
