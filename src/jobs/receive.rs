//! Sounds that are written to disk while they are made.

use futures_util::StreamExt as _;
use futures_util::future::ready;

use super::job::JobFile;
use super::paid::Made;
use super::run::{MAX_RESULT, Run, Step, failure, short};
use super::speech::{number, sound_file};
use super::state::{Failure, Seen};
use crate::api::{ApiError, AudioFormat, SoundEnd, SoundPiece, SoundStream, Taken};
use crate::media::{self, Expect, FetchProblem, Kind, OutputProblem, Saved};

/// Why a sound is not on disk.
enum Broken {
    /// MiniMax, or the way to it.
    Stream(ApiError),
    /// This machine.
    Disk(String),
}

impl Run {
    /// Saves a sound as it comes: the whole of it, or nothing. Until then the record says that the request has
    /// left, so a process that dies here leaves `unknown`.
    pub(super) async fn receive(&mut self, sound: SoundStream, format: AudioFormat) -> Step {
        let mut arrived = 0_u64;
        match self.write_down(sound, format, &mut arrived).await {
            Ok((saved, end)) => {
                let file = JobFile { saved: Some(saved.into()), ..sound_file(format) };
                let units = end.characters.map(number);
                self.made(Made { files: vec![file], units, usage: end.usage, ..Made::default() }).await
            }
            Err(Broken::Stream(error)) if matches!(error, ApiError::Refused { .. }) => {
                let mut failure = failure(&error);
                if arrived > 0 || error.taken() == Taken::Perhaps {
                    failure.message = format!(
                        "{}; {arrived} bytes of the sound had come, which are not kept. It may be billed",
                        failure.message
                    );
                }
                self.see(Seen::Failed(failure)).await
            }
            Err(Broken::Stream(error)) => {
                let why = format!("{error}; {arrived} bytes of the sound had come, which are not kept");
                self.see(Seen::Lost(why)).await
            }
            Err(Broken::Disk(problem)) => {
                let failure = Failure {
                    message: format!("the sound was made, and may be billed, but not saved: {problem}"),
                    blame: "operator".to_owned(),
                    advice: "Make room, or give another output_directory, before it is bought again."
                        .to_owned(),
                    code: None,
                    trace_id: None,
                };
                self.see(Seen::Failed(failure)).await
            }
        }
    }

    async fn write_down(
        &self,
        sound: SoundStream,
        format: AudioFormat,
        arrived: &mut u64,
    ) -> Result<(Saved, SoundEnd), Broken> {
        let folder = self.folder();
        let unwritable = |problem: OutputProblem| Broken::Disk(problem.to_string());
        media::prepare(&folder).await.map_err(unwritable)?;
        let extension = format.extension();
        let name = media::file_name(&self.job.prompt, short(&self.job.id), 1, false, extension);
        let expect = Expect { kind: Some(Kind::Audio), max_bytes: MAX_RESULT, extension };
        let (mut end, mut broken) = (None, None);
        let chunks = sound.filter_map(|piece| {
            ready(match piece {
                Ok(SoundPiece::Audio(bytes)) => {
                    *arrived = arrived.saturating_add(bytes.len() as u64);
                    Some(Ok(bytes))
                }
                Ok(SoundPiece::End(said)) => {
                    end = Some(said);
                    None
                }
                Err(error) => {
                    let reason = error.to_string();
                    broken = Some(error);
                    Some(Err(FetchProblem::Weather { reason, retry_after: None }))
                }
            })
        });
        let saved = media::save_stream(chunks, &folder, &name, &expect).await;
        match (saved, broken) {
            (Ok(saved), None) => Ok((saved, end.unwrap_or_default())),
            (_, Some(error)) => Err(Broken::Stream(error)),
            (Err(problem), None) => Err(Broken::Disk(problem.to_string())),
        }
    }
}
