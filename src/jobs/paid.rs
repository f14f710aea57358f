//! What can be bought, and what comes back: the one place where a capability meets the jobs.

use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::speech::{self, SpeechOrder};
use super::transcription::{Transcription, transcribe};
use super::voice::{self, clone, design};
use crate::api::{
    Accepted, ApiError, AudioFormat, Client, Clip, CoverReference, DesignSubmit, Enrich, ImageSubmit,
    MusicSubmit, Progress, Ready, Regenerate, SoundStream, TemplateSubmit, VideoSubmit, VideoV2Submit, group,
};
use crate::media::Player;
use crate::store::{JobFile, Kind, Route, Task};

/// A request that costs money. Lives in memory only: it is sent once, and never from a record.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "one variant a capability")]
pub enum Paid {
    Image(ImageSubmit),
    Speech(SpeechOrder),
    Video(VideoSubmit),
    VideoV2(VideoV2Submit),
    VoiceClone(voice::Clone),
    VoiceDesign(DesignSubmit),
    Transcription(Transcription),
    Template(TemplateSubmit),
    Enrich(Enrich),
    Regenerate(Regenerate),
    Music(Box<MusicSubmit>),
}

/// MiniMax's answer to a request that it took.
pub enum Answer {
    /// It works on it.
    Task(Task),
    /// It works on it, and says at once what is billed.
    Counted {
        /// What to ask about.
        task: Task,
        /// The file that it will be in, where MiniMax names it at once.
        file_id: Option<String>,
        /// In units of `Cost::unit`.
        units: Option<f64>,
        /// As MiniMax reported it.
        usage: Option<Value>,
    },
    /// It is done.
    Made(Made),
    /// It comes while it is made.
    Sound(Sound),
}

/// A sound that is still coming.
pub struct Sound {
    /// Its pieces.
    pub stream: SoundStream,
    /// What it is.
    pub format: AudioFormat,
    /// Who plays it, and since when somebody waits for that.
    pub player: Option<(Player, Instant)>,
}

/// A result whose files are still to be fetched.
#[derive(Debug, Default)]
pub struct Made {
    /// Links, or nothing but a name where `bytes` has the content.
    pub files: Vec<JobFile>,
    /// Content that came in the answer itself, by position in `files`.
    pub bytes: Vec<(usize, Vec<u8>)>,
    /// A text.
    pub text: Option<String>,
    /// A voice.
    pub voice_id: Option<String>,
    /// What the caller should know.
    pub warnings: Vec<String>,
    /// Fewer results than asked for: how many are missing.
    pub missing: u32,
    /// What is billed, in units of `Cost::unit`.
    pub units: Option<f64>,
    /// What is billed besides, in units of `Cost::input`.
    pub inputs: f64,
    /// As MiniMax reported it.
    pub usage: Option<Value>,
    /// By MiniMax's record, where the caller named none.
    pub model: Option<String>,
}

pub(super) const HOUR: i64 = 3_600_000;

impl Paid {
    /// Sends it. Once.
    pub async fn send(&self, api: &Client) -> Result<Answer, ApiError> {
        let task = |route, id| Answer::Task(Task { route, id });
        match self {
            Self::Image(submit) => image(api, submit).await.map(Answer::Made),
            Self::Speech(order) => order.send(api).await,
            Self::Video(submit) => api.submit_video(submit).await.map(|id| task(Route::VideoV1, id)),
            Self::VideoV2(submit) => api.submit_video_v2(submit).await.map(|id| task(Route::VideoV2, id)),
            Self::VoiceClone(order) => clone(api, order).await.map(Answer::Made),
            Self::VoiceDesign(submit) => design(api, submit).await.map(Answer::Made),
            Self::Transcription(order) => transcribe(api, order).await.map(Answer::Made),
            Self::Template(submit) => {
                api.submit_template(submit).await.map(|id| task(Route::VideoTemplate, id))
            }
            Self::Enrich(submit) => api.submit_enrich(submit).await.map(|id| task(Route::VideoV2, id)),
            Self::Regenerate(submit) => {
                api.submit_regenerate(submit).await.map(|id| task(Route::VideoV2, id))
            }
            Self::Music(submit) => music(api, submit).await.map(Answer::Made),
        }
    }

    /// The line that it stands in.
    pub fn group(&self) -> &'static str {
        match self {
            Self::Image(_) => group::IMAGE,
            Self::Speech(SpeechOrder::Long { .. }) | Self::Template(_) | Self::Transcription(_) => {
                group::OTHER
            }
            Self::Speech(_) => group::SPEECH,
            Self::Video(_) => group::VIDEO_V1,
            Self::VideoV2(_) | Self::Enrich(_) | Self::Regenerate(_) => group::VIDEO_V2,
            Self::VoiceClone(_) => group::CLONING,
            Self::VoiceDesign(_) => group::DESIGN,
            Self::Music(_) => group::MUSIC,
        }
    }

    /// What it makes.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Image(_) => Kind::Image,
            Self::Speech(_) => Kind::Speech,
            Self::Video(_) | Self::VideoV2(_) | Self::Template(_) | Self::Regenerate(_) => Kind::Video,
            Self::Enrich(_) => Kind::Prompt,
            Self::Music(_) => Kind::Music,
            Self::VoiceClone(_) | Self::VoiceDesign(_) => Kind::Voice,
            Self::Transcription(_) => Kind::Transcription,
        }
    }

    /// The body as it is kept: media are named by their size alone.
    pub fn record(&self) -> Value {
        match self {
            Self::Image(submit) => recorded(submit),
            Self::Speech(order) => order.record(),
            Self::Video(submit) => recorded(submit),
            Self::VideoV2(submit) => recorded(submit),
            Self::VoiceClone(order) => order.record(),
            Self::VoiceDesign(submit) => recorded(submit),
            Self::Transcription(order) => recorded(&order.submit),
            Self::Template(submit) => recorded(submit),
            Self::Enrich(submit) => recorded(submit),
            Self::Regenerate(submit) => recorded(submit),
            Self::Music(submit) => recorded(submit),
        }
    }
}

/// A body without its media.
pub(super) fn recorded(submit: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(submit).unwrap_or_default();
    elide(&mut value);
    value
}

/// Cuts data URLs and bare base64 out of a body.
fn elide(value: &mut Value) {
    if let Some(Value::String(text)) = value.get_mut("audio_base64") {
        *text = format!("… ({} characters)", text.len());
    }
    match value {
        Value::String(text) if text.starts_with("data:") => {
            let kind = text.split(';').next().unwrap_or_default();
            *value = Value::String(format!("{kind};… ({} characters)", text.len()));
        }
        Value::Array(items) => items.iter_mut().for_each(elide),
        Value::Object(fields) => fields.values_mut().for_each(elide),
        _ => {}
    }
}

async fn image(api: &Client, submit: &ImageSubmit) -> Result<Made, ApiError> {
    let images = api.generate_images(submit).await?;
    let files = images.urls.into_iter().enumerate().map(|(index, url)| {
        let name = format!("image-{}.jpg", index + 1);
        JobFile { name, mime_type: "image/jpeg".to_owned(), ..JobFile::default() }
            .linked(url, Some(24 * HOUR))
    });
    let files: Vec<_> = files.collect();
    let units = u32::try_from(files.len()).ok().map(f64::from);
    Ok(Made { missing: images.failed, units, usage: images.usage, files, ..Made::default() })
}

/// A sound by its link. We ask for one; should the bytes come instead, they are paid for and must not be lost.
pub(super) fn sound(file: JobFile, audio: Clip) -> Made {
    match audio {
        Clip::Link(url) => Made { files: vec![file.linked(url, Some(24 * HOUR))], ..Made::default() },
        Clip::Bytes(bytes) => Made { files: vec![file], bytes: vec![(0, bytes)], ..Made::default() },
    }
}

/// A cover with lyrics of its own is taken apart first; that is free, and a failure of it leaves nothing bought.
async fn music(api: &Client, submit: &MusicSubmit) -> Result<Made, ApiError> {
    let mut submit = submit.clone();
    if let (Some(audio), Some(_)) = (&submit.reference, &submit.lyrics) {
        let feature = api.preprocess_cover(&submit.model, audio).await.map_err(nothing_bought)?;
        submit.reference = Some(CoverReference::CoverFeatureId(feature));
        #[cfg(feature = "crash-points")]
        crate::crash::point("preprocess.after");
    }
    let song = api.make_music(&submit).await?;
    let (extension, mime) = submit.audio_setting.format.file();
    let file = JobFile {
        name: format!("music.{extension}"),
        mime_type: mime.to_owned(),
        duration_ms: song.length_ms,
        ..JobFile::default()
    };
    Ok(Made { units: Some(1.0), usage: song.usage, ..sound(file, song.audio) })
}

/// The paid request has not left, however the free one before it ended.
fn nothing_bought(error: ApiError) -> ApiError {
    match (error.accepted(), &error) {
        (
            Accepted::Unknown,
            ApiError::Lost { at, .. } | ApiError::Shape { at, .. } | ApiError::Refused { at, .. },
        ) => ApiError::Unsent { at: at.clone(), why: error.to_string() },
        _ => error,
    }
}

/// Looks at a task.
pub async fn look(api: &Client, task: &Task) -> Result<Progress, ApiError> {
    match task.route {
        Route::VideoV1 => api.query_video(&task.id).await,
        Route::VideoV2 => api.query_video_v2(&task.id).await,
        Route::VideoTemplate => api.query_template(&task.id).await,
        Route::SpeechAsync => api.query_long_speech(&task.id).await,
    }
}

/// Turns a finished task into files: V1 has to be asked for the link.
pub async fn collect(api: &Client, route: Route, ready: Ready) -> Result<Made, ApiError> {
    if route == Route::SpeechAsync {
        return speech::collect(api, ready).await;
    }
    let url = match (&ready.url, &ready.file_id) {
        (Some(url), _) => Some(url.clone()),
        (None, Some(file_id)) => api.retrieve_file(file_id).await?.download_url,
        (None, None) => None,
    };
    if url.is_none() && ready.text.is_none() {
        let why = "a finished task without a link".to_owned();
        return Err(ApiError::Shape { at: "/v1/files/retrieve".into(), why, trace_id: None });
    }
    let life = match route {
        Route::VideoV1 => Some(HOUR),
        Route::VideoTemplate => Some(9 * HOUR),
        // "Time-limited", the documents say, and no more.
        Route::VideoV2 | Route::SpeechAsync => None,
    };
    let file = url.map(|url| {
        let file = JobFile {
            name: "video.mp4".to_owned(),
            mime_type: "video/mp4".to_owned(),
            file_id: ready.file_id,
            width: ready.width,
            height: ready.height,
            ..JobFile::default()
        };
        file.linked(url, life)
    });
    let count = |name: &str| ready.usage.as_ref().and_then(|usage| usage.get(name)?.as_f64());
    // A V1 clip has one price whatever it is; V2 is billed by the second, and a text by its tokens.
    let (units, inputs) = match route {
        Route::VideoV1 => (Some(1.0), 0.0),
        _ if ready.text.is_some() => (count("completion_tokens"), count("prompt_tokens").unwrap_or_default()),
        _ => (count("total_seconds"), 0.0),
    };
    Ok(Made {
        files: file.into_iter().collect(),
        text: ready.text,
        units,
        inputs,
        usage: ready.usage,
        model: ready.model,
        ..Made::default()
    })
}
