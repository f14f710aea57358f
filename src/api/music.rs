//! Music and lyrics (platform docs > Music Generation, Music Cover Preprocess, Lyrics Generation).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ApiError, Client, Clip, Endpoint};

const MUSIC: Endpoint = Endpoint::post("/v1/music_generation", 600);
const PREPROCESS: Endpoint = Endpoint::post("/v1/music_cover_preprocess", 300);
const LYRICS: Endpoint = Endpoint::post("/v1/lyrics_generation", 180);

/// The body of `POST /v1/music_generation`, not streamed.
#[derive(Debug, Clone, Serialize)]
pub struct Submit {
    /// `music-3.0` and the like.
    pub model: String,
    /// The style; how long it may be depends on the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// With section tags such as `[Verse]` on lines of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lyrics: Option<String>,
    /// Always `url`: a link outlives a crash of ours, bytes in an answer do not.
    pub output_format: &'static str,
    /// What the file is like.
    pub audio_setting: AudioSetting,
    /// Lets MiniMax write the lyrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lyrics_optimizer: Option<bool>,
    /// Nobody sings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_instrumental: Option<bool>,
    /// What a cover is made of.
    #[serde(flatten)]
    pub reference: Option<Reference>,
    /// Marks the music as machine-made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aigc_watermark: Option<bool>,
}

/// The song that a cover is made of; the field on the wire has the variant's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// A public link.
    AudioUrl(String),
    /// The bytes.
    AudioBase64(String),
    /// What a preprocess has given; it is good for 24 hours.
    CoverFeatureId(String),
}

/// What the file is like (Music Generation > audio_setting).
#[derive(Debug, Clone, Serialize)]
pub struct AudioSetting {
    /// Hz.
    pub sample_rate: u32,
    /// Bits a second; left out for formats that have no choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
    /// Coding and container.
    pub format: MusicFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the values on the wire")]
pub enum MusicFormat {
    #[default]
    Mp3,
    Wav,
    Pcm,
}

impl MusicFormat {
    /// The ending of the file's name, and the MIME type.
    pub fn file(self) -> (&'static str, &'static str) {
        match self {
            Self::Mp3 => ("mp3", "audio/mpeg"),
            Self::Wav => ("wav", "audio/wav"),
            Self::Pcm => ("pcm", "audio/pcm"),
        }
    }
}

/// What one request made.
#[derive(Debug, Clone, PartialEq)]
pub struct Song {
    /// A link, valid for 24 hours; or the bytes should MiniMax answer with them after all.
    pub audio: Clip,
    /// Milliseconds.
    pub length_ms: Option<u64>,
    /// `extra_info` as it came.
    pub usage: Option<Value>,
}

/// The body of `POST /v1/lyrics_generation`.
#[derive(Debug, Clone, Serialize)]
pub struct LyricsOrder {
    /// What is asked for.
    pub mode: LyricsMode,
    /// A theme, or what is to change.
    pub prompt: String,
    /// What is to be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lyrics: Option<String>,
    /// Kept if given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the values on the wire")]
pub enum LyricsMode {
    WriteFullSong,
    Edit,
}

/// Lyrics as MiniMax wrote them.
#[derive(Debug, Clone, Default, Deserialize)]
#[expect(missing_docs, reason = "the fields are those on the wire")]
pub struct Lyrics {
    #[serde(default)]
    pub song_title: String,
    #[serde(default)]
    pub style_tags: String,
    pub lyrics: String,
}

impl Client {
    /// Makes a piece of music and waits for it: minutes.
    pub async fn make_music(&self, submit: &Submit) -> Result<Song, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            data: Option<Data>,
            extra_info: Option<Value>,
            trace_id: Option<String>,
        }
        #[derive(Deserialize)]
        struct Data {
            audio: Option<Clip>,
        }
        let answer: Answer = self.post(&MUSIC, submit).await?;
        let audio = answer.data.and_then(|data| data.audio).filter(|clip| !clip.is_empty());
        let Some(audio) = audio else {
            let why = "a success without audio".to_owned();
            return Err(ApiError::Shape { path: MUSIC.path, why, trace_id: answer.trace_id });
        };
        let length_ms = answer.extra_info.as_ref().and_then(|info| info.get("music_duration")?.as_u64());
        Ok(Song { audio, length_ms, usage: answer.extra_info })
    }

    /// Takes a song apart for a cover with lyrics of its own; the answer is the id of what was found.
    pub async fn preprocess_cover(&self, model: &str, audio: &Reference) -> Result<String, ApiError> {
        #[derive(Serialize)]
        struct Order<'a> {
            model: &'a str,
            #[serde(flatten)]
            audio: &'a Reference,
        }
        #[derive(Deserialize)]
        struct Answer {
            cover_feature_id: String,
        }
        let Answer { cover_feature_id } = self.post(&PREPROCESS, &Order { model, audio }).await?;
        Ok(cover_feature_id)
    }

    /// Writes or changes lyrics and waits for them.
    pub async fn write_lyrics(&self, order: &LyricsOrder) -> Result<Lyrics, ApiError> {
        self.post(&LYRICS, order).await
    }
}
