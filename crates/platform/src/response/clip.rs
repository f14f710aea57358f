//! Audio inside a response.

use std::borrow::Cow;

use data_encoding::BASE64_NOPAD;
use serde_json::Value;

use super::envelope::{count, usable_link};
use super::lifted::{self, Lifted};

/// A link, or bytes in hex. Hex is decoded as it arrives, so that an hour of speech is in memory only once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clip {
    /// A link to the audio.
    Link(String),
    /// The audio itself.
    Bytes(Vec<u8>),
}

impl Clip {
    /// Whether the response has no audio: MiniMax may send an empty string.
    fn is_empty(&self) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes.is_empty())
    }
}

/// Why audio may not be complete. `data.status` is 2 for finished audio and 1 for the rest.
pub(crate) fn cut(status: Option<&Value>, audio: Option<&Found>) -> Option<&'static str> {
    if matches!(audio, Some(Found::Damaged(_))) {
        return Some("the audio in MiniMax's answer is damaged: only what comes before the damage is kept");
    }
    let unfinished = status.and_then(count).is_some_and(|status| status != 2);
    unfinished.then_some(
        "MiniMax called the result unfinished (status 1) when it handed it over: it may be cut short",
    )
}

/// With fewer bytes before the damage, the text is not audio. It only happens to begin with hexadecimal digits.
const LEAST: usize = 512;

/// Decodes hex in either case, and ignores white space. Returns the bytes before the first wrong digit, and whether these
/// are all.
pub fn hex(text: &str) -> (Vec<u8>, bool) {
    let mut digits = Cow::Borrowed(text.as_bytes());
    if digits.iter().any(u8::is_ascii_whitespace) {
        digits.to_mut().retain(|digit| !digit.is_ascii_whitespace());
    }
    let right = digits.iter().take_while(|digit| digit.is_ascii_hexdigit()).count();
    let even = digits.get(..right - right % 2).unwrap_or_default();
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(even).unwrap_or_default();
    (bytes, even.len() == digits.len())
}

/// Audio in a response whose long texts were decoded on arrival (see [`Lifted`]).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Here(Clip),
    /// The bytes before the damage.
    Damaged(Vec<u8>),
    /// The number of a mark in the JSON.
    Lifted(usize),
    /// A text in the place of the audio that is neither a link nor a sound.
    Odd(String),
}

impl Found {
    fn of(text: &str) -> Self {
        if let Some(link) = usable_link(text) {
            return Self::Here(Clip::Link(link));
        }
        if let Some(mark) = lifted::mark(text) {
            return Self::Lifted(mark);
        }
        let (bytes, is_whole) = hex(text);
        if is_whole {
            return Self::Here(Clip::Bytes(bytes));
        }
        match base64(text) {
            Some((bytes, true)) => Self::Here(Clip::Bytes(bytes)),
            Some((bytes, false)) => Self::Damaged(bytes),
            None if bytes.len() >= LEAST => Self::Damaged(bytes),
            None => Self::Odd(text.to_owned()),
        }
    }

    /// How much it is worth beside another one.
    fn rank(&self) -> u8 {
        match self {
            Self::Here(clip) if clip.is_empty() => 0,
            Self::Odd(_) => 1,
            Self::Damaged(_) => 2,
            Self::Here(_) | Self::Lifted(_) => 3,
        }
    }

    /// The audio, unless the response has none: MiniMax may send an empty string.
    pub(crate) fn clip(self, lifted: &mut Lifted) -> Option<Clip> {
        match self {
            Self::Here(clip) => Some(clip).filter(|clip| !clip.is_empty()),
            Self::Damaged(bytes) => Some(Clip::Bytes(bytes)),
            Self::Lifted(mark) => lifted.take(mark).map(Clip::Bytes),
            Self::Odd(_) => None,
        }
    }
}

/// The fields that may have a sound. MiniMax documents the first four.
const SOUNDS: &[&str] =
    &["audio", "demo_audio", "trial_audio", "audio_url", "audio_file", "audio_hex", "audio_base64", "url"];

/// Fields around the others.
const WRAPPERS: &[&str] = &["data", "result", "output"];

/// The best sound in an answer.
pub(crate) fn sound(answer: &Value) -> Option<Found> {
    let mut found = Vec::new();
    gather(answer, 0, &mut found);
    // The first of the best.
    found.into_iter().rev().max_by_key(Found::rank)
}

fn gather(value: &Value, depth: u8, found: &mut Vec<Found>) {
    match value {
        Value::String(text) if depth > 0 => found.push(Found::of(text)),
        Value::Array(items) => items.iter().for_each(|item| gather(item, depth, found)),
        Value::Object(fields) if depth < 4 => {
            for name in SOUNDS.iter().chain(WRAPPERS) {
                let inner = fields.get(*name).filter(|inner| SOUNDS.contains(name) || !inner.is_string());
                if let Some(inner) = inner {
                    gather(inner, depth + 1, found);
                }
            }
        }
        _ => {}
    }
}

/// `status` of an answer, which is 2 for finished audio.
pub(crate) fn status(answer: &Value) -> Option<&Value> {
    answer.pointer("/data/status").or_else(|| answer.get("status"))
}

/// What is wrong with an answer without audio.
pub(crate) fn none(found: Option<&Found>) -> String {
    match found {
        Some(Found::Odd(text)) => {
            let begins: String = text.chars().take(200).collect();
            format!("its audio is neither a link that can be fetched nor a sound: {begins:?}")
        }
        _ => "a success without audio".to_owned(),
    }
}

/// The sound that was found, or else the text in its place.
pub(crate) fn or_odd(found: Option<Found>, lifted: &mut Lifted) -> (Option<Clip>, Option<String>) {
    match found {
        Some(Found::Odd(text)) => (None, Some(text)),
        found => (found.and_then(|found| found.clip(lifted)), None),
    }
}

/// Decodes base64 in either alphabet, with or without its padding, and data URLs. Returns what comes before a wrong
/// letter, and whether this is all. `None` for a text that is something else, such as hex with some damage.
pub(crate) fn base64(text: &str) -> Option<(Vec<u8>, bool)> {
    let data = text.trim_start().strip_prefix("data:").and_then(|url| url.split_once(";base64,"));
    let digits: Vec<u8> = data.map_or(text, |(_, digits)| digits).bytes().filter_map(standard).collect();
    let end = digits.iter().rposition(|digit| *digit != b'=').map_or(0, |last| last + 1);
    let digits = digits.get(..end).unwrap_or_default();
    let right = digits.iter().take_while(|digit| **digit != BAD && **digit != b'=').count();
    let valid = digits.get(..right).unwrap_or_default();
    let others = valid.iter().filter(|digit| !digit.is_ascii_hexdigit()).count();
    if data.is_none() && (right / 4 * 3 < LEAST || others < right / 8) {
        return None;
    }
    if right == digits.len()
        && let Ok(bytes) = BASE64_NOPAD.decode(valid)
    {
        return Some((bytes, true));
    }
    let bytes = BASE64_NOPAD.decode(valid.get(..right / 4 * 4).unwrap_or_default()).unwrap_or_default();
    (!bytes.is_empty()).then_some((bytes, false))
}

/// Stands for a byte that is no digit of base64.
const BAD: u8 = 0;

/// A digit in the usual alphabet. `None` for white space.
fn standard(byte: u8) -> Option<u8> {
    match byte {
        b'-' => Some(b'+'),
        b'_' => Some(b'/'),
        b'+' | b'/' | b'=' => Some(byte),
        _ if byte.is_ascii_alphanumeric() => Some(byte),
        _ if byte.is_ascii_whitespace() => None,
        _ => Some(BAD),
    }
}

/// A piece of a stream: hex, or base64 from a server that writes it so.
pub(crate) fn piece(text: &str) -> Option<Vec<u8>> {
    let (bytes, is_whole) = hex(text);
    if is_whole {
        return Some(bytes);
    }
    base64(text).and_then(|(bytes, is_whole)| is_whole.then_some(bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sound_is_a_link_or_hex_or_base64_and_nothing_else() {
        let here = |clip| Some(Found::Here(clip));
        assert_eq!(
            sound(&json!({ "data": { "audio": "https://a/b" } })),
            here(Clip::Link("https://a/b".into()))
        );
        assert_eq!(sound(&json!({ "audio": "49443aFF" })), here(Clip::Bytes(b"ID:\xff".to_vec())));
        assert_eq!(sound(&json!({ "audio": " 4944\n3aFF\n" })), here(Clip::Bytes(b"ID:\xff".to_vec())));
        assert_eq!(sound(&json!({ "audio": "" })).unwrap().clip(&mut Lifted::default()), None);
        // Nothing was decoded on arrival, so a text that looks like a mark is not audio.
        assert_eq!(sound(&json!({ "audio": "lifted:0" })).unwrap().clip(&mut Lifted::default()), None);
        for none in [json!(null), json!({}), json!({ "audio": 7 }), json!({ "data": "https://a/b" })] {
            assert_eq!(sound(&none), None);
        }
        for odd in ["4944 3", "sound", "http", "https:/", "https://", "https://a/\u{fffd}"] {
            assert_eq!(sound(&json!({ "audio": odd })), Some(Found::Odd(odd.to_owned())));
        }
        let bytes: Vec<u8> = (0..9000_u32).map(|n| n.to_le_bytes()[0].wrapping_mul(31)).collect();
        for text in [
            data_encoding::BASE64.encode(&bytes),
            data_encoding::BASE64URL_NOPAD.encode(&bytes),
            format!("data:audio/mpeg;base64,{}", data_encoding::BASE64_MIME.encode(&bytes)),
        ] {
            assert_eq!(sound(&json!({ "data": { "audio": text } })), here(Clip::Bytes(bytes.clone())));
        }
    }

    #[test]
    fn the_best_of_several_texts_counts_whatever_they_are_wrapped_in() {
        for answer in [
            json!({ "data": { "audio": "", "audio_url": "https://a/b" } }),
            json!({ "data": { "audio": "https:/", "audio_url": "https://a/b" } }),
            json!({ "result": { "data": [{ "audio": { "url": "https://a/b" } }] } }),
            json!({ "audio": ["https://a/b", "https://a/c"] }),
        ] {
            assert_eq!(sound(&answer), Some(Found::Here(Clip::Link("https://a/b".into()))));
        }
    }

    #[test]
    fn damaged_audio_is_kept_up_to_the_damage_and_never_called_complete() {
        for damage in ["", "4", "zz49", "\u{fffd}49"] {
            let text = format!("{}{damage}", "49".repeat(LEAST));
            let found = sound(&json!({ "audio": text })).unwrap();
            assert_eq!(cut(Some(&2.into()), Some(&found)).is_some(), !damage.is_empty(), "{damage}");
            assert_eq!(found.clip(&mut Lifted::default()), Some(Clip::Bytes(vec![b'I'; LEAST])));
        }
        let text = format!("{}\u{fffd}", data_encoding::BASE64_NOPAD.encode(&[0xfb; 900]));
        assert_eq!(sound(&json!({ "audio": text })), Some(Found::Damaged(vec![0xfb; 900])));
    }
}
