//! `speak` and `play_audio`: sound on the server's machine. Offered only if the caller is at that machine.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolResponse;
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::api::speech::{AudioFormat, AudioSetting, Emotion};
use crate::api::speech_socket::LiveSpeech;
use crate::config::{Config, Toolset};
use crate::jobs::{Heard, Jobs, Listener, SpeechOrder};
use crate::mcp::ToolSpec;
use crate::mcp::model_name::ModelNames;
use crate::mcp::{Draft, JobOptions, Server, ToolError, forty_five};
use crate::media::player::{Feed, Player};
use crate::media::units::length;
use crate::media::{self, Content, Limits, Reference};
use crate::result::Report;
use crate::result::job_view::JobView;
use crate::result::job_view::file_facts;
use crate::speech::first_use;
use crate::speech::rules::{Characters, Manner, check_pauses, cost};
use crate::telemetry::is_blank;

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
/// Smaller than [`PLAYABLE`], because a linked sound is held in memory.
const LINKED: Limits = Limits { max_bytes: 64 * 1024 * 1024, ..PLAYABLE };

#[derive(Debug, Deserialize, JsonSchema)]
struct SpeakInput {
    /// What to say, up to 9,999 characters.
    text: String,
    /// Id from list_voices. Default: by language, as in text_to_audio.
    voice_id: Option<String>,
    /// As in text_to_audio, default speech-2.8-hd.
    model: Option<String>,
    /// Speed, 0.5-2, default 1.
    #[schemars(extend("minimum" = 0.5, "maximum" = 2))]
    speed: Option<f64>,
    /// Loudness, above 0 to 10, default 1.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 10))]
    vol: Option<f64>,
    /// Pitch, -12 to 12, default 0.
    #[schemars(range(min = -12, max = 12))]
    pitch: Option<i32>,
    /// happy, sad, angry, fearful, disgusted, surprised, calm; fluent, whisper: only speech-2.6-hd (then the default),
    /// speech-2.6-turbo.
    emotion: Option<String>,
    /// Language of the text, as in text_to_audio.
    language_boost: Option<String>,
    /// Folder. Default: results folder.
    output_directory: Option<String>,
    /// true: check and price.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct PlayInput {
    /// The sound: path, URL or minimax://.
    input_file_path: String,
    /// Accepted and ignored; a link shows by itself.
    #[schemars(extend("x-quiet" = true))]
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
    /// Say a text aloud on the server's machine, and keep the mp3. For a file only, other formats or long texts use
    /// text_to_audio. Costs money.
    #[tool(
        title = "Speak",
        output_schema = JobView::schema(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn speak(
        &self,
        Parameters(input): Parameters<SpeakInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        if !input.dry_run {
            self.checkout.ready()?;
        }
        let (submit, mut warnings) = live(&input, self.config(), ModelNames::of(self))?;
        if let Some(voice) = input.voice_id.as_deref().filter(|_| !input.dry_run) {
            self.inputs.ownership.check_voice("voice_id", voice).await?;
        }
        let player = Player::find(&self.config().program_dirs);
        match player {
            None if input.dry_run => warnings.push(format!("there is no {}. {INSTALL}", a_player())),
            None => {
                let advice =
                    format!("Nothing was bought. {INSTALL}, or use text_to_audio, which saves a file.");
                return Err(ToolError::NotFound { what: a_player(), advice });
            }
            Some(_) => {}
        }
        let fee = first_use::fee(self, input.voice_id.as_deref().into_iter()).await?;
        let characters = Characters::of(&submit.text);
        let name = player.as_ref().map(Player::name);
        // Without a purchase the listener is dropped, and the player never starts.
        let listener = player.filter(|_| !input.dry_run).map(|player| listen(self.jobs(), player));
        let draft = Draft {
            model: submit.model.clone(),
            prompt: submit.text.clone(),
            question: "Say this aloud",
            details: characters.words(),
            cost: fee.add_to(cost(&submit.model, Some(characters), self.config().currency())),
            order: Box::new(SpeechOrder::Live { submit, listener }),
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
                view.saying(&format!("The first sound came after {}, through {name}.", length(after)))
            }
            _ => view,
        })
    }

    /// Play an audio file aloud on the server's machine. Free.
    #[tool(
        title = "Play audio",
        output_schema = schema_for_output::<PlayView>(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn play_audio(&self, Parameters(input): Parameters<PlayInput>) -> Result<PlayView, ToolError> {
        let given = input.input_file_path.trim();
        let linked = matches!(media::parse(given, Some(&self.config().home)), Ok(Reference::Url(_)));
        if linked != input.is_url.unwrap_or_default() {
            let problem =
                if linked { "is a URL; set is_url" } else { "is not a URL, although is_url says so" };
            return Err(ToolError::argument("input_file_path", problem));
        }
        let Some(player) = Player::find(&self.config().program_dirs) else {
            let advice = format!("{INSTALL}, or ask the user to open the file.");
            return Err(ToolError::NotFound { what: a_player(), advice });
        };
        let limits = if linked { &LINKED } else { &PLAYABLE };
        let sound = self.inputs.playable("input_file_path", given, limits).await?;
        let (mime_type, duration_ms) = (sound.mime.to_owned(), sound.duration_ms);
        let extension = sound.name.rsplit('.').next().unwrap_or_default().to_owned();
        let started = player.start_on(sound.content, &extension).await;
        let playing = started.map_err(|error| {
            ToolError::argument("input_file_path", format!("could not be played: {error}"))
        })?;
        self.jobs().until_stopped(playing.until_over());
        Ok(PlayView {
            playing: given.to_owned(),
            player: player.name().to_owned(),
            mime_type,
            duration_ms,
            next: "It plays; there is nothing to wait for.".to_owned(),
        })
    }
}

/// Plays the chunks of a job in the background. The player starts with the first chunk.
fn listen(jobs: &Jobs, player: Player) -> Listener {
    let (chunks, mut arriving) = mpsc::unbounded_channel();
    let (saved, complete) = oneshot::channel::<PathBuf>();
    let (report, heard) = oneshot::channel();
    let playing = jobs.clone();
    jobs.until_stopped(async move {
        let mut playback = Playback { jobs: playing, player, is_started: false, feed: None, first: None };
        while let Some(bytes) = arriving.recv().await {
            playback.play(bytes);
        }
        // A broken stream has no complete file.
        if let Ok(path) = complete.await {
            let _ = report.send(playback.finish(&path).await);
        }
    });
    Listener { chunks, saved, heard }
}

/// Audio on its way to the player.
struct Playback {
    jobs: Jobs,
    player: Player,
    is_started: bool,
    /// The input of the player, while it accepts audio.
    feed: Option<Feed>,
    first: Option<Instant>,
}

impl Playback {
    fn play(&mut self, bytes: Bytes) {
        if !std::mem::replace(&mut self.is_started, true) {
            self.start();
        }
        let Some(feed) = &self.feed else { return };
        if feed.send(bytes).is_ok() {
            self.first.get_or_insert_with(Instant::now);
        } else {
            self.feed = None;
        }
    }

    fn start(&mut self) {
        match self.player.start() {
            Some(Ok((feed, playing))) => {
                self.jobs.until_stopped(playing.until_over());
                self.feed = Some(feed);
            }
            Some(Err(error)) => {
                tracing::warn!(player = self.player.name(), %error, "the player did not start");
            }
            None => {}
        }
    }

    /// Plays the file if the player needs one, and says what was heard.
    async fn finish(mut self, path: &Path) -> Heard {
        let name = self.player.name();
        let mut problem = None;
        if self.player.streams() {
            if self.feed.is_none() {
                problem = Some(format!("{name} did not start or stopped early, so not all of it was heard"));
            }
        } else {
            let started = match tokio::fs::File::open(path).await {
                Ok(file) => self.player.start_on(Content::Disk(file), "mp3").await,
                Err(error) => Err(error),
            };
            match started {
                Ok(playing) => {
                    self.first = Some(Instant::now());
                    self.jobs.until_stopped(playing.until_over());
                }
                Err(error) => problem = Some(format!("{name} did not start: {error}")),
            }
        }
        Heard { first: self.first, problem }
    }
}

/// The request, and warnings.
fn live(
    input: &SpeakInput,
    config: &Config,
    names: ModelNames,
) -> Result<(LiveSpeech, Vec<String>), ToolError> {
    let length = input.text.chars().count();
    if is_blank(&input.text) || length > TEXT_LIMIT {
        let problem =
            format!("has {length} characters; it needs 1 to {TEXT_LIMIT}. text_to_audio takes longer texts");
        return Err(ToolError::argument("text", problem));
    }
    check_pauses("text", &input.text)?;
    let manner = Manner {
        voice_id: input.voice_id.as_deref(),
        model: input.model.as_deref(),
        speed: input.speed,
        vol: input.vol,
        pitch: input.pitch,
        emotion: input.emotion.as_deref().map(emotion).transpose()?,
        language_boost: input.language_boost.as_deref(),
    };
    let (model, warnings) = manner.check(&config.defaults, names)?;
    let submit = LiveSpeech {
        voice_setting: manner.voice(&config.defaults, config.region, Some(&input.text), false),
        audio_setting: AudioSetting {
            sample_rate: 32_000,
            bitrate: Some(128_000),
            format: AudioFormat::Mp3,
            channel: 1,
        },
        model,
        language_boost: input.language_boost.clone(),
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

/// What is missing if nothing can be played.
fn a_player() -> String {
    format!("audio player on this machine (looked for {})", Player::names())
}

/// How to install a player on this system.
const INSTALL: &str = if cfg!(target_os = "macos") {
    "Install one: brew install ffmpeg"
} else if cfg!(windows) {
    "Install one: winget install ffmpeg"
} else {
    "Install one: sudo apt install ffmpeg (or your distribution's package)"
};

impl IntoCallToolResult for PlayView {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let report = Report::default()
            .head([format!(
                "{}{} through {}",
                self.playing,
                file_facts(None, self.duration_ms, None),
                self.player
            )])
            .next(&self.next);
        Ok(report.result(&self)?.into())
    }
}
