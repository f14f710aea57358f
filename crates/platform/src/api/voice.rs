//! Lists and deletes voices, and makes new ones from a recording or a description (platform docs > Voice Clone,
//! Voice Design, Voice Management).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::envelope::usable_link;
use super::{ApiError, Client, Endpoint, or_default};

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
    /// A link to the demo, if one was requested.
    pub demo_audio: Option<String>,
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
    /// The preview: an MP3 in hex, in either case.
    pub trial_audio: String,
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
        #[derive(Deserialize)]
        struct Answer {
            // The documentation has two forms: a boolean with the type in a second field, or an object with it inside.
            input_sensitive: Option<Value>,
            input_sensitive_type: Option<Value>,
            #[serde(default, deserialize_with = "or_default")]
            demo_audio: Option<String>,
            extra_info: Option<Value>,
            base_resp: Option<Value>,
        }
        let answer: Answer = self.post(&CLONE, submit).await?;
        let says = [&answer.input_sensitive, &answer.extra_info, &answer.base_resp];
        if answer.demo_audio.is_none() && says.into_iter().all(Option::is_none) {
            let why = "a success without any of its fields".to_owned();
            return Err(ApiError::Shape { at: self.at(CLONE.path), why, trace_id: None });
        }
        let kind = answer.input_sensitive.as_ref().and_then(|value| value.get("type")?.as_i64());
        let flagged = answer.input_sensitive == Some(Value::Bool(true)) || kind.is_some_and(|kind| kind != 0);
        let kind = kind.or(answer.input_sensitive_type.and_then(|kind| kind.as_i64()));
        Ok(Cloned {
            demo_audio: answer.demo_audio.as_deref().and_then(usable_link),
            characters: answer.extra_info.as_ref().and_then(|info| info.get("usage_characters")?.as_u64()),
            sensitive: flagged.then_some(kind.unwrap_or_default()),
            usage: answer.extra_info,
        })
    }

    /// Makes a voice from a description.
    pub async fn design_voice(&self, submit: &DesignSubmit) -> Result<Designed, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "or_default")]
            voice_id: Option<String>,
            #[serde(default, deserialize_with = "or_default")]
            trial_audio: Option<String>,
            #[serde(default, deserialize_with = "or_default")]
            trace_id: Option<String>,
        }
        let answer: Answer = self.post(&DESIGN, submit).await?;
        let voice_id = answer.voice_id.filter(|id| !id.is_empty()).or_else(|| submit.voice_id.clone());
        let missing = || ApiError::Shape {
            at: self.at(DESIGN.path),
            why: "a success without voice_id".to_owned(),
            trace_id: answer.trace_id.clone(),
        };
        Ok(Designed {
            voice_id: voice_id.ok_or_else(missing)?,
            trial_audio: answer.trial_audio.unwrap_or_default(),
        })
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
