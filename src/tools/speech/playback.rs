//! `speak` and `play_audio`: sound on the server's machine. Offered only if the caller is at that machine.

use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{AudioFormat, AudioSetting, Emotion, LiveSpeech};
use crate::config::{Defaults, Toolset};
use crate::jobs::{Paid, SpeechOrder};
use crate::mcp::ToolSpec;
use crate::mcp::{Draft, JobOptions, JobView, Server, ToolError, forty_five};
use crate::media::{self, Limits, Player, Reference};
use crate::tools::speech::rules::{Characters, Manner, auto, cost};

pub(crate) const TOOLS: &[ToolSpec] = &[
    ToolSpec { local_only: true, lengths: &[("text", 9999)], ..ToolSpec::job("speak", Toolset::Speech) },
    ToolSpec { local_only: true, ..ToolSpec::free("play_audio", Toolset::Speech) },
];

/// T2A WebSocket > task_continue.
const TEXT_LIMIT: usize = 9_999;

/// What can be played. The limit is more than an hour of WAV.
const PLAYABLE: Limits = Limits::new(
    &["audio/mpeg", "audio/wav", "audio/flac", "audio/ogg", "audio/mp4", "audio/aac", "audio/aiff"],
    512 * 1024 * 1024,
);
/// A linked sound is held in memory.
const LINKED: Limits = Limits { max_bytes: 64 * 1024 * 1024, ..PLAYABLE };

#[derive(Debug, Deserialize, JsonSchema)]
struct SpeakInput {
    /// What to say.
    text: String,
    /// A voice.
    voice_id: Option<String>,
    /// A model.
    model: Option<String>,
    /// 0.5-2.
    #[schemars(range(min = 0.5, max = 2.0))]
    speed: Option<f64>,
    /// 0-10.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 10))]
    vol: Option<f64>,
    /// -12 to 12.
    #[schemars(range(min = -12, max = 12))]
    pitch: Option<i32>,
    /// A mood.
    emotion: Option<String>,
    /// A language.
    #[schemars(extend("x-quiet" = true))]
    language_boost: Option<String>,
    /// For the mp3.
    output_directory: Option<String>,
    /// Only price it.
    #[serde(default)]
    #[schemars(extend("x-quiet" = true))]
    dry_run: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct PlayInput {
    /// Path or minimax:// URI.
    input_file_path: String,
    /// It is a URL.
    is_url: Option<bool>,
}

/// What is being played.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PlayView {
    /// As it was given.
    playing: String,
    /// The program that plays it.
    player: String,
    mime_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    /// What to do now.
    next: String,
}

#[tool_router(router = playback_tools, vis = "pub(crate)")]
impl Server {
    /// As text_to_audio, aloud. Costs money.
    #[tool(
        title = "Speak",
        output_schema = JobView::schema(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = false)
    )]
    async fn speak(
        &self,
        Parameters(input): Parameters<SpeakInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        if !input.dry_run {
            self.checkout.ready()?;
        }
        let (submit, mut warnings) = live(&input, &self.config().defaults)?;
        if let Some(voice) = input.voice_id.as_deref().filter(|_| !input.dry_run) {
            self.inputs.ownership.check_voice("voice_id", voice).await?;
        }
        let player = Player::find(&self.config().program_dirs);
        if player.is_none() {
            warnings.push(format!("{}; the file is saved all the same", no_player()));
        }
        let name = player.as_ref().map(Player::name);
        let draft = Draft {
            model: submit.model.clone(),
            prompt: submit.text.clone(),
            cost: cost(&submit.model, Some(Characters::of(&submit.text)), self.config().currency()),
            paid: Paid::Speech(SpeechOrder::Live { submit, player }),
            warnings,
        };
        let options = JobOptions {
            output_directory: input.output_directory,
            wait_seconds: forty_five(),
            async_mode: false,
            dry_run: input.dry_run,
            idempotency_key: None,
        };
        let view = self.checkout.buy("speak", draft, options, &call).await?;
        Ok(match (view.first_sound(), name) {
            (Some(after), Some(name)) => {
                #[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
                let seconds = after as f64 / 1000.0;
                view.saying(&format!("The first sound came after {seconds:.2} s, through {name}."))
            }
            _ => view,
        })
    }

    /// Play a sound here.
    #[tool(
        title = "Play audio",
        output_schema = schema_for_output::<PlayView>(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = false, open_world_hint = false)
    )]
    async fn play_audio(&self, Parameters(input): Parameters<PlayInput>) -> Result<PlayView, ToolError> {
        let given = input.input_file_path.trim();
        let linked = matches!(media::parse(given, Some(&self.config().home)), Ok(Reference::Url(_)));
        if linked != input.is_url.unwrap_or_default() {
            let problem = if linked { "is a URL; set is_url" } else { "is no URL, as is_url says" };
            return Err(ToolError::argument("input_file_path", problem));
        }
        let Some(player) = Player::find(&self.config().program_dirs) else {
            return Err(ToolError::NotFound {
                what: "player on this machine".to_owned(),
                advice: format!("{}. Ask the user to install one, or to open the file.", no_player()),
            });
        };
        let limits = if linked { &LINKED } else { &PLAYABLE };
        let sound = self.inputs.playable("input_file_path", given, limits).await?;
        let (mime_type, duration_ms) = (sound.mime.to_owned(), sound.duration_ms);
        let extension = sound.name.rsplit('.').next().unwrap_or_default().to_owned();
        let started = player.start_on(sound.content, &extension).await;
        let playing = started.map_err(|error| {
            ToolError::argument("input_file_path", format!("could not be played: {error}"))
        })?;
        self.jobs().play(playing);
        Ok(PlayView {
            playing: given.to_owned(),
            player: player.name().to_owned(),
            mime_type,
            duration_ms,
            next: "It plays; there is nothing to wait for.".to_owned(),
        })
    }
}

/// The request, and warnings.
fn live(input: &SpeakInput, defaults: &Defaults) -> Result<(LiveSpeech, Vec<String>), ToolError> {
    let length = input.text.chars().count();
    if input.text.trim().is_empty() || length > TEXT_LIMIT {
        let problem =
            format!("has {length} characters; it needs 1 to {TEXT_LIMIT}. text_to_audio takes longer texts");
        return Err(ToolError::argument("text", problem));
    }
    let language = input.language_boost.clone().unwrap_or_else(auto);
    let manner = Manner {
        voice_id: input.voice_id.as_deref(),
        model: input.model.as_deref(),
        speed: input.speed,
        vol: input.vol,
        pitch: input.pitch,
        emotion: input.emotion.as_deref().map(emotion).transpose()?,
        language_boost: &language,
    };
    let (model, warnings) = manner.check(defaults)?;
    let submit = LiveSpeech {
        voice_setting: manner.voice(defaults, false),
        audio_setting: AudioSetting {
            sample_rate: 32_000,
            bitrate: Some(128_000),
            format: AudioFormat::Mp3,
            channel: 1,
        },
        model,
        language_boost: language.clone(),
        text: input.text.clone(),
    };
    Ok((submit, warnings))
}

fn emotion(word: &str) -> Result<Emotion, ToolError> {
    let parsed = serde_json::from_value(serde_json::Value::String(word.trim().to_lowercase()));
    parsed.map_err(|_| {
        let problem = format!(
            "is {word}; must be one of happy, sad, angry, fearful, disgusted, surprised, calm, fluent, whisper"
        );
        ToolError::argument("emotion", problem)
    })
}

fn no_player() -> String {
    format!("no player was found on the search path (looked for: {})", Player::names())
}

impl PlayView {
    fn lines(&self) -> String {
        #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
        let length = self.duration_ms.map(|length| format!(", {:.1} s", length as f64 / 1000.0));
        let (playing, player, mime) = (&self.playing, &self.player, &self.mime_type);
        format!("{playing} ({mime}{}) through {player}\n{}", length.unwrap_or_default(), self.next)
    }
}

impl IntoCallToolResult for PlayView {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let mut result = CallToolResult::success(vec![ContentBlock::text(self.lines())]);
        let structured = serde_json::to_value(&self);
        result.structured_content =
            Some(structured.map_err(|error| ErrorData::internal_error(error.to_string(), None))?);
        Ok(result.into())
    }
}
