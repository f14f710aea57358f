//! Results that have to be converted: subtitles from MiniMax's JSON, and long speech from an archive.

use std::path::Path;

use serde_json::Value;

use super::fetch::{Arrived, Fetch, MAX_RESULT, short};
use crate::download;
use crate::download::archive::{Archive, Entry};
use crate::download::{Expect, FetchProblem};
use crate::media::subtitle::{self, SubtitleFormat};
use crate::media::{self, Kind, Limits};
use crate::store::{JobFile, OnDisk, Wrapped};

/// The largest subtitle file that is read, in bytes. Subtitles for a million characters take a few megabytes.
const CUES_MAX: u64 = 64 * 1024 * 1024;
/// The largest metadata file of an archive, in bytes.
const EXTRA_MAX: u64 = 64 * 1024;
/// Subtitles as MiniMax sends them.
const CUES: Limits = Limits::new(&["text/plain", "application/json"], CUES_MAX);

/// Downloads subtitles and converts them to the format of the file name.
pub(super) async fn subtitles(
    fetch: &Fetch<'_>,
    file: &JobFile,
    folder: &Path,
) -> Result<Arrived, FetchProblem> {
    let url = file.url.as_deref().unwrap_or_default();
    let cues = fetch.jobs.shared.fetcher.fetch(url, &CUES).await?;
    let wanted = file.name.rsplit('.').next().and_then(SubtitleFormat::of);
    let name = fetch.file_name(&file.name);
    let (saved, trouble) = save_cues(&cues.bytes, wanted, folder, &name).await?;
    let complete = JobFile { saved: Some(saved), trouble, wrapped: Wrapped::Plain, ..file.clone() };
    Ok(Arrived::one(complete))
}

/// Downloads an archive and saves what was ordered: audio in the format of the order, and subtitles. Saves all of it or
/// returns an error; saving twice gives the same files.
pub(super) async fn unpack(
    fetch: &Fetch<'_>,
    file: &JobFile,
    folder: &Path,
) -> Result<Arrived, FetchProblem> {
    let url = file.url.as_deref().unwrap_or_default();
    let aside = fetch.jobs.shared.fetcher.fetch_aside(url, folder, MAX_RESULT, &fetch.key(file)).await?;
    let archive = Archive::open(aside).await?;
    let order = &fetch.job.request;
    let format = order.pointer("/audio_setting/format").and_then(Value::as_str).unwrap_or("mp3");
    let subtitles = order.get("subtitles").and_then(Value::as_str).and_then(SubtitleFormat::of);
    let sounds: Vec<&Entry> = archive.entries().iter().filter(|entry| is_sound(entry, format)).collect();
    if sounds.is_empty() {
        let there: Vec<_> = archive.entries().iter().map(|entry| entry.extension.as_str()).collect();
        let why = format!("the archive holds no {format} file, but: {}", there.join(", "));
        return Err(FetchProblem::Wrong(why));
    }
    let mut arrived = Arrived::default();
    for (index, sound) in sounds.iter().enumerate() {
        let named = |extension: &str| {
            let (prompt, id) = (&fetch.job.prompt, short(&fetch.job.id));
            let name = media::file_name(prompt, id, index + 1, sounds.len() > 1, extension);
            let number = if sounds.len() > 1 { format!("-{}", index + 1) } else { String::new() };
            (name, format!("speech{number}.{extension}"))
        };
        let extension = extension(format);
        let (name, inside) = named(extension);
        let expect = Expect { kind: Some(Kind::Audio), max_bytes: MAX_RESULT, extension };
        let saved: OnDisk = archive.save(sound, folder, &name, &expect).await?.into();
        let mime_type = saved.mime_type.clone();
        arrived.files.push(JobFile { name: inside, mime_type, saved: Some(saved), ..JobFile::default() });
        // Files that belong to this audio file have its name. A single audio file owns them all.
        let beside = archive
            .entries()
            .iter()
            .filter(|entry| !is_sound(entry, format) && (entry.stem == sound.stem || sounds.len() == 1));
        for entry in beside {
            let Some(bytes) = archive.read(entry, CUES_MAX).await? else { continue };
            match (serde_json::from_slice(&bytes), subtitles) {
                (Ok(Value::Array(_)), Some(wanted)) => {
                    let (name, inside) = named(wanted.extension());
                    let (saved, trouble) = save_cues(&bytes, Some(wanted), folder, &name).await?;
                    let mime_type = saved.mime_type.clone();
                    let saved = Some(saved);
                    let file = JobFile { name: inside, mime_type, saved, trouble, ..JobFile::default() };
                    arrived.files.push(file);
                }
                (Ok(extra @ Value::Object(_)), _) if entry.bytes <= EXTRA_MAX && sounds.len() == 1 => {
                    arrived.usage = Some(extra);
                }
                _ => {}
            }
        }
    }
    Ok(arrived)
}

/// MiniMax names the audio in an archive by the ordered format, or by the usual extension.
fn is_sound(entry: &Entry, format: &str) -> bool {
    entry.extension == format || entry.extension == extension(format) || entry.extension == bare(format)
}

/// `pcmu_raw` → `pcmu`.
fn bare(format: &str) -> &str {
    format.split('_').next().unwrap_or(format)
}

fn extension(format: &str) -> &'static str {
    match format {
        "wav" | "pcmu_wav" => "wav",
        "flac" => "flac",
        "pcm" => "pcm",
        "pcmu_raw" => "ulaw",
        "opus" => "opus",
        _ => "mp3",
    }
}

/// Saves subtitles in the `wanted` format. If they cannot be read, saves them unchanged, with a note.
async fn save_cues(
    json: &[u8],
    wanted: Option<SubtitleFormat>,
    folder: &Path,
    name: &str,
) -> Result<(OnDisk, Option<String>), FetchProblem> {
    let wanted = wanted.unwrap_or(SubtitleFormat::Json);
    let converted = subtitle::convert(json, wanted);
    let why = "MiniMax's subtitles could not be read; they are kept as they came";
    let trouble = converted.is_none().then(|| why.to_owned());
    let (bytes, extension) =
        converted.map_or((json.to_vec(), "json"), |text| (text.into_bytes(), wanted.extension()));
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let expect = Expect { kind: None, max_bytes: CUES_MAX, extension };
    let saved = download::save(bytes.into(), folder, &format!("{stem}.{extension}"), &expect).await?;
    Ok((saved.into(), trouble))
}
