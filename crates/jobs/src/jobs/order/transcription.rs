//! Transcripts of recordings.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::Order;
use super::outcome::{Made, Outcome, recorded};
use crate::api::transcription::TranscriptionSubmit;
use crate::api::{ApiError, Client};
use crate::media::Resendable;
use crate::money::Decimal;
use crate::rate_limit::group;
use crate::store::{JobFile, Kind};

/// How many characters of a transcript a result shows. The file has all of it.
const SHOWN: usize = 10_000;

/// A recording to be transcribed.
#[derive(Debug)]
pub struct Transcription {
    /// What is sent besides the recording.
    pub submit: TranscriptionSubmit,
    /// The recording. It stays open in case the request has to be sent again.
    pub recording: Resendable,
}

impl Order for Transcription {
    fn kind(&self) -> Kind {
        Kind::Transcription
    }

    fn group(&self) -> &'static str {
        group::OTHER
    }

    fn record(&self) -> Value {
        recorded(&self.submit)
    }

    fn send<'a>(&'a mut self, api: &'a Client) -> BoxFuture<'a, Result<Outcome, ApiError>> {
        transcribe(api, self).boxed()
    }
}

async fn transcribe(api: &Client, order: &Transcription) -> Result<Outcome, ApiError> {
    let transcript = api.transcribe(&order.submit, order.recording.chunks()).await?;
    let format = transcript.format;
    let (name, mime_type) = (format!("transcript.{}", format.extension()), format.mime().to_owned());
    let units = transcript.seconds.and_then(Decimal::measured);
    let cut = transcript.is_cut.then_some("MiniMax's answer ended in the middle, and so does the transcript");
    let mut made = Made { units, usage: transcript.usage, cut, ..Made::default() };
    if format != order.submit.format {
        let (wanted, came) = (order.submit.format.extension(), format.extension());
        made.warnings.push(format!("{wanted} was requested, and MiniMax answered with {came}"));
    }
    if transcript.content.is_empty() {
        made.warnings.push("no speech was recognised, so there is no file".to_owned());
    } else {
        made.files.push(JobFile { name, mime_type, ..JobFile::default() });
        made.bytes.push((0, transcript.content.into_bytes()));
    }
    made.text = Some(shown(transcript.text));
    Ok(Outcome::Made(made))
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
