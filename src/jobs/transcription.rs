//! Recordings that are written down.

use super::paid::Made;
use crate::api::{ApiError, Client, TranscriptionSubmit};
use crate::media::Source;
use crate::store::JobFile;

/// More of a transcript is not shown; the file has all of it.
const SHOWN: usize = 20_000;

/// A recording to be written down.
#[derive(Debug, Clone)]
pub struct Transcription {
    /// What is sent besides the recording.
    pub submit: TranscriptionSubmit,
    /// The recording; it stays open, for the case that MiniMax asks to come again later.
    pub recording: Source,
}

pub(super) async fn transcribe(api: &Client, order: &Transcription) -> Result<Made, ApiError> {
    let transcript = api.transcribe(&order.submit, order.recording.chunks()).await?;
    let format = order.submit.format;
    let (name, mime_type) = (format!("transcript.{}", format.extension()), format.mime().to_owned());
    let mut made = Made { units: transcript.seconds, usage: transcript.usage, ..Made::default() };
    if transcript.content.is_empty() {
        made.warnings.push("no speech was recognised, so there is no file".to_owned());
    } else {
        made.files.push(JobFile { name, mime_type, ..JobFile::default() });
        made.bytes.push((0, transcript.content.into_bytes()));
    }
    made.text = Some(shown(transcript.text));
    Ok(made)
}

fn shown(text: String) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => {
            let all = text.chars().count();
            let head = text.get(..cut).unwrap_or_default();
            format!("{head}… [{SHOWN} of {all} characters; the file has all]")
        }
        None => text,
    }
}
