//! Checks whether a file ends where its format says. Needed for downloads over connections that do not announce a
//! length.

use std::io::{self, Read, Seek, SeekFrom};

use crate::media::probe::metadata::movie_is_whole;

/// Files with more pieces than this are assumed to be complete.
const PIECES: usize = 100_000;
/// How many bytes at the end of a file are searched for its end.
const TAIL: u64 = 64 * 1024;

/// False if the format (see [`crate::media::probe::sniff::sniff`]) shows that the end is missing. True if the format
/// cannot show it: an MP3 may end anywhere. Blocking. Leaves the position of the file undefined.
pub fn is_whole<R: Read + Seek>(mut file: R, mime: &str) -> bool {
    let file = &mut file;
    let looked = match mime {
        "image/png" => png(file),
        "image/jpeg" => jpeg(file),
        "image/gif" => tail(file).map(|tail| trimmed(&tail).last() == Some(&b';')),
        "image/webp" | "audio/wav" | "video/x-msvideo" => riff(file),
        "audio/ogg" => ogg(file),
        "application/x-tar" => tar(file),
        "video/mp4" | "video/quicktime" | "audio/mp4" => Ok(movie_is_whole(file, true)),
        "image/heic" | "image/heif" | "image/avif" => Ok(movie_is_whole(file, false)),
        _ => Ok(true),
    };
    // A file that ends inside a header is incomplete. Other errors prove nothing.
    looked.unwrap_or_else(|error| error.kind() != io::ErrorKind::UnexpectedEof)
}

/// Whether a file that arrived with its whole announced length is cut short all the same. Only formats that always mark
/// their end can tell: the header of a WAV file, for example, may promise more sound than there is.
pub fn is_cut<R: Read + Seek>(file: R, mime: &str) -> bool {
    let marked = ["image/png", "image/jpeg", "image/gif", "image/webp", "video/mp4", "video/quicktime"];
    marked.contains(&mime) && !is_whole(file, mime)
}

fn bytes<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).map(|()| bytes)
}

fn length(file: &mut impl Seek) -> io::Result<u64> {
    file.seek(SeekFrom::End(0))
}

/// The last [`TAIL`] bytes.
fn tail<R: Read + Seek>(file: &mut R) -> io::Result<Vec<u8>> {
    let start = length(file)?.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok(tail)
}

/// The bytes without the zeros that some programs append.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

/// A PNG is complete if its chunks lead to an IEND chunk.
fn png<R: Read + Seek>(file: &mut R) -> io::Result<bool> {
    let end = length(file)?;
    let mut at = 8_u64;
    for _ in 0..PIECES {
        file.seek(SeekFrom::Start(at))?;
        let size = u32::from_be_bytes(bytes(file)?);
        let name: [u8; 4] = bytes(file)?;
        at = at.saturating_add(u64::from(size)).saturating_add(12);
        if at > end {
            return Ok(false);
        }
        if &name == b"IEND" {
            return Ok(true);
        }
    }
    Ok(true)
}

/// A JPEG is complete if an end marker follows the image data. The segments before are skipped, because a preview in
/// them has an end marker too.
fn jpeg<R: Read + Seek>(file: &mut R) -> io::Result<bool> {
    let mut at = 2_u64;
    for _ in 0..PIECES {
        file.seek(SeekFrom::Start(at))?;
        match bytes(file)? {
            // Any number of fill bytes may precede a marker.
            [0xff, 0xff] => at = at.saturating_add(1),
            [0xff, 0xda] => break,
            [0xff, 0xd9] => return Ok(true),
            [0xff, _] => {
                let size = u16::from_be_bytes(bytes(file)?);
                at = at.saturating_add(2).saturating_add(u64::from(size.max(2)));
            }
            // Not a marker, so the segments cannot be followed.
            _ => return Ok(true),
        }
    }
    let behind = length(file)?.saturating_sub(at);
    let tail = tail(file)?;
    let scan = usize::try_from(behind).unwrap_or(usize::MAX).min(tail.len());
    let scan = tail.get(tail.len().saturating_sub(scan)..).unwrap_or_default();
    Ok(scan.windows(2).any(|pair| pair == [0xff, 0xd9]))
}

/// A RIFF file has its length in the header.
fn riff<R: Read + Seek>(file: &mut R) -> io::Result<bool> {
    file.seek(SeekFrom::Start(4))?;
    let size = u32::from_le_bytes(bytes(file)?);
    // All ones mean that the length is unknown.
    Ok(size == u32::MAX || length(file)? >= u64::from(size).saturating_add(8))
}

/// The last page of an Ogg file has a flag that marks it.
fn ogg<R: Read + Seek>(file: &mut R) -> io::Result<bool> {
    let tail = tail(file)?;
    let Some(start) = tail.windows(4).rposition(|four| four == b"OggS") else { return Ok(false) };
    let page = tail.get(start..).unwrap_or_default();
    let (Some(flags), Some(count)) = (page.get(5), page.get(26)) else { return Ok(false) };
    let segments = page.get(27..27 + usize::from(*count)).unwrap_or_default();
    let content: usize = segments.iter().map(|size| usize::from(*size)).sum();
    let whole = segments.len() == usize::from(*count) && page.len() >= 27 + segments.len() + content;
    Ok(whole && flags & 4 != 0)
}

/// A tar file ends with two blocks of zeros.
fn tar<R: Read + Seek>(file: &mut R) -> io::Result<bool> {
    let end = length(file)?;
    let Some(start) = end.checked_sub(1024) else { return Ok(false) };
    file.seek(SeekFrom::Start(start))?;
    let last: [u8; 1024] = bytes(file)?;
    Ok(end.is_multiple_of(512) && last.iter().all(|byte| *byte == 0))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::codecs::jpeg::JpegEncoder;
    use image::{ImageFormat, RgbImage};

    use super::*;

    fn whole(bytes: &[u8], mime: &str) -> bool {
        is_whole(Cursor::new(bytes), mime)
    }

    fn picture() -> RgbImage {
        let shade = |n: u32| u8::try_from(n % 251).unwrap();
        RgbImage::from_fn(80, 60, |x, y| image::Rgb([shade(x * y), shade(x * 7), shade(y * 3)]))
    }

    fn pictures() -> Vec<(Vec<u8>, &'static str)> {
        let encoded = |format| {
            let mut bytes = Cursor::new(Vec::new());
            picture().write_to(&mut bytes, format).unwrap();
            bytes.into_inner()
        };
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, 90).encode_image(&picture()).unwrap();
        // Contains a small image, as camera files do.
        let inner = [b"\xff\xe1".as_slice(), &(u16::try_from(jpeg.len()).unwrap() + 2).to_be_bytes(), &jpeg];
        let preview = [&jpeg[..2], &inner.concat(), &jpeg[2..]].concat();
        vec![
            (encoded(ImageFormat::Png), "image/png"),
            (encoded(ImageFormat::WebP), "image/webp"),
            (jpeg, "image/jpeg"),
            (preview, "image/jpeg"),
        ]
    }

    fn tarred() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(700);
        header.set_cksum();
        builder.append_data(&mut header, "one.mp3", [7; 700].as_slice()).unwrap();
        builder.into_inner().unwrap()
    }

    fn ogg_file() -> Vec<u8> {
        use ogg::{PacketWriteEndInfo, PacketWriter};
        let mut file = Vec::new();
        let mut writer = PacketWriter::new(&mut file);
        for n in 0..20_u64 {
            let info = if n == 19 { PacketWriteEndInfo::EndStream } else { PacketWriteEndInfo::EndPage };
            writer.write_packet(vec![7; 900], 1, info, n).unwrap();
        }
        file
    }

    fn wav() -> Vec<u8> {
        [b"RIFF".as_slice(), &1036_u32.to_le_bytes(), b"WAVEfmt ", &[0; 1028]].concat()
    }

    fn boxed(name: &[u8], content: &[u8]) -> Vec<u8> {
        [&(u32::try_from(content.len()).unwrap() + 8).to_be_bytes(), name, content].concat()
    }

    #[test]
    fn a_file_is_complete_and_none_of_its_beginnings_is() {
        let movie =
            [boxed(b"ftyp", b"isom\0\0\0\0isom"), boxed(b"mdat", &[7; 900]), boxed(b"moov", &[0; 60])];
        let mut files = pictures();
        files.push((tarred(), "application/x-tar"));
        files.push((ogg_file(), "audio/ogg"));
        files.push((wav(), "audio/wav"));
        files.push((movie.concat(), "video/mp4"));
        files.push((b"GIF89a\x01\0\x01\0\x80\0\0...;".to_vec(), "image/gif"));
        for (file, mime) in files {
            assert!(whole(&file, mime), "{mime}");
            let steps = (1..file.len()).step_by(file.len() / 97 + 1).chain([file.len() - 1]);
            for cut in steps {
                // Some of the zeros at the end of an archive are optional.
                assert!(!whole(&file[..cut], mime), "{mime}, {cut} of {}", file.len());
            }
        }
    }

    #[test]
    fn a_movie_without_its_index_is_not_complete() {
        let index_first = [boxed(b"moov", &[0; 60]), boxed(b"mdat", &[7; 900])].concat();
        assert!(whole(&index_first, "video/mp4"));
        assert!(!whole(&index_first[..68 + 500], "video/mp4"));
        assert!(!whole(&boxed(b"mdat", &[7; 900]), "video/mp4"));
        assert!(!whole(b"", "video/mp4"));
    }

    #[test]
    fn a_file_whose_format_has_no_length_counts_as_complete() {
        assert!(whole(b"\xff\xfb\x90d", "audio/mpeg"));
        let unknown = [b"RIFF\xff\xff\xff\xff".as_slice(), b"WAVE"].concat();
        assert!(whole(&unknown, "audio/wav"));
    }
}
