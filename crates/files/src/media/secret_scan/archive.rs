//! Scans archives of texts. Each entry is decompressed and scanned like a separate file.

use std::io::{Cursor, Read as _};

use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive};

use super::content;
use super::finding::Finding;
use crate::media::probe::sniff;

/// The decompressed size limits of one entry and of all entries, in bytes. No endpoint accepts a longer text.
const ENTRY_MAX: u64 = 32 * 1024 * 1024;
const TOTAL_MAX: u64 = 256 * 1024 * 1024;
/// The most bytes between two entries. A data descriptor with the sizes of the first one may lie there.
const GAP_MAX: u64 = 24;

/// The first secret in a ZIP file of texts. The error describes the file if it contains anything but texts of one
/// kind.
pub(crate) fn archive_of_texts(zip: &[u8]) -> Result<Option<Finding>, String> {
    let damaged = || "a ZIP file that cannot be read".to_owned();
    let archive = ZipArchive::from_slice(zip).map_err(|_| damaged())?;
    let (mut entries, mut sort, mut left) = (archive.entries(), None, TOTAL_MAX);
    let mut spans = vec![(archive.directory_offset(), u64::MAX)];
    while let Some(entry) = entries.next_entry().map_err(|_| damaged())? {
        let name = String::from_utf8_lossy(entry.file_path().as_ref()).to_lowercase();
        let shown: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
        let content = archive.get_entry(entry.wayfinder()).map_err(|_| damaged())?;
        spans.push((entry.local_header_offset(), content.compressed_data_range().1));
        // The macOS Finder adds metadata files.
        let is_note = name.starts_with("__macosx/") || name.rsplit('/').next() == Some(".ds_store");
        let hidden = name.split(['/', '\\']).any(|part| part.starts_with('.'));
        let found = ["txt", "json"].into_iter().find(|sort| name.ends_with(&format!(".{sort}")));
        let is_text = !hidden && found.is_some() && sort.is_none_or(|sort| Some(sort) == found);
        if !entry.is_dir() && !is_note && !is_text {
            return Err(format!("a ZIP file with {shown} in it"));
        }
        let most = left.min(ENTRY_MAX);
        let mut bytes = Vec::new();
        let read = match entry.compression_method() {
            CompressionMethod::STORE => content.data().take(most + 1).read_to_end(&mut bytes),
            CompressionMethod::DEFLATE => {
                DeflateDecoder::new(content.data()).take(most + 1).read_to_end(&mut bytes)
            }
            _ => {
                return Err(format!("a ZIP file whose {shown} is compressed in an unknown way"));
            }
        };
        read.map_err(|_| damaged())?;
        let length = bytes.len() as u64;
        if length > most {
            return Err(format!("a ZIP file whose {shown} is too large when unpacked"));
        }
        left -= length;
        if is_text && !entry.is_dir() {
            if !bytes.is_empty() && !sniff::sniff(&bytes).is_text() {
                return Err(format!("a ZIP file whose {shown} is not text"));
            }
            sort = found;
        }
        if let Some(found) = content::text(&bytes) {
            return Ok(Some(Finding { place: format!(", in {shown}{}", found.place), ..found }));
        }
    }
    if sort.is_none() {
        return Err("a ZIP file without texts".to_owned());
    }
    // Some programs unpack entries that the directory does not list.
    spans.sort_unstable();
    let starts = spans.iter().map(|span| span.0);
    let ends = std::iter::once(0).chain(spans.iter().map(|span| span.1));
    if ends.zip(starts).any(|(end, start)| start.saturating_sub(end) > GAP_MAX) {
        return Err("a ZIP file with content that its directory does not list".to_owned());
    }
    content::media(&mut Cursor::new(zip)).map_err(|_| damaged())
}
