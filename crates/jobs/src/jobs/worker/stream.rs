//! Audio that is written to disk while it is made.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::ready;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, timeout};

use super::bucket::{entered, moved};
use super::deliver::folder;
use super::deliver::record_result;
use super::failure::failure;
use super::fetch::{MAX_RESULT, short};
use super::record::{Step, Worker, Write};
use crate::api::speech::AudioFormat;
use crate::api::speech_stream::{SoundEnd, SoundPiece, SoundStream};
use crate::api::{Accepted, ApiError, Blame};
use crate::download;
use crate::download::{Expect, FetchProblem, OutputProblem, Saved};
use crate::jobs::order::listener::Listener;
use crate::jobs::order::outcome::{HOUR, Made, Sound};
use crate::jobs::order::speech::sound_file;
use crate::media::units::size;
use crate::media::{self, Kind};
use crate::money::Decimal;
use crate::store::{Failure, Seen};

/// The field of a job's usage with the milliseconds until the first audio reached the player.
pub const FIRST_SOUND: &str = "first_sound_ms";

/// How long a listener may take to say what was heard.
const REPORT: Duration = Duration::from_secs(5);

/// Why audio is not on disk.
enum Broken {
    /// MiniMax or the connection failed. The file, if there is one, has what had arrived by then.
    Stream(ApiError, Option<Box<Saved>>),
    /// This machine could not write the file.
    Disk(String),
}

/// Streams audio to disk. A broken stream leaves a file named `*-incomplete`. Until the stream ends, the record says
/// that the request has left, so a crash here yields `unknown`.
pub(super) async fn receive(worker: &mut Worker, sound: Sound) -> Step {
    let Sound { mut stream, format, listener } = sound;
    let first = stream.next().await;
    if let Some(Ok(SoundPiece::End(SoundEnd { link: Some(link), usage, characters }))) = first {
        // MiniMax sent a link although bytes were requested. It cannot be heard while it is made.
        let (files, units) =
            (vec![sound_file(format).linked(link, Some(24 * HOUR))], characters.map(Decimal::from));
        let made = Made { files, units, usage, ..Made::default() };
        return record_result(worker, made, Write::Answer).await;
    }
    let stream = Box::pin(stream::iter(first).chain(stream));
    let (mut chunks, mut listener) = (None, listener);
    if let Some((listener, _)) = &listener {
        chunks = Some(listener.chunks.clone());
    }
    let mut arrived = 0_u64;
    let folder = folder(worker).await;
    let written = save_stream(worker, &folder, stream, format, &mut arrived, chunks).await;
    match written {
        Ok((mut saved, end)) => {
            // The header came with the first sentence, so it does not have the whole length.
            let length = end.usage.as_ref().and_then(|usage| usage.get("audio_length")?.as_u64());
            saved.duration_ms = length.or(saved.duration_ms);
            let (mut usage, mut warnings) = (end.usage, Vec::new());
            if let Some((listener, since)) = listener.take() {
                note_heard(listener, since, &saved, &mut usage, &mut warnings).await;
            }
            let file = entered(worker, saved, sound_file(format));
            let units = end.characters.map(Decimal::from);
            let made = Made { files: vec![file], units, usage, warnings, ..Made::default() };
            record_result(worker, made, Write::Answer).await
        }
        Err(Broken::Stream(error, kept)) => {
            let came = match &kept {
                Some(_) => format!("; {} of audio had arrived and are kept in a file", size(arrived)),
                None if arrived > 0 => {
                    format!("; {} of audio had arrived, too little to keep", size(arrived))
                }
                None => String::new(),
            };
            if let Some(saved) = kept {
                let cut = moved(worker, *saved, sound_file(format)).await;
                worker.job.files.push(cut);
            }
            if !matches!(error, ApiError::Refused { .. }) {
                let lost = Seen::Lost(format!("{error}{came}"));
                return worker.commit([lost], Write::NoResult).await;
            }
            let mut failure = failure(&error);
            if arrived > 0 || error.accepted() == Accepted::Unknown {
                worker.job.may_be_billed = true;
                failure.message = format!("{}{came}. It may be billed", failure.message);
            }
            worker.commit([Seen::Failed(failure)], Write::NoResult).await
        }
        Err(Broken::Disk(problem)) => {
            let failure = Failure {
                message: format!("the sound was made, and may be billed, but not saved: {problem}"),
                blame: Blame::Operator,
                advice: "Make room, or give another output_directory, before it is bought again.".to_owned(),
                code: None,
                trace_id: None,
            };
            worker.job.may_be_billed = true;
            worker.commit([Seen::Failed(failure)], Write::NoResult).await
        }
    }
}

async fn save_stream(
    worker: &Worker,
    folder: &Path,
    sound: SoundStream,
    format: AudioFormat,
    arrived: &mut u64,
    mut heard: Option<UnboundedSender<Bytes>>,
) -> Result<(Saved, SoundEnd), Broken> {
    let unwritable = |problem: OutputProblem| Broken::Disk(problem.to_string());
    download::prepare_stream(folder).await.map_err(unwritable)?;
    let extension = format.extension();
    let name = media::file_name(&worker.job.prompt, short(&worker.job.id), 1, false, extension);
    let expect = Expect { kind: Some(Kind::Audio), max_bytes: MAX_RESULT, extension };
    let (mut end, mut broken) = (None, None);
    let chunks = sound.filter_map(|piece| {
        ready(match piece {
            Ok(SoundPiece::Audio(bytes)) => {
                *arrived = arrived.saturating_add(bytes.len() as u64);
                if heard.as_ref().is_some_and(|heard| heard.send(bytes.clone()).is_err()) {
                    heard = None;
                }
                Some(Ok(bytes))
            }
            Ok(SoundPiece::End(said)) => {
                end = Some(said);
                None
            }
            Err(error) => {
                let reason = error.to_string();
                broken = Some(error);
                Some(Err(FetchProblem::Transient { reason, retry_after: None }))
            }
        })
    });
    let cut = format!("{}-incomplete.{extension}", name.trim_end_matches(extension).trim_end_matches('.'));
    let saved = download::save_what_comes(chunks, folder, &name, &cut, &expect).await;
    match (saved, broken) {
        (Ok((saved, None)), None) => Ok((saved, end.unwrap_or_default())),
        (Ok((saved, _)), Some(error)) => Err(Broken::Stream(error, Some(Box::new(saved)))),
        (Err(_), Some(error)) => Err(Broken::Stream(error, None)),
        (Ok((_, Some(problem))) | Err(problem), None) => Err(Broken::Disk(problem.to_string())),
    }
}

/// Tells the listener that the file is complete, and notes what was heard.
async fn note_heard(
    listener: Listener,
    since: Instant,
    saved: &Saved,
    usage: &mut Option<Value>,
    warnings: &mut Vec<String>,
) {
    let Listener { chunks, saved: complete, heard } = listener;
    drop(chunks);
    if complete.send(saved.path.clone()).is_err() {
        return;
    }
    let Ok(Ok(heard)) = timeout(REPORT, heard).await else { return };
    warnings.extend(heard.problem);
    if let Some(first) = heard.first {
        let first = u64::try_from(first.duration_since(since).as_millis()).unwrap_or(u64::MAX);
        let said = usage.get_or_insert_with(|| json!({}));
        if let Some(fields) = said.as_object_mut() {
            fields.insert(FIRST_SOUND.into(), json!(first));
        }
    }
}
