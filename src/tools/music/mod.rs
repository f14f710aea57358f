//! `music_generation`.

// Modules: `just modules` writes these lines.
pub(crate) mod lyrics;
// End of the modules.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::music::{CoverReference, MusicFormat, MusicSetting, MusicSubmit};
use crate::config::Toolset;
use crate::facts::{ModelKind, MusicModel, facts};
use crate::jobs::Cost;
use crate::mcp::ToolSpec;
use crate::mcp::inputs::Takes;
use crate::mcp::model_name::{ModelNames, unknown_model};
use crate::mcp::{Draft, JobOptions, Server, ToolError};
use crate::media::Limits;
use crate::money::Currency;
use crate::result::job_view::JobView;
use crate::telemetry::is_blank;

pub(crate) const TOOLS: &[ToolSpec] = &[ToolSpec {
    slow: true,
    lengths: &[("prompt", 2000)],
    ..ToolSpec::job("music_generation", Toolset::Music)
}];

/// Music Generation > audio_setting.
const SAMPLE_RATES: [u32; 4] = [16000, 24000, 32000, 44100];
const BITRATES: [u32; 4] = [32000, 64000, 128_000, 256_000];

/// Music Cover > reference: 6 seconds to 6 minutes, up to 50 MB.
const SONG: Takes = Takes {
    limits: Limits {
        duration_ms: Some((6_000, 360_000)),
        ..Limits::new(
            &["audio/mpeg", "audio/wav", "audio/flac", "audio/mp4", "audio/aac", "audio/ogg"],
            50 * 1024 * 1024,
        )
    },
    uploads: None,
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct MusicInput {
    /// Style, mood, instruments, up to 2,000 characters (music-cover with reference_audio 10-300). Optional only with lyrics.
    prompt: Option<String>,
    /// Words to sing, with tags as [Verse], up to 3,500 characters (music-cover 10-1,000, default: those of
    /// reference_audio).
    lyrics: Option<String>,
    /// music-3.0 (default), music-2.6, music-2.5; music-cover for covers (default with reference_audio).
    model: Option<String>,
    /// true: no singing; music-3.0 or music-2.6, with prompt. Excludes lyrics.
    #[serde(default)]
    is_instrumental: bool,
    /// true: writes lyrics from prompt; music-3.0 or music-2.6. Excludes lyrics, is_instrumental. To see them
    /// first: generate_lyrics.
    #[serde(default)]
    lyrics_optimizer: bool,
    /// Song to cover, 6 s to 6 min, 50 MB: path, URL or minimax://; music-cover only.
    reference_audio: Option<String>,
    /// Audio format, default mp3.
    #[serde(default)]
    format: MusicFormat,
    /// Hz, default 44100.
    #[serde(default = "rate")]
    #[schemars(extend("enum" = SAMPLE_RATES))]
    sample_rate: u32,
    /// Bits per second, default 256000; mp3 only.
    #[serde(default = "bits")]
    #[schemars(extend("enum" = BITRATES))]
    bitrate: u32,
    /// true: MiniMax's AI mark.
    #[serde(default)]
    watermark: bool,
    #[serde(flatten)]
    job: JobOptions,
}

fn rate() -> u32 {
    44_100
}

fn bits() -> u32 {
    256_000
}

#[tool_router(router = music_tools, vis = "pub(crate)")]
impl Server {
    /// Make a song, an instrumental or a cover; takes minutes. Give lyrics, lyrics_optimizer, is_instrumental
    /// or reference_audio. Closed to accounts that bought no music before 2026-08-20. Costs money.
    #[tool(
        title = "Music generation",
        output_schema = JobView::schema(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn music_generation(
        &self,
        Parameters(input): Parameters<MusicInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        if !input.job.dry_run {
            self.checkout.ready()?;
        }
        let (mut submit, warnings) = input.submit(ModelNames::of(self))?;
        if let Some(text) = &input.reference_audio {
            let audio = self.inputs.resolve("reference_audio", text, &SONG, input.job.dry_run).await?;
            submit.reference = Some(reference(audio));
        }
        let draft = Draft {
            model: submit.model.clone(),
            prompt: submit.prompt.clone().or(submit.lyrics.clone()).unwrap_or_default(),
            question: "Make this music",
            details: self::details(&input).to_owned(),
            cost: cost(&submit.model, self.config().currency()),
            order: Box::new(submit),
            warnings,
        };
        self.checkout.buy("music_generation", draft, input.job, &call).await
    }
}

impl MusicInput {
    /// The request without its media, and warnings.
    fn submit(&self, names: ModelNames) -> Result<(MusicSubmit, Vec<String>), ToolError> {
        let usual = facts().music_models(self.reference_audio.is_some()).next().unwrap_or("music-3.0");
        let model = names.named(ModelKind::Music, self.model.as_deref().unwrap_or(usual))?;
        let warnings = match facts().music(&model) {
            Some(row) => self.check(row)?,
            None => vec![unknown_model(&model)],
        };
        let submit = MusicSubmit {
            model,
            prompt: self.prompt.clone(),
            lyrics: self.lyrics.clone(),
            output_format: "url",
            audio_setting: MusicSetting {
                sample_rate: self.sample_rate,
                bitrate: (self.format == MusicFormat::Mp3).then_some(self.bitrate),
                format: self.format,
            },
            lyrics_optimizer: self.lyrics_optimizer.then_some(true),
            is_instrumental: self.is_instrumental.then_some(true),
            reference: None,
            aigc_watermark: self.watermark.then_some(true),
        };
        Ok((submit, warnings))
    }

    fn check(&self, row: &MusicModel) -> Result<Vec<String>, ToolError> {
        let model = &row.model;
        let models = |cover: bool| facts().music_models(cover).collect::<Vec<_>>().join(", ");
        if row.stopped {
            let note =
                facts().closing("/v1/music_generation", 2061).map_or("", |closing| closing.note.as_str());
            let problem = format!("is {model}, which MiniMax has stopped; use {}. {note}", models(row.cover));
            return Err(ToolError::argument("model", problem));
        }
        match (&self.reference_audio, row.cover) {
            (Some(_), false) => {
                let problem = format!("is {model}, which makes no covers; {} does", models(true));
                return Err(ToolError::argument("model", problem));
            }
            (None, true) => {
                let problem =
                    format!("is missing: {model} makes a cover of it. For a new song use {}", models(false));
                return Err(ToolError::argument("reference_audio", problem));
            }
            _ => {}
        }
        self.check_wishes(row)?;
        let needs_prompt = row.cover || self.is_instrumental || self.lyrics_optimizer;
        length("prompt", self.prompt.as_deref(), row.prompt, needs_prompt, model)?;
        length("lyrics", self.lyrics.as_deref(), row.lyrics, false, model)?;
        Ok(Vec::new())
    }

    /// Checks which arguments may be combined.
    fn check_wishes(&self, row: &MusicModel) -> Result<(), ToolError> {
        let wishes = [("is_instrumental", self.is_instrumental), ("lyrics_optimizer", self.lyrics_optimizer)];
        if let Some((field, _)) = wishes.iter().find(|(_, given)| *given && !row.optional_lyrics) {
            let problem = format!("cannot be given for {}; use music-3.0 or music-2.6", row.model);
            return Err(ToolError::argument(*field, problem));
        }
        let problem = match (self.is_instrumental, self.lyrics_optimizer, self.lyrics.is_some()) {
            (true, true, _) => {
                ("lyrics_optimizer", "excludes is_instrumental: an instrumental has no lyrics")
            }
            (true, false, true) => {
                ("lyrics", "cannot be given for an instrumental; leave out lyrics or is_instrumental")
            }
            (false, true, true) => {
                ("lyrics_optimizer", "writes the lyrics; leave out lyrics or lyrics_optimizer")
            }
            (false, false, false) if !row.cover => (
                "lyrics",
                "is missing: give lyrics, or lyrics_optimizer: true to have them written from prompt, or \
                 is_instrumental: true",
            ),
            _ => return Ok(()),
        };
        Err(ToolError::argument(problem.0, problem.1))
    }
}

fn length(
    field: &str,
    text: Option<&str>,
    (least, most): (usize, usize),
    needed: bool,
    model: &str,
) -> Result<(), ToolError> {
    let count = text.map_or(0, |text| text.chars().count());
    let fits = match text {
        None => !needed,
        Some(text) => (least..=most).contains(&count) && !is_blank(text),
    };
    if fits {
        return Ok(());
    }
    Err(ToolError::argument(field, format!("has {count} characters; {model} takes {least} to {most} here")))
}

/// The endpoint has one field for links and one for content.
fn reference(audio: String) -> CoverReference {
    match audio.split_once(";base64,") {
        Some((head, base64)) if head.starts_with("data:") => CoverReference::AudioBase64(base64.to_owned()),
        _ => CoverReference::AudioUrl(audio),
    }
}

/// Whether it is a song, an instrumental or a cover, for the question to a person.
fn details(input: &MusicInput) -> &'static str {
    match (input.reference_audio.is_some(), input.is_instrumental) {
        (true, _) => "cover",
        (false, true) => "instrumental",
        (false, false) => "song",
    }
}

fn cost(model: &str, currency: Currency) -> Cost {
    let unit = facts().music(model).and_then(|row| row.each.in_currency(currency));
    let mut cost = Cost { unit, ..Cost::unknown(currency) };
    cost.estimated = cost.of(1_u32);
    cost.basis = unit.map(|unit| format!("{unit} a piece of up to 5 minutes, prices of {}", facts().as_of));
    cost
}
