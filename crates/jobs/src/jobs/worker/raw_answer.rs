//! Answers that could not be read. They are kept as files of the job, because the paid result may be in them.

use tokio::task::spawn_blocking;

use super::bucket::{kind_of, moved, save_to_wait, spool};
use super::deliver::{folder, record_result};
use super::fetch::{MAX_RESULT, short};
use super::record::{Step, Worker, Write};
use crate::api::{ApiError, RawAnswer};
use crate::download::{self, Expect};
use crate::jobs::order::outcome::Made;
use crate::media;
use crate::media::probe::sniff::{self, Found};
use crate::media::units::size;
use crate::store::{ANSWER, Job, JobFile, Kind, Seen};

/// Ends a job whose paid request brought nothing that can be read. An answer that is itself the file that was ordered is
/// the result.
pub(super) async fn ended(worker: &mut Worker, error: &ApiError, why: String) -> Step {
    if let Some(made) = error.answer().and_then(|answer| result_in(&worker.job, answer, error)) {
        return record_result(worker, made, Write::Answer).await;
    }
    let kept = keep(worker, error).await;
    worker.commit([Seen::Lost(format!("{why}{kept}"))], Write::NoResult).await
}

/// Keeps the answer of an error as a file of the job. Returns what to add to the error.
pub(super) async fn keep(worker: &mut Worker, error: &ApiError) -> String {
    let Some(answer) = error.answer().cloned() else { return String::new() };
    let (what, bytes) =
        (if answer.is_part() { "what came of the answer" } else { "the whole answer" }, answer.bytes().len());
    let (home, waiting) = (folder(worker).await, spool(&worker.jobs, &worker.job.id));
    let found = sniff::sniff(answer.bytes());
    let extension = extension(answer.bytes(), found);
    let name = media::file_name(&worker.job.prompt, short(&worker.job.id), 1, false, extension);
    let name = format!("{}-answer.{extension}", name.trim_end_matches(extension).trim_end_matches('.'));
    let saving = spawn_blocking(move || {
        let expect = Expect { kind: None, max_bytes: MAX_RESULT, extension };
        download::save_now(answer.bytes(), &home, &name, &expect).or_else(|problem| {
            save_to_wait(answer.bytes(), &waiting, &name, &expect).ok_or_else(|| problem.to_string())
        })
    });
    match saving.await.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(saved) => {
            let file = JobFile {
                name: format!("{ANSWER}.{extension}"),
                mime_type: saved.mime.clone(),
                ..JobFile::default()
            };
            let file = moved(worker, saved, file).await;
            // Of an earlier answer about the same task the file stays, and the record has the new one.
            worker.job.files.retain(|known| known.name != file.name);
            worker.job.files.push(file);
            format!("; {what} ({}) is kept in a file", size(bytes as u64))
        }
        Err(problem) => format!("; {what} ({}) could not be kept: {problem}", size(bytes as u64)),
    }
}

/// The extension of the file for an answer.
fn extension(bytes: &[u8], found: Found) -> &'static str {
    match found.mime {
        "text/html" => "html",
        _ if bytes.trim_ascii_start().starts_with(b"{") => "json",
        _ if found.is_text() => "txt",
        _ => found.extensions.first().copied().unwrap_or("bin"),
    }
}

/// The result, if the answer is not JSON but the file that was ordered.
fn result_in(job: &Job, answer: &RawAnswer, error: &ApiError) -> Option<Made> {
    let found = sniff::sniff(answer.bytes());
    let name = match job.kind {
        Kind::Image => "image-1",
        Kind::Speech => "speech",
        Kind::Music => "music",
        Kind::Video => "video",
        // A voice is more than a sound.
        Kind::Voice | Kind::Transcription | Kind::Prompt => return None,
    };
    if kind_of(job.kind) != Some(found.kind) {
        return None;
    }
    let file = JobFile {
        name: format!("{name}.{}", found.extensions.first()?),
        mime_type: found.mime.to_owned(),
        ..JobFile::default()
    };
    let cut = "the connection was lost before MiniMax had answered: the file is what had arrived";
    Some(Made {
        files: vec![file],
        bytes: vec![(0, answer.bytes().to_vec())],
        warnings: vec!["MiniMax answered with the file itself, and without figures about it".to_owned()],
        cut: matches!(error, ApiError::Lost { .. }).then_some(cut),
        ..Made::default()
    })
}
