//! `voice_clone`, `voice_design`.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::voice::{ClonePrompt, CloneSubmit, DesignSubmit};
use crate::config::{Defaults, Toolset};
use crate::facts::{ModelKind, Price, facts};
use crate::jobs::{Cost, VoiceClone};
use crate::mcp::ToolSpec;
use crate::mcp::model_name::{ModelNames, unknown_model};
use crate::mcp::{Bill, Draft, JobOptions, Server, ToolError};
use crate::media::Limits;
use crate::money::{Currency, Money};
use crate::result::job_view::{JobView, USE_THE_VOICE};
use crate::speech::rules::{Characters, LANGUAGES, check_pauses};
use crate::telemetry::is_blank;

pub(crate) const TOOLS: &[ToolSpec] = &[
    ToolSpec {
        makes: &["voice_id"],
        lengths: &[("text", 1000)],
        ..ToolSpec::job("voice_clone", Toolset::Speech)
    },
    ToolSpec {
        makes: &["voice_id"],
        lengths: &[("prompt", 2000)],
        ..ToolSpec::job("voice_design", Toolset::Speech)
    },
];

const RECORDINGS: &[&str] = &["audio/mpeg", "audio/mp4", "audio/wav"];
const RECORDING_BYTES: u64 = 20 * 1024 * 1024;

/// File Upload > purpose `voice_clone`.
const RECORDING: Limits =
    Limits { duration_ms: Some((10_000, 300_000)), ..Limits::new(RECORDINGS, RECORDING_BYTES) };
/// File Upload > purpose `prompt_audio`: below 8 seconds.
const PROMPT: Limits = Limits { duration_ms: Some((0, 7_999)), ..Limits::new(RECORDINGS, RECORDING_BYTES) };

/// Voice Clone > text, text_validation.
const TEXT_LIMIT: usize = 1000;
const VALIDATION_LIMIT: usize = 200;
/// Voice Design > preview_text.
const PREVIEW_LIMIT: usize = 500;

/// The question to a person before a purchase.
const CLONE: &str = "Clone this voice";

/// The warning about a designed voice. It names no fee, because the fee is part of the price.
fn use_it() -> String {
    format!("{USE_THE_VOICE}; list_voices shows it")
}

const ID_RULE: &str = "must have 8 to 256 characters, begin with a letter, contain only letters, digits, - and _, and \
                       end with a letter or digit";

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct CloneInput {
    /// Your id for it: 8-256 letters, digits, - or _; first a letter, last a letter or digit.
    #[schemars(length(min = 8, max = 256))]
    voice_id: String,
    /// Recording of 10 s to 5 min, mp3, m4a or wav, up to 20 MB: path, URL or minimax://.
    file: String,
    /// Sample for it to say, up to 1,000 characters, billed at once. Default: none.
    text: Option<String>,
    /// Speech model of the sample (text), default speech-2.8-hd.
    model: Option<String>,
    /// Another clip, below 8 s, for a closer likeness; needs prompt_text.
    prompt_audio: Option<String>,
    /// Exactly what prompt_audio says.
    prompt_text: Option<String>,
    /// true: clean noise from file.
    need_noise_reduction: Option<bool>,
    /// true: even out file's loudness.
    need_volume_normalization: Option<bool>,
    /// How well file must match text_validation, 0-1, default 0.7.
    #[schemars(extend("minimum" = 0, "maximum" = 1))]
    accuracy: Option<f64>,
    /// What file says, up to 200 characters; refused if it differs.
    text_validation: Option<String>,
    /// Language of the sample, as in text_to_audio.
    language_boost: Option<String>,
    /// Ignored.
    #[expect(dead_code, reason = "callers of the official server send it; a link shows by itself")]
    #[schemars(extend("x-quiet" = true))]
    is_url: Option<bool>,
    #[serde(flatten)]
    job: JobOptions,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct DesignInput {
    /// How the voice sounds: age, sex, tone, accent, mood.
    prompt: String,
    /// What the sample says, up to 500 characters.
    preview_text: String,
    /// Your id for it. Default: MiniMax makes one.
    voice_id: Option<String>,
    #[serde(flatten)]
    job: JobOptions,
}

#[tool_router(router = voice_tools, vis = "pub(crate)")]
impl Server {
    /// Make a voice from a recording of a speaker who agrees. Billed ($1.50 or ¥9.90) when text_to_audio or speak first
    /// uses it, not at the sample; unused, it is deleted after 7 days. Costs money.
    #[tool(
        title = "Clone voice",
        output_schema = JobView::schema(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn voice_clone(
        &self,
        Parameters(input): Parameters<CloneInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        let dry = input.job.dry_run;
        if !dry {
            self.checkout.ready()?;
        }
        let (mut submit, mut warnings) = input.submit(&self.config().defaults, ModelNames::of(self))?;
        // Both recordings are checked before either is uploaded.
        let file = self.inputs.check("file", &input.file, &RECORDING).await?;
        let cost = clone_cost(&submit, self.config().currency());
        if !dry {
            let model = submit.model.as_deref().unwrap_or_default();
            let bill = Bill {
                tool: "voice_clone",
                question: CLONE,
                model,
                prompt: &submit.voice_id,
                details: "",
                cost: &cost,
            };
            self.checkout.budget.admit(&bill, &call).await?;
        }
        let prompt = match &input.prompt_audio {
            Some(prompt) if dry => {
                self.inputs.check("prompt_audio", prompt, &PROMPT).await?;
                None
            }
            Some(prompt) => Some(self.inputs.upload("prompt_audio", prompt, "prompt_audio", &PROMPT).await?),
            None => None,
        };
        let what = file.what();
        if !dry {
            submit.file_id = self.inputs.upload_checked("voice_clone", file).await?.number("file")?;
        }
        if let (Some(clip), Some(uploaded)) = (&mut submit.clone_prompt, &prompt) {
            clip.prompt_audio = uploaded.number("prompt_audio")?;
        }
        let currency = self.config().currency();
        warnings.push(kept_while_used(&facts().voice.clone_first_use, currency));
        let draft = Draft {
            model: submit.model.clone().unwrap_or_default(),
            prompt: [Some(submit.voice_id.as_str()), submit.text.as_deref()]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(": "),
            question: CLONE,
            details: String::new(),
            cost,
            order: Box::new(VoiceClone { submit, file: what, prompt: prompt.map(|clip| clip.what) }),
            warnings,
        };
        self.checkout.buy("voice_clone", draft, input.job, &call).await
    }

    /// Make a voice from a description, with a spoken sample, billed at once. The voice ($3.00 or ¥9.90) is billed when
    /// text_to_audio or speak first uses it; unused, it is deleted after 7 days. Costs money.
    #[tool(
        title = "Design voice",
        output_schema = JobView::schema(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn voice_design(
        &self,
        Parameters(input): Parameters<DesignInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        if !input.job.dry_run {
            self.checkout.ready()?;
        }
        let submit = input.submit()?;
        let currency = self.config().currency();
        let draft = Draft {
            model: String::new(),
            prompt: submit.prompt.clone(),
            question: "Design this voice",
            details: String::new(),
            cost: design_cost(&submit, currency),
            order: Box::new(submit),
            warnings: vec![use_it()],
        };
        self.checkout.buy("voice_design", draft, input.job, &call).await
    }
}

impl CloneInput {
    /// The request without its recordings, and warnings.
    fn submit(
        &self,
        defaults: &Defaults,
        names: ModelNames,
    ) -> Result<(CloneSubmit, Vec<String>), ToolError> {
        let wrong = |field: &str, problem: String| Err(ToolError::argument(field, problem));
        if !is_voice_id(&self.voice_id) {
            return wrong("voice_id", format!("is {}; it {ID_RULE}", shown(&self.voice_id)));
        }
        self.check_lengths()?;
        if let Some(accuracy) = self.accuracy.filter(|accuracy| !(0.0..=1.0).contains(accuracy)) {
            return wrong("accuracy", format!("is {accuracy}; must be 0 to 1"));
        }
        if self.accuracy.is_some() && self.text_validation.is_none() {
            return wrong("accuracy", "needs text_validation, which it is about".to_owned());
        }
        let clone_prompt = match (&self.prompt_audio, &self.prompt_text) {
            (None, None) => None,
            (Some(_), Some(text)) => Some(ClonePrompt { prompt_audio: 0, prompt_text: text.clone() }),
            (Some(_), None) => return wrong("prompt_text", "is missing: prompt_audio needs it".to_owned()),
            (None, Some(_)) => return wrong("prompt_audio", "is missing: prompt_text needs it".to_owned()),
        };
        let default_model = defaults.speech_model.as_deref().unwrap_or(facts().speech_default());
        let model = match &self.model {
            Some(model) => names.named(ModelKind::Speech, model)?,
            None => names.sent(default_model),
        };
        let mut warnings = self.check_model(&model)?;
        if self.text.is_none() {
            warnings.clear();
            if self.model.is_some() {
                warnings.push("model was not sent: without text there is nothing to speak".to_owned());
            }
        }
        let submit = CloneSubmit {
            file_id: 0,
            voice_id: self.voice_id.clone(),
            clone_prompt,
            model: self.text.is_some().then_some(model),
            text: self.text.clone(),
            language_boost: self.language_boost.clone(),
            text_validation: self.text_validation.clone(),
            accuracy: self.accuracy,
            need_noise_reduction: self.need_noise_reduction,
            need_volume_normalization: self.need_volume_normalization,
        };
        Ok((submit, warnings))
    }

    fn check_lengths(&self) -> Result<(), ToolError> {
        for (field, text, most) in
            [("text", &self.text, TEXT_LIMIT), ("text_validation", &self.text_validation, VALIDATION_LIMIT)]
        {
            let length = text.as_deref().map_or(1, |text| text.chars().count());
            check_pauses(field, text.as_deref().unwrap_or_default())?;
            if !(1..=most).contains(&length) {
                let problem = format!("has {length} characters; it needs 1 to {most}");
                return Err(ToolError::argument(field, problem));
            }
        }
        Ok(())
    }

    fn check_model(&self, model: &str) -> Result<Vec<String>, ToolError> {
        let language = self.language_boost.as_deref().unwrap_or("auto");
        if !LANGUAGES.contains(&language) {
            let problem = format!("is {language}; must be one of {}", LANGUAGES.join(", "));
            return Err(ToolError::argument("language_boost", problem));
        }
        match facts().speech(model) {
            Some(row) if self.text.is_some() && row.not_languages.iter().any(|lacks| lacks == language) => {
                let problem = format!("is {language}, which {model} lacks; use speech-2.8-hd");
                Err(ToolError::argument("language_boost", problem))
            }
            Some(row) => Ok(row.note.iter().map(|note| format!("{model} {note}")).collect()),
            None => Ok(vec![unknown_model(model)]),
        }
    }
}

impl DesignInput {
    fn submit(&self) -> Result<DesignSubmit, ToolError> {
        if is_blank(&self.prompt) {
            return Err(ToolError::argument("prompt", "is empty; describe the voice"));
        }
        let length = self.preview_text.chars().count();
        if is_blank(&self.preview_text) || length > PREVIEW_LIMIT {
            let problem = format!("has {length} characters; it needs 1 to {PREVIEW_LIMIT}");
            return Err(ToolError::argument("preview_text", problem));
        }
        check_pauses("preview_text", &self.preview_text)?;
        Ok(DesignSubmit {
            prompt: self.prompt.clone(),
            preview_text: self.preview_text.clone(),
            voice_id: self.voice_id.clone(),
        })
    }
}

/// Voice Clone > voice_id.
fn is_voice_id(id: &str) -> bool {
    (8..=256).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_alphabetic())
        && id.ends_with(|c: char| c.is_ascii_alphanumeric())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

fn shown(id: &str) -> String {
    let head: String = id.chars().take(40).collect();
    if head.len() < id.len() { format!("`{head}…`") } else { format!("`{head}`") }
}

/// The warning that a cloned voice is billed at its first use, and deleted without one.
fn kept_while_used(price: &Price, currency: Currency) -> String {
    let price = match price.in_currency(currency) {
        Some(price) => format!("{price} (prices of {})", facts().as_of),
        None => "once".to_owned(),
    };
    format!("{USE_THE_VOICE}; its first use is billed with {price}; list_voices shows it")
}

/// The price of the demo. The voice is billed at its first use.
fn clone_cost(submit: &CloneSubmit, currency: Currency) -> Cost {
    let row = submit.model.as_deref().and_then(|model| facts().speech(model));
    let million = row.and_then(|row| row.per_million.in_currency(currency));
    let text = submit.text.as_deref();
    // Without a demo nothing is billed now.
    let unit =
        if text.is_some() { million.map(|price| price.per(1_000_000)) } else { Some(Money::zero(currency)) };
    let mut cost = Cost { unit, ..Cost::unknown(currency) };
    Characters::of(text.unwrap_or_default()).price(&mut cost);
    cost.basis = match (text, million) {
        (None, _) => Some("billed when the voice is first used".to_owned()),
        (Some(_), Some(price)) => Some(format!(
            "the demo: {price} a million characters, prices of {}; the voice is billed at its first use",
            facts().as_of
        )),
        (Some(_), None) => None,
    };
    cost
}

/// The fee for a designed voice, which MiniMax bills when the voice is first used, and the trial, if its price is known.
fn design_cost(submit: &DesignSubmit, currency: Currency) -> Cost {
    let (voice, as_of) = (&facts().voice, &facts().as_of);
    let million = voice.preview_per_million.in_currency(currency);
    let mut cost = Cost::unknown(currency);
    let Some(fee) = voice.design_first_use.in_currency(currency) else { return cost };
    cost.unit = Some(million.map_or(Money::zero(currency), |price| price.per(1_000_000)));
    cost.fixed = Some(fee);
    Characters::of(&submit.preview_text).price(&mut cost);
    let trial = match million {
        Some(price) => format!("{price} a million characters of the trial"),
        None => "the trial's price is not published".to_owned(),
    };
    cost.basis =
        Some(format!("{fee} for the voice, billed when it is first used; {trial}; prices of {as_of}"));
    cost
}
