//! Lists and deletes voices, and makes new ones from a recording or a description (platform docs > Voice Clone,
//! Voice Design, Voice Management).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::exchange::Beside;
use super::{ApiError, Client, Endpoint, or_default};
use crate::response::clip::{self, Clip};
use crate::response::envelope::count;

const GET: Endpoint = Endpoint::post("/v1/get_voice", 60);
const DELETE: Endpoint = Endpoint::free_post("/v1/delete_voice");
const CLONE: Endpoint = Endpoint::post("/v1/voice_clone", 180);
const DESIGN: Endpoint = Endpoint::post("/v1/voice_design", 180).with_media(16 * 1024 * 1024);

/// Where a voice comes from (Get Voice > voice_type).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the values on the wire")]
pub enum VoiceKind {
    System,
    VoiceCloning,
    VoiceGeneration,
}

impl VoiceKind {
    /// The value on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::VoiceCloning => "voice_cloning",
            Self::VoiceGeneration => "voice_generation",
        }
    }
}

/// A voice as MiniMax lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// The id to use in speech requests.
    pub id: String,
    /// The voice's origin.
    pub kind: VoiceKind,
    /// Only system voices have a name.
    pub name: Option<String>,
    /// In any language; may be empty.
    pub description: String,
    /// `YYYY-MM-DD`; absent for system voices.
    pub created: Option<String>,
}

/// The body of `POST /v1/voice_clone`.
#[derive(Debug, Clone, Serialize)]
pub struct CloneSubmit {
    /// The uploaded recording; a number on the wire.
    pub file_id: i64,
    /// The new voice's id.
    pub voice_id: String,
    /// A short recording with its transcript, for a closer match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clone_prompt: Option<ClonePrompt>,
    /// The text of a demo, which is billed like speech.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The model that speaks the demo. Needs `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The name of a language, or `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_boost: Option<String>,
    /// The expected transcript of the recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_validation: Option<String>,
    /// How closely the recording must match `text_validation`, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Off unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need_noise_reduction: Option<bool>,
    /// Off unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need_volume_normalization: Option<bool>,
}

/// A short recording with its transcript (Voice Clone > clone_prompt).
#[derive(Debug, Clone, Serialize)]
pub struct ClonePrompt {
    /// The uploaded recording.
    pub prompt_audio: i64,
    /// Its transcript.
    pub prompt_text: String,
}

/// A cloned voice.
#[derive(Debug, Clone, PartialEq)]
pub struct Cloned {
    /// The demo, if one was requested.
    pub demo: Option<Clip>,
    /// What is in the place of the demo if it is none.
    pub odd: Option<String>,
    /// The billed characters of the demo.
    pub characters: Option<u64>,
    /// MiniMax's number for the reason, if it flagged the input as sensitive.
    pub sensitive: Option<i64>,
    /// `extra_info`, unchanged.
    pub usage: Option<Value>,
}

/// The body of `POST /v1/voice_design`.
#[derive(Debug, Clone, Serialize)]
pub struct DesignSubmit {
    /// A description of the voice.
    pub prompt: String,
    /// The text of the preview, which is billed.
    pub preview_text: String,
    /// The new voice's id. If it is absent, MiniMax chooses one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice_id: Option<String>,
}

/// A designed voice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Designed {
    /// Its id.
    pub voice_id: String,
    /// The preview.
    pub trial: Option<Clip>,
    /// What is in the place of the preview if it is none.
    pub odd: Option<String>,
    /// Why the preview may not be complete.
    pub cut: Option<&'static str>,
}

impl Client {
    /// Lists the voices of a `voice_type`: `all`, `system`, `voice_cloning` or `voice_generation`. MiniMax lists the
    /// account's own voices only after their first use. Free.
    pub async fn voices(&self, voice_type: &str) -> Result<Vec<Voice>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            // An empty list may be `[]`, null or absent.
            system_voice: Option<Vec<Wire>>,
            voice_cloning: Option<Vec<Wire>>,
            voice_generation: Option<Vec<Wire>>,
        }
        #[derive(Deserialize)]
        struct Wire {
            voice_id: String,
            #[serde(default, deserialize_with = "or_default")]
            voice_name: Option<String>,
            description: Option<Value>,
            #[serde(default, deserialize_with = "or_default")]
            created_time: Option<String>,
        }
        let answer: Answer = self.post(&GET, &json!({ "voice_type": voice_type })).await?;
        let read = |kind: VoiceKind, list: Option<Vec<Wire>>| {
            list.unwrap_or_default().into_iter().map(move |wire| Voice {
                id: wire.voice_id,
                kind,
                name: wire.voice_name.filter(|name| !name.is_empty()),
                description: wire.description.map(words).unwrap_or_default(),
                created: wire.created_time.filter(|_| kind != VoiceKind::System),
            })
        };
        Ok(read(VoiceKind::VoiceCloning, answer.voice_cloning)
            .chain(read(VoiceKind::VoiceGeneration, answer.voice_generation))
            .chain(read(VoiceKind::System, answer.system_voice))
            .collect())
    }

    /// Deletes a voice that the account has made. Free.
    pub async fn delete_voice(&self, kind: VoiceKind, voice_id: &str) -> Result<(), ApiError> {
        let body = json!({ "voice_type": kind, "voice_id": voice_id });
        self.post::<serde::de::IgnoredAny>(&DELETE, &body).await?;
        Ok(())
    }

    /// Makes a voice from an uploaded recording.
    pub async fn clone_voice(&self, submit: &CloneSubmit) -> Result<Cloned, ApiError> {
        let read = |answer: Value, beside: &mut Beside| {
            let field = |name: &str| answer.get(name).or_else(|| answer.get("data")?.get(name));
            let sensitive = field("input_sensitive").filter(|value| !value.is_null());
            let usage = field("extra_info").filter(|value| !value.is_null());
            let base = field("base_resp").filter(|value| !value.is_null());
            let demo = clip::sound(&answer);
            if demo.is_none() && [sensitive, usage, base].iter().all(Option::is_none) {
                return Err("a success without any of its fields".to_owned());
            }
            // The documentation has two forms: a boolean with the type in a second field, or an object with it inside.
            let kind = sensitive.and_then(|value| count(value.get("type")?));
            let flagged = sensitive == Some(&Value::Bool(true)) || kind.is_some_and(|kind| kind != 0);
            let kind = kind.or(field("input_sensitive_type").and_then(count));
            let (demo, odd) = clip::or_odd(demo, &mut beside.lifted);
            Ok(Cloned {
                demo,
                odd,
                characters: usage.and_then(|info| count(info.get("usage_characters")?)?.try_into().ok()),
                sensitive: flagged.then_some(kind.unwrap_or_default()),
                usage: usage.cloned(),
            })
        };
        self.buy(&CLONE, |request| request.json(submit), read).await
    }

    /// Makes a voice from a description.
    pub async fn design_voice(&self, submit: &DesignSubmit) -> Result<Designed, ApiError> {
        let read = |answer: Value, beside: &mut Beside| {
            let named = ["/voice_id", "/data/voice_id", "/voice/voice_id", "/result/voice_id"];
            let id = named.iter().find_map(|place| answer.pointer(place)?.as_str());
            let id = id.map(str::trim).filter(|id| !id.is_empty() && !id.contains('\u{fffd}'));
            let id = id.map(str::to_owned).or_else(|| submit.voice_id.clone());
            let trial = clip::sound(&answer);
            let cut = clip::cut(None, trial.as_ref());
            let (trial, odd) = clip::or_odd(trial, &mut beside.lifted);
            let voice_id = id.ok_or("a success without voice_id")?;
            Ok(Designed { voice_id, trial, odd, cut })
        };
        self.buy(&DESIGN, |request| request.json(submit), read).await
    }
}

/// Joins a description, which MiniMax sends as a list of sentences.
fn words(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Array(parts) => parts.into_iter().map(words).collect::<Vec<_>>().join(" ").trim().to_owned(),
        _ => String::new(),
    }
}
