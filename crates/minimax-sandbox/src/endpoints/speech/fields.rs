//! Field tables that the speech endpoints share.

use serde_json::{Map, Value};

use crate::engine::errors::ApiError;
use crate::engine::field_rules::{FILLED, Field, Kind, flag, optional, required, text};
use crate::media::score::{Piece, pieces};

pub(crate) const MODELS: &[&str] = &[
    "speech-2.8-hd",
    "speech-2.8-turbo",
    "speech-2.6-hd",
    "speech-2.6-turbo",
    "speech-02-hd",
    "speech-02-turbo",
    "speech-01-hd",
    "speech-01-turbo",
];
pub(crate) const ANY_TEXTS: Kind = Kind::List { min: 0, max: usize::MAX, item: &FILLED };
/// "T2A async > voice_setting", and the same for WebSockets.
pub(crate) const VOICE: &[Field] = &[
    required("voice_id", FILLED),
    optional("speed", Kind::Number { min: 0.5, max: 2.0 }),
    optional("vol", Kind::Positive { max: 10.0 }),
    optional("pitch", Kind::Int { min: -12, max: 12 }),
    optional("emotion", Kind::OneOf(EMOTIONS)),
    optional("english_normalization", Kind::Bool),
    optional("latex_read", Kind::Bool),
];
pub(crate) const EMOTIONS: &[&str] =
    &["happy", "sad", "angry", "fearful", "disgusted", "surprised", "calm", "fluent", "whisper"];
pub(crate) const AUDIO: &[Field] = &[
    optional("sample_rate", Kind::IntOf(&[8000, 16_000, 22_050, 24_000, 32_000, 44_100])),
    optional("bitrate", Kind::IntOf(&[32_000, 64_000, 128_000, 256_000])),
    optional("format", Kind::OneOf(&["mp3", "pcm", "flac", "wav", "pcmu_raw", "pcmu_wav", "opus"])),
    optional("channel", Kind::IntOf(&[1, 2])),
    optional("force_cbr", Kind::Bool),
];
pub(crate) const TIMBRE: &[Field] =
    &[required("voice_id", FILLED), required("weight", Kind::Int { min: 1, max: 100 })];
const HUNDRED: Kind = Kind::Int { min: -100, max: 100 };
pub(crate) const MODIFY: &[Field] = &[
    optional("pitch", HUNDRED),
    optional("intensity", HUNDRED),
    optional("timbre", HUNDRED),
    optional(
        "sound_effects",
        Kind::OneOf(&["spacious_echo", "auditorium_echo", "lofi_telephone", "robotic"]),
    ),
];
/// "T2A v2 > language_boost".
pub(crate) const LANGUAGES: &[&str] = &[
    "Chinese",
    "Chinese,Yue",
    "English",
    "Arabic",
    "Russian",
    "Spanish",
    "French",
    "Portuguese",
    "German",
    "Turkish",
    "Dutch",
    "Ukrainian",
    "Vietnamese",
    "Indonesian",
    "Japanese",
    "Italian",
    "Korean",
    "Thai",
    "Polish",
    "Romanian",
    "Greek",
    "Czech",
    "Finnish",
    "Hindi",
    "Bulgarian",
    "Danish",
    "Hebrew",
    "Malay",
    "Persian",
    "Slovak",
    "Swedish",
    "Croatian",
    "Filipino",
    "Hungarian",
    "Norwegian",
    "Slovenian",
    "Catalan",
    "Nynorsk",
    "Tamil",
    "Afrikaans",
    "auto",
];

/// Rules that the field tables cannot express.
pub(crate) fn check_combinations(body: &Map<String, Value>) -> Result<(), ApiError> {
    let empty = Map::new();
    let part = |name: &str| body.get(name).and_then(Value::as_object).unwrap_or(&empty);
    let (voice, audio) = (part("voice_setting"), part("audio_setting"));
    let (model, emotion) = (text(body, "model"), text(voice, "emotion"));
    let format = if audio.contains_key("format") { text(audio, "format") } else { "mp3" };
    let stream = flag(body, "stream");
    let rules = [
        (
            body.contains_key("timbre_weights") && !text(voice, "voice_id").is_empty(),
            "voice_setting.voice_id must be empty when timbre_weights are given",
        ),
        (
            !body.contains_key("timbre_weights") && text(voice, "voice_id").is_empty(),
            "voice_setting.voice_id is required",
        ),
        (
            matches!(emotion, "fluent" | "whisper") && !model.starts_with("speech-2.6"),
            "voice_setting.emotion fluent and whisper are only for the speech-2.6 models",
        ),
        (
            model.starts_with("speech-0")
                && matches!(text(body, "language_boost"), "Persian" | "Filipino" | "Tamil"),
            "language_boost Persian, Filipino and Tamil are not for the speech-01 and speech-02 models",
        ),
        (
            body.contains_key("voice_modify") && !matches!(format, "mp3" | "wav" | "flac"),
            "voice_modify needs audio_setting.format mp3, wav or flac",
        ),
        (body.contains_key("voice_modify") && stream && format != "mp3", "voice_modify streams only as mp3"),
        (stream && format.ends_with("wav"), "audio_setting.format wav cannot be streamed"),
        (stream && text(body, "output_format") == "url", "output_format url cannot be streamed"),
        (!stream && body.contains_key("stream_options"), "stream_options need stream"),
        (
            !stream && text(body, "subtitle_type") == "word_streaming",
            "subtitle_type word_streaming needs stream",
        ),
    ];
    match rules.iter().find(|(broken, _)| *broken) {
        Some((_, rule)) => Err(ApiError::invalid(rule)),
        None => pauses(text(body, "text")),
    }
}

/// "T2A v2 > text": pauses `<#x#>` with x from 0.01 to 99.99, between speech and never two in a row.
fn pauses(spoken: &str) -> Result<(), ApiError> {
    let pieces = pieces(spoken);
    let is_rest = |piece: &&Piece<'_>| matches!(piece, Piece::Rest(_));
    if pieces.iter().any(|piece| matches!(piece, Piece::Rest(x) if !(0.01..=99.99).contains(x))) {
        return Err(ApiError::invalid("text: a pause <#x#> must be 0.01 to 99.99 seconds"));
    }
    if pieces.windows(2).any(|pair| pair.iter().all(|piece| is_rest(&piece))) {
        return Err(ApiError::invalid("text: two pauses must not follow each other"));
    }
    if pieces.first().iter().chain(&pieces.last()).any(is_rest) {
        return Err(ApiError::invalid("text: a pause must be between speech"));
    }
    Ok(())
}
