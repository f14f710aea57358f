//! Detects the encoding of a text from its bytes, and converts it to UTF-8.

use std::borrow::Cow;

/// The encoding of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
    Utf32Le,
    Utf32Be,
}

/// Byte order marks. UTF-32 comes first, because its little-endian mark starts with that of UTF-16.
const MARKS: &[(&[u8], Encoding)] = &[
    (b"\xff\xfe\0\0", Encoding::Utf32Le),
    (b"\0\0\xfe\xff", Encoding::Utf32Be),
    (b"\xef\xbb\xbf", Encoding::Utf8),
    (b"\xff\xfe", Encoding::Utf16Le),
    (b"\xfe\xff", Encoding::Utf16Be),
];

/// Encodings that are detected without a mark, because most characters have zeros at the same positions.
const WIDE: &[Encoding] = &[Encoding::Utf32Le, Encoding::Utf32Be, Encoding::Utf16Le, Encoding::Utf16Be];

/// The encoding of `head`, the start of a file. `None` if it is not text.
pub(super) fn of_text(head: &[u8]) -> Option<Encoding> {
    if let Some((mark, encoding)) = MARKS.iter().find(|(mark, _)| head.starts_with(mark)) {
        let rest = head.get(mark.len()..).unwrap_or_default();
        return tally(rest, *encoding).map(|_| *encoding);
    }
    if tally(head, Encoding::Utf8).is_some() {
        return Some(Encoding::Utf8);
    }
    // Random bytes can be valid characters of some script, but few of them would be ASCII.
    let mostly_ascii = |(ascii, all): (usize, usize)| ascii * 3 >= all;
    WIDE.iter().copied().find(|encoding| tally(head, *encoding).is_some_and(mostly_ascii))
}

/// The text in UTF-8 without its byte order mark. Invalid bytes become replacement characters.
pub(super) fn decode(bytes: &[u8], encoding: Encoding) -> Cow<'_, [u8]> {
    let mark = MARKS.iter().find(|(mark, known)| *known == encoding && bytes.starts_with(mark));
    let rest = bytes.get(mark.map_or(0, |(mark, _)| mark.len())..).unwrap_or_default();
    match encoding {
        Encoding::Utf8 => Cow::Borrowed(rest),
        wide => Cow::Owned(
            characters(rest, wide)
                .map(|found| found.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect::<String>()
                .into_bytes(),
        ),
    }
}

/// The number of ASCII characters and of all characters. `None` if the bytes are not text in this encoding. All media
/// formats have control characters or invalid ones among their first bytes.
fn tally(bytes: &[u8], encoding: Encoding) -> Option<(usize, usize)> {
    let (mut ascii, mut all) = (0, 0);
    let mut count = |c: char| {
        all += 1;
        ascii += usize::from(c.is_ascii());
        !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{c}' | '\u{85}')
    };
    let is_text = if encoding == Encoding::Utf8 {
        utf8_head(bytes)?.chars().all(&mut count)
    } else {
        let mut characters = characters(bytes, encoding).peekable();
        let mut sound = true;
        while let Some(found) = characters.next() {
            // The head may end inside a surrogate pair.
            let is_last = characters.peek().is_none();
            sound = sound && found.map_or(is_last, &mut count);
        }
        sound
    };
    (is_text && all > 0).then_some((ascii, all))
}

/// The valid text. An incomplete last character is dropped.
fn utf8_head(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok())
        }
        Err(_) => None,
    }
}

/// Decodes a wide encoding. An invalid character is `None`; an incomplete unit at the end is dropped.
fn characters(bytes: &[u8], encoding: Encoding) -> Box<dyn Iterator<Item = Option<char>> + '_> {
    let pair = |two: &[u8]| <[u8; 2]>::try_from(two).unwrap_or_default();
    let four = |four: &[u8]| <[u8; 4]>::try_from(four).unwrap_or_default();
    match encoding {
        Encoding::Utf32Le => {
            Box::new(bytes.chunks_exact(4).map(move |unit| char::from_u32(u32::from_le_bytes(four(unit)))))
        }
        Encoding::Utf32Be => {
            Box::new(bytes.chunks_exact(4).map(move |unit| char::from_u32(u32::from_be_bytes(four(unit)))))
        }
        wide => {
            let units = bytes.chunks_exact(2).map(move |unit| match wide {
                Encoding::Utf16Be => u16::from_be_bytes(pair(unit)),
                _ => u16::from_le_bytes(pair(unit)),
            });
            Box::new(char::decode_utf16(units).map(Result::ok))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str, encoding: Encoding) -> Vec<u8> {
        match encoding {
            Encoding::Utf8 => text.as_bytes().to_vec(),
            Encoding::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Encoding::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Encoding::Utf32Le => text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
            Encoding::Utf32Be => text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
        }
    }

    #[test]
    fn a_text_is_recognised_and_decoded_in_every_encoding_with_and_without_a_mark() {
        for (mark, encoding) in MARKS {
            for text in ["password: x\r\n", "Ein Bär: »Ich.« 😀", "a"] {
                let marked = [mark, wide(text, *encoding).as_slice()].concat();
                for bytes in [marked, wide(text, *encoding)] {
                    assert_eq!(of_text(&bytes), Some(*encoding), "{text} {bytes:?}");
                    assert_eq!(decode(&bytes, *encoding), text.as_bytes(), "{encoding:?}");
                }
            }
            let chinese = [mark, wide("从前有一只狐狸。", *encoding).as_slice()].concat();
            assert_eq!(of_text(&chinese), Some(*encoding));
        }
    }

    #[test]
    fn a_text_that_is_cut_in_a_character_is_still_text() {
        for (mark, encoding) in MARKS {
            let whole = [mark, wide("Bären 😀", *encoding).as_slice()].concat();
            for end in mark.len() + 4..whole.len() {
                assert_eq!(of_text(&whole[..end]), Some(*encoding), "{encoding:?} {end}");
            }
        }
    }

    #[test]
    fn a_file_that_is_not_text_has_no_encoding() {
        for bytes in [
            &b""[..],
            b"\xff\xfe",
            b"\xff\xfb\x90\0\0\0\0\0",
            b"RIFF\x10\0\0\0WAVEfmt \x10\0\0\0",
            b"\0\0\0\x18ftypmp42\0\0\0\0",
            b"\xff\xfe\x90\xd8\0\0\0\0",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"\xef\xbb\xbf\x01",
        ] {
            assert_eq!(of_text(bytes), None, "{bytes:?}");
        }
    }
}
