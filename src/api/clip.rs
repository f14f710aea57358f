//! Audio inside a response.

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

/// Whether `data.status` says that MiniMax has not finished the audio: 2 is done, and 1 is not.
pub(super) fn is_unfinished(status: Option<&Value>) -> bool {
    status.and_then(count).is_some_and(|status| status != 2)
}

/// Audio in a response whose long texts were decoded as they came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Here(Clip),
    /// The number of a mark.
    Lifted(usize),
}

impl Found {
    /// The audio, unless the response has none: MiniMax may send an empty string.
    pub(super) fn clip(self, lifted: &mut Lifted) -> Option<Clip> {
        match self {
            Self::Here(clip) => Some(clip).filter(|clip| !clip.is_empty()),
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
        f.write_str("a sound as a link or as hex")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Found, E> {
        if let Some(link) = usable_link(text) {
            return Ok(Found::Here(Clip::Link(link)));
        }
        if let Some(mark) = lifted::mark(text) {
            return Ok(Found::Lifted(mark));
        }
        let decoded = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        decoded
            .map(|bytes| Found::Here(Clip::Bytes(bytes)))
            .map_err(|error| E::custom(format!("the audio is neither a link nor hex: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_is_a_link_or_hex_and_nothing_else() {
        let read = |json: &str| serde_json::from_str::<Option<Found>>(json);
        let here = |clip| Some(Found::Here(clip));
        assert_eq!(read(r#""https://a/b""#).unwrap(), here(Clip::Link("https://a/b".into())));
        assert_eq!(read(r#""49443aFF""#).unwrap(), here(Clip::Bytes(b"ID:\xff".to_vec())));
        assert_eq!(read(r#""""#).unwrap().unwrap().clip(&mut Lifted::default()), None);
        // Nothing was decoded on arrival, so a text that looks like a mark is not audio.
        assert_eq!(read(r#""lifted:0""#).unwrap().unwrap().clip(&mut Lifted::default()), None);
        assert_eq!(read("null").unwrap(), None);
        for bad in [r#""4944 3""#, r#""sound""#, "7"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
