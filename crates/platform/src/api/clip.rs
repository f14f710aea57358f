//! Audio inside a response.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
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
pub(super) fn cut(status: Option<&Value>, audio: Option<&Found>) -> Option<&'static str> {
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
pub(super) enum Found {
    Here(Clip),
    /// The bytes before the damage.
    Damaged(Vec<u8>),
    /// The number of a mark in the JSON.
    Lifted(usize),
}

impl Found {
    /// The audio, unless the response has none: MiniMax may send an empty string.
    pub(super) fn clip(self, lifted: &mut Lifted) -> Option<Clip> {
        match self {
            Self::Here(clip) => Some(clip).filter(|clip| !clip.is_empty()),
            Self::Damaged(bytes) => Some(Clip::Bytes(bytes)),
            Self::Lifted(mark) => lifted.take(mark).map(Clip::Bytes),
        }
    }
}

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Either)
    }
}

struct Either;

impl Visitor<'_> for Either {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("audio as a link or in hex")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Found, E> {
        if let Some(link) = usable_link(text) {
            return Ok(Found::Here(Clip::Link(link)));
        }
        if let Some(mark) = lifted::mark(text) {
            return Ok(Found::Lifted(mark));
        }
        match hex(text) {
            (bytes, true) => Ok(Found::Here(Clip::Bytes(bytes))),
            (bytes, false) if bytes.len() >= LEAST => Ok(Found::Damaged(bytes)),
            _ => Err(E::custom("the audio is neither a link nor hex")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_is_a_link_or_hex_and_nothing_else() {
        let read = |json: &str| serde_json::from_str::<Option<Found>>(json);
        let here = |clip| Some(Found::Here(clip));
        assert_eq!(read(r#""https://a/b""#).unwrap(), here(Clip::Link("https://a/b".into())));
        assert_eq!(read(r#""49443aFF""#).unwrap(), here(Clip::Bytes(b"ID:\xff".to_vec())));
        assert_eq!(read(r#""""#).unwrap().unwrap().clip(&mut Lifted::default()), None);
        // Nothing was decoded on arrival, so a text that looks like a mark is not audio.
        assert_eq!(read(r#""lifted:0""#).unwrap().unwrap().clip(&mut Lifted::default()), None);
        assert_eq!(read("null").unwrap(), None);
        assert_eq!(read(r#"" 4944\n3aFF\n""#).unwrap(), here(Clip::Bytes(b"ID:\xff".to_vec())));
        for bad in [r#""4944 3""#, r#""sound""#, "7"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn damaged_audio_is_kept_up_to_the_damage_and_never_called_complete() {
        for damage in ["", "4", "zz49", "\u{fffd}49"] {
            let text = format!("{}{damage}", "49".repeat(LEAST));
            let found: Found = serde_json::from_value(text.into()).unwrap();
            assert_eq!(cut(Some(&2.into()), Some(&found)).is_some(), !damage.is_empty(), "{damage}");
            assert_eq!(found.clip(&mut Lifted::default()), Some(Clip::Bytes(vec![b'I'; LEAST])));
        }
    }
}
