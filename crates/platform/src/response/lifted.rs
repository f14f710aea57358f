//! Long hex texts of a response, decoded while the response arrives.
//!
//! An hour of speech is one hex string in JSON. The whole response and its decoded audio would be in memory together,
//! three times the size of the audio. So the string is decoded while it arrives, and a mark replaces it in the JSON.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

/// Texts with fewer hexadecimal digits than this stay in the JSON.
const LONG: usize = 16 * 1024;

/// The beginning of a mark. The number of the text follows.
const MARK: &str = "lifted:";

/// The decoded texts of a response, in the order of their marks.
#[derive(Debug, Default)]
pub(crate) struct Lifted(Vec<Vec<u8>>);

impl Lifted {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The marks, each with its bytes.
    pub(crate) fn marked(&self) -> impl Iterator<Item = (String, &[u8])> {
        self.0.iter().enumerate().map(|(number, bytes)| (format!("{MARK}{number}"), bytes.as_slice()))
    }

    /// The bytes that a mark stands for.
    pub(crate) fn take(&mut self, mark: usize) -> Option<Vec<u8>> {
        self.0.get_mut(mark).map(std::mem::take).filter(|bytes| !bytes.is_empty())
    }
}

/// The number of a mark.
pub(crate) fn mark(text: &str) -> Option<usize> {
    text.strip_prefix(MARK)?.parse().ok()
}

/// Reads a response in pieces.
#[derive(Debug, Default)]
pub(crate) struct Lifter {
    /// The JSON, with marks.
    body: Vec<u8>,
    lifted: Lifted,
    place: Place,
    /// The size of the whole response, if it is known.
    announced: usize,
}

#[derive(Debug, Default)]
enum Place {
    /// Between texts.
    #[default]
    Outside,
    /// In a text that begins at `start` in the body.
    Text { start: usize, escaped: bool, hex: bool },
    /// In a text that is decoded. Its last digit may wait for the next piece.
    Lifting { bytes: Vec<u8>, digit: Option<u8> },
}

impl Lifter {
    pub(crate) fn new(announced: Option<usize>) -> Self {
        Self { announced: announced.unwrap_or_default(), ..Self::default() }
    }

    pub(crate) fn push(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            piece = match std::mem::take(&mut self.place) {
                Place::Outside => self.outside(piece),
                Place::Text { start, escaped, hex } => self.text(piece, start, escaped, hex),
                Place::Lifting { bytes, digit } => self.lifting(piece, bytes, digit),
            };
        }
    }

    /// The JSON with marks, and the decoded texts.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Lifted) {
        if let Place::Lifting { bytes, digit } = std::mem::take(&mut self.place) {
            self.put_back(&bytes, digit);
        }
        (self.body, self.lifted)
    }

    fn outside<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let (before, rest) = split_after(piece, |byte| byte == b'"');
        self.body.extend_from_slice(before);
        if before.ends_with(b"\"") {
            self.place = Place::Text { start: self.body.len(), escaped: false, hex: true };
        }
        rest
    }

    fn text<'a>(&mut self, piece: &'a [u8], start: usize, mut escaped: bool, mut hex: bool) -> &'a [u8] {
        for (index, byte) in piece.iter().enumerate() {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            hex &= byte.is_ascii_hexdigit();
            let long = hex && self.body.len() + index + 1 >= start.saturating_add(LONG);
            if ends || long {
                let (now, rest) = piece.split_at(index + 1);
                self.body.extend_from_slice(now);
                if long {
                    self.lift(start);
                }
                return rest;
            }
        }
        self.body.extend_from_slice(piece);
        self.place = Place::Text { start, escaped, hex };
        &[]
    }

    /// Moves the digits that have arrived so far out of the body, and decodes them.
    fn lift(&mut self, start: usize) {
        let digits = self.body.split_off(start);
        let mut bytes = Vec::with_capacity(self.announced.saturating_sub(start) / 2);
        let digit = decode(&mut bytes, None, &digits);
        self.place = Place::Lifting { bytes, digit };
    }

    fn lifting<'a>(&mut self, piece: &'a [u8], mut bytes: Vec<u8>, digit: Option<u8>) -> &'a [u8] {
        let end = piece.iter().position(|byte| !byte.is_ascii_hexdigit());
        let (digits, rest) = piece.split_at(end.unwrap_or(piece.len()));
        let digit = decode(&mut bytes, digit, digits);
        if rest.is_empty() {
            self.place = Place::Lifting { bytes, digit };
        } else if digit.is_none() && rest.starts_with(b"\"") {
            self.body.extend_from_slice(format!("{MARK}{}", self.lifted.0.len()).as_bytes());
            self.lifted.0.push(bytes);
            self.place = Place::Text { start: self.body.len(), escaped: false, hex: false };
        } else {
            let start = self.body.len();
            self.put_back(&bytes, digit);
            self.place = Place::Text { start, escaped: false, hex: false };
        }
        rest
    }

    /// Puts a text back that turned out not to be hex. The parser of the JSON reports the error.
    fn put_back(&mut self, bytes: &[u8], digit: Option<u8>) {
        self.body.extend_from_slice(HEXLOWER.encode(bytes).as_bytes());
        self.body.extend(digit);
    }
}

/// Decodes the digits, all of them hexadecimal, and returns the last one if their number is odd.
fn decode(bytes: &mut Vec<u8>, before: Option<u8>, digits: &[u8]) -> Option<u8> {
    let mut digits = digits;
    if let (Some(high), Some((low, rest))) = (before, digits.split_first()) {
        bytes.extend(HEXLOWER_PERMISSIVE.decode(&[high, *low]).unwrap_or_default());
        digits = rest;
    } else if before.is_some() {
        return before;
    }
    let (pairs, left) = digits.split_at(digits.len() / 2 * 2);
    let start = bytes.len();
    bytes.resize(start + pairs.len() / 2, 0);
    if let Some(room) = bytes.get_mut(start..) {
        // The alphabet was checked, and the length is even.
        let _ = HEXLOWER_PERMISSIVE.decode_mut(pairs, room);
    }
    left.first().copied()
}

fn split_after(piece: &[u8], is_last: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = piece.iter().position(|byte| is_last(*byte)).map_or(piece.len(), |index| index + 1);
    piece.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(response: &[u8], size: usize) -> (String, Lifted) {
        let mut reader = Lifter::new(Some(response.len()));
        response.chunks(size).for_each(|piece| reader.push(piece));
        let (body, lifted) = reader.finish();
        (String::from_utf8(body).unwrap(), lifted)
    }

    #[test]
    fn long_audio_is_decoded_on_arrival_and_the_rest_stays() {
        let sound: Vec<u8> = (0..50_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for digits in [HEXLOWER.encode(&sound), HEXLOWER.encode(&sound).to_uppercase()] {
            let response = format!(r#"{{"a\"b":"49ff","data":{{"audio":"{digits}","x":"\\"}},"status":2}}"#);
            for size in [1, 2, 3, 7, 1000, 1_000_000] {
                let (body, mut lifted) = read(response.as_bytes(), size);
                assert_eq!(
                    body, r#"{"a\"b":"49ff","data":{"audio":"lifted:0","x":"\\"},"status":2}"#,
                    "{size}"
                );
                assert!(lifted.take(0).unwrap() == sound, "{size}");
                assert_eq!((lifted.take(0), lifted.take(1)), (None, None));
            }
        }
    }

    #[test]
    fn hex_digits_that_are_not_audio_stay_unchanged() {
        let digits = "49ff".repeat(LONG);
        for end in ["9\"}", " \"}", "\\n\"}", "", "9"] {
            let response = format!("{{\"audio\":\"{digits}{end}");
            for size in [1, 1000, 1_000_000] {
                let (body, lifted) = read(response.as_bytes(), size);
                assert!(body == response && lifted.0.is_empty(), "{end:?} {size}");
            }
        }
    }

    #[test]
    fn a_response_takes_no_more_memory_than_its_audio() {
        let response = format!(r#"{{"audio":"{}"}}"#, "00".repeat(1 << 20));
        let mut lifter = Lifter::new(Some(response.len()));
        let mut most = 0;
        for piece in response.as_bytes().chunks(64 * 1024) {
            lifter.push(piece);
            let lifting = match &lifter.place {
                Place::Lifting { bytes, .. } => bytes.capacity(),
                _ => 0,
            };
            most = most.max(lifter.body.capacity() + lifting);
        }
        assert!(most < (1 << 20) + 256 * 1024, "{most}");
    }
}
