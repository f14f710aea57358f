//! What can be bought, and what comes back: the one place where a capability meets the jobs.

use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::job::{JobFile, Kind, now};
use super::speech::{self, SpeechOrder};
use super::state::{Route, Task};
use crate::api::{
    ApiError, AudioFormat, Client, ImageSubmit, Progress, Ready, SoundStream, VideoSubmit, VideoV2Submit,
};
use crate::media::Player;

/// A request that costs money. Lives in memory only: it is sent once, and never from a record.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "one variant a capability")]
pub enum Paid {
    Image(ImageSubmit),
    Speech(SpeechOrder),
    Video(VideoSubmit),
    VideoV2(VideoV2Submit),
}

/// MiniMax's answer to a request that it took.
pub enum Answer {
    /// It works on it.
    Task(Task),
    /// It works on it, and says at once what is billed.
    Counted {
        /// What to ask about.
        task: Task,
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
    /// Fewer results than asked for: how many are missing.
    pub missing: u32,
    /// What is billed, in units of `Cost::unit`.
    pub units: Option<f64>,
    /// As MiniMax reported it.
    pub usage: Option<Value>,
    /// By MiniMax's record, where the caller named none.
    pub model: Option<String>,
    /// What the caller should know.
    pub warnings: Vec<String>,
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
        }
    }

    /// What it makes.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Image(_) => Kind::Image,
            Self::Speech(_) => Kind::Speech,
            Self::Video(_) | Self::VideoV2(_) => Kind::Video,
        }
    }

    /// The body as it is kept: media are named by their size alone.
    pub fn record(&self) -> Value {
        match self {
            Self::Image(submit) => recorded(submit),
            Self::Speech(order) => order.record(),
            Self::Video(submit) => recorded(submit),
            Self::VideoV2(submit) => recorded(submit),
        }
    }
}

/// A body without its media.
pub(super) fn recorded(submit: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(submit).unwrap_or_default();
    elide(&mut value);
    value
}

/// Cuts data URLs out of a body.
fn elide(value: &mut Value) {
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
    let files = images.urls.into_iter().enumerate().map(|(index, url)| JobFile {
        name: format!("image-{}.jpg", index + 1),
        mime_type: "image/jpeg".to_owned(),
        url_expires_at: Some(expiry(&url).unwrap_or(now() + 24 * HOUR)),
        url: Some(url),
        ..JobFile::default()
    });
    let files: Vec<_> = files.collect();
    let units = u32::try_from(files.len()).ok().map(f64::from);
    Ok(Made { missing: images.failed, units, usage: images.usage, files, ..Made::default() })
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
    let life = match route {
        Route::VideoV1 => Some(HOUR),
        Route::VideoTemplate => Some(9 * HOUR),
        // "Time-limited", the documents say, and no more.
        Route::VideoV2 | Route::SpeechAsync => None,
    };
    let file = url.map(|url| JobFile {
        name: "video.mp4".to_owned(),
        mime_type: "video/mp4".to_owned(),
        url_expires_at: expiry(&url).or(life.map(|life| now() + life)),
        url: Some(url),
        file_id: ready.file_id,
        width: ready.width,
        height: ready.height,
        ..JobFile::default()
    });
    let seconds = ready.usage.as_ref().and_then(|usage| usage.get("total_seconds")?.as_f64());
    // A V1 clip has one price whatever it is; V2 is billed by the second.
    let units = if route == Route::VideoV1 { Some(1.0) } else { seconds };
    Ok(Made {
        files: file.into_iter().collect(),
        text: ready.text,
        units,
        usage: ready.usage,
        model: ready.model,
        ..Made::default()
    })
}

/// When a signed link ends, as far as it says so itself, in Unix milliseconds.
pub(super) fn expiry(url: &str) -> Option<i64> {
    let url = url::Url::parse(url).ok()?;
    let (_, at) = url.query_pairs().find(|(name, _)| name.eq_ignore_ascii_case("expires"))?;
    let seconds: i64 = at.parse().ok()?;
    (seconds > 1_000_000_000).then(|| seconds.saturating_mul(1000))
}
