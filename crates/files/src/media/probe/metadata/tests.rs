//! Whole files, and files that lack their end.

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
    let movie = [boxed(b"ftyp", b"isom\0\0\0\0isom"), boxed(b"mdat", &[7; 900]), boxed(b"moov", &[0; 60])];
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
