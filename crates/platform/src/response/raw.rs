//! Answers that could not be read, kept whole: what was paid for may be in them.

use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;

use super::lifted::Lifted;

/// What MiniMax answered, without keys.
#[derive(Clone, PartialEq, Eq)]
pub struct RawAnswer(Arc<Kept>);

#[derive(PartialEq, Eq)]
struct Kept {
    bytes: Vec<u8>,
    is_part: bool,
}

impl RawAnswer {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Kept { bytes, is_part: false }))
    }

    /// The same bytes, as the beginning of a longer answer.
    pub(crate) fn part(self) -> Self {
        let bytes = Arc::try_unwrap(self.0).map_or_else(|shared| shared.bytes.clone(), |kept| kept.bytes);
        Self(Arc::new(Kept { bytes, is_part: true }))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Whether the rest did not arrive, or was not read.
    pub fn is_part(&self) -> bool {
        self.0.is_part
    }

    /// The answer as text, cut to `most` bytes.
    pub fn quoted(&self, most: usize) -> String {
        let text = String::from_utf8_lossy(self.bytes());
        let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        text.get(..end.unwrap_or_default()).unwrap_or_default().to_owned()
    }
}

/// Shows the size alone, because an answer may have megabytes.
impl fmt::Debug for RawAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawAnswer({} bytes)", self.bytes().len())
    }
}

/// Puts the texts back that were decoded while the answer arrived.
pub(crate) fn whole_again(body: Vec<u8>, lifted: &Lifted) -> Vec<u8> {
    if lifted.is_empty() {
        return body;
    }
    let mut text = String::from_utf8_lossy(&body).into_owned();
    for (mark, bytes) in lifted.marked() {
        text = text.replace(&format!("\"{mark}\""), &format!("\"{}\"", HEXLOWER.encode(bytes)));
    }
    text.into_bytes()
}
