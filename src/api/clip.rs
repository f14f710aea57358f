//! Audio inside a response.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::count;

/// A link, or bytes in hex. Hex is decoded during parsing, so that an hour of speech is in memory only once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clip {
    /// A link to the audio.
    Link(String),
    /// The audio itself.
    Bytes(Vec<u8>),
}

impl Clip {
    /// Whether the response has no audio: MiniMax may send an empty string.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes.is_empty())
    }
}

impl<'de> Deserialize<'de> for Clip {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Either)
    }
}

/// Whether `data.status` says that MiniMax still works on the audio: 1, where 2 is done.
pub(super) fn is_unfinished(status: Option<&Value>) -> bool {
    status.and_then(count) == Some(1)
}

struct Either;

impl Visitor<'_> for Either {
    type Value = Clip;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sound as a link or as hex")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Clip, E> {
        if text.starts_with("http") {
            return Ok(Clip::Link(text.to_owned()));
        }
        let decoded = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        decoded
            .map(Clip::Bytes)
            .map_err(|error| E::custom(format!("the audio is neither a link nor hex: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_is_a_link_or_hex_and_nothing_else() {
        let read = |json: &str| serde_json::from_str::<Option<Clip>>(json);
        assert_eq!(read(r#""https://a/b""#).unwrap(), Some(Clip::Link("https://a/b".into())));
        assert_eq!(read(r#""49443aFF""#).unwrap(), Some(Clip::Bytes(b"ID:\xff".to_vec())));
        assert!(read(r#""""#).unwrap().unwrap().is_empty());
        assert_eq!(read("null").unwrap(), None);
        for bad in [r#""4944 3""#, r#""sound""#, "7"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
