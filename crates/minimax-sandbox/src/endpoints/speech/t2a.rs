//! `POST /v1/t2a_v2` ("T2A v2"), as one response and as a stream.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::endpoints::speech::fields::{
    ANY_TEXTS, AUDIO, EMOTIONS, LANGUAGES, MODELS, MODIFY, TIMBRE, check_combinations,
};
use crate::endpoints::speech::synthesis::{
    extra_info, invisible_ratio, setting, streamed, subtitles, synthesize,
};
use crate::endpoints::voice;
use crate::engine::blocking::run_blocking;
use crate::engine::clock::HOUR;
use crate::engine::errors::{ApiError, INVISIBLE, success};
use crate::engine::field_rules::{
    Field, Kind, TEXT, check, flag, optional, reject_sensitive, required, text,
};
use crate::engine::journal::Entry;
use crate::engine::request::Call;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;
use crate::media::sound::{Setting, Sound};

/// "T2A v2 > Request".
const FIELDS: &[Field] = &[
    required("model", Kind::OneOf(MODELS)),
    required("text", Kind::Text { min: 1, max: 9999 }),
    optional("stream", Kind::Bool),
    optional("stream_options", Kind::Object(&[optional("exclude_aggregated_audio", Kind::Bool)])),
    required("voice_setting", Kind::Object(VOICE)),
    optional("audio_setting", Kind::Object(AUDIO)),
    optional("pronunciation_dict", Kind::Object(&[optional("tone", ANY_TEXTS)])),
    optional("timbre_weights", Kind::List { min: 1, max: 4, item: &Kind::Object(TIMBRE) }),
    optional("language_boost", Kind::OneOfOrNull(LANGUAGES)),
    optional("voice_modify", Kind::Object(MODIFY)),
    optional("subtitle_enable", Kind::Bool),
    optional("subtitle_type", Kind::OneOf(&["sentence", "word", "word_streaming"])),
    optional("output_format", Kind::OneOf(&["hex", "url"])),
    optional("aigc_watermark", Kind::Bool),
];
const VOICE: &[Field] = &[
    optional("voice_id", TEXT),
    optional("speed", Kind::Number { min: 0.5, max: 2.0 }),
    optional("vol", Kind::Positive { max: 10.0 }),
    optional("pitch", Kind::Int { min: -12, max: 12 }),
    optional("emotion", Kind::OneOf(EMOTIONS)),
    optional("text_normalization", Kind::Bool),
    optional("latex_read", Kind::Bool),
];
pub(crate) fn routes() -> Routes {
    Routes::new().post("/v1/t2a_v2", speak)
}

async fn speak(State(state): State<Arc<AppState>>, call: Call) -> Result<Response, ApiError> {
    let body = call.json()?;
    check(&body, FIELDS)?;
    check_combinations(&body)?;
    reject_sensitive(text(&body, "text"))?;
    if invisible_ratio(text(&body, "text")) > 0.1 {
        return Err(ApiError::of(INVISIBLE).beside(json!({"data": null, "trace_id": call.trace})));
    }
    let setting = setting(&body);
    let names = Names::of(&body, setting, &call.trace);
    let (maker, order, bill, kept) = (Arc::clone(&state), body.clone(), call.bill(), names.clone());
    let sound = run_blocking(move || {
        let sound = synthesize(&order, setting)?;
        kept.keep(&maker, &order, &sound)?;
        let entry = Entry::paid(bill, None, None);
        maker.store.add(&entry)?;
        voice::mark_voices_used(&maker, &order)?;
        Ok(sound)
    })
    .await?;
    let extra = extra_info(&body, setting, &sound);
    if flag(&body, "stream") {
        let whole = !body
            .get("stream_options")
            .and_then(Value::as_object)
            .is_some_and(|options| flag(options, "exclude_aggregated_audio"));
        return Ok(streamed(&sound.bytes, whole, &extra, &call.trace));
    }
    let link = |name: &String| state.link(name, 24 * HOUR);
    let hex = || data_encoding::HEXLOWER.encode(&sound.bytes);
    let mut data = json!({"audio": names.sound.as_ref().map_or_else(hex, link), "status": 2});
    if let (Some(name), Some(fields)) = (&names.subtitles, data.as_object_mut()) {
        fields.insert("subtitle_file".into(), json!(link(name)));
    }
    let answer = json!({"data": data, "extra_info": extra, "trace_id": call.trace, "base_resp": success()});
    Ok(Json(answer).into_response())
}

/// The names of the files that a request creates, if any.
#[derive(Clone)]
struct Names {
    sound: Option<String>,
    subtitles: Option<String>,
}

impl Names {
    fn of(body: &Map<String, Value>, setting: Setting, trace: &str) -> Self {
        let name = |ending| format!("speech-{trace}.{ending}");
        let by_link = text(body, "output_format") == "url";
        Self {
            sound: by_link.then(|| name(setting.format.ending())),
            subtitles: flag(body, "subtitle_enable").then(|| name("json")),
        }
    }

    fn keep(&self, state: &AppState, body: &Map<String, Value>, sound: &Sound) -> Result<(), ApiError> {
        let lines = || subtitles(text(body, "text"), sound.milliseconds).to_string().into_bytes();
        let files = [
            self.sound.as_ref().map(|name| (name, sound.bytes.clone())),
            self.subtitles.as_ref().map(|name| (name, lines())),
        ];
        for (name, bytes) in files.into_iter().flatten() {
            state.store.keep(name, &bytes)?;
        }
        Ok(())
    }
}
