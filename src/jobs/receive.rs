//! Sounds that are written to disk while they are made.

use std::path::Path;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::ready;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Jobs;
use super::deliver::{MAX_RESULT, short};
use super::failure::failure;
use super::paid::{Made, Sound};
use super::run::{Run, Step, Write};
use super::speech::{number, sound_file};
use crate::api::{Accepted, ApiError, AudioFormat, Blame, SoundEnd, SoundPiece, SoundStream};
use crate::media::player::{Feed, Player, Playing};
use crate::media::{self, Content, Expect, FetchProblem, Kind, OutputProblem, Saved};
use crate::store::{Failure, JobFile, Seen};

/// Where a job's usage has the milliseconds until the first sound reached the player.
pub const FIRST_SOUND: &str = "first_sound_ms";

/// Why a sound is not on disk.
enum Broken {
    /// MiniMax, or the way to it; and what had come by then, as a file.
    Stream(ApiError, Option<Box<Saved>>),
    /// This machine.
    Disk(String),
}

impl Run {
    /// Saves a sound as it comes. Of one that breaks off, what had come is kept under a name that says so. Until then the record says that the request has
    /// left, so a process that dies here leaves `unknown`.
    pub(super) async fn receive(&mut self, sound: Sound) -> Step {
        let Sound { stream, format, player } = sound;
        let mut aloud = player.map(|(player, since)| Aloud::begin(&self.jobs, player, since));
        let mut arrived = 0_u64;
        let folder = self.folder().await;
        let written = self.write_down(&folder, stream, format, &mut arrived, aloud.as_mut()).await;
        match written {
            Ok((mut saved, end)) => {
                // The header of the first sentence knows nothing of the others.
                let length = end.usage.as_ref().and_then(|usage| usage.get("audio_length")?.as_u64());
                saved.duration_ms = length.or(saved.duration_ms);
                let (mut usage, mut warnings) = (end.usage, Vec::new());
                if let Some(aloud) = aloud {
                    aloud.end(&self.jobs, &saved, &mut usage, &mut warnings).await;
                }
                let file = JobFile { saved: Some(saved.into()), ..sound_file(format) };
                let units = end.characters.map(number);
                self.made(
                    Made { files: vec![file], units, usage, warnings, ..Made::default() },
                    Write::Answer,
                )
                .await
            }
            Err(Broken::Stream(error, kept)) => {
                let came = match &kept {
                    Some(_) => format!("; {arrived} bytes of the sound had come and are kept in a file"),
                    None if arrived > 0 => {
                        format!("; {arrived} bytes of the sound had come, too few to keep")
                    }
                    None => String::new(),
                };
                let cut = kept.map(|saved| JobFile { saved: Some((*saved).into()), ..sound_file(format) });
                self.job.files.extend(cut);
                if !matches!(error, ApiError::Refused { .. }) {
                    return self.see(Seen::Lost(format!("{error}{came}"))).await;
                }
                let mut failure = failure(&error);
                if arrived > 0 || error.accepted() == Accepted::Unknown {
                    self.job.may_be_billed = true;
                    failure.message = format!("{}{came}. It may be billed", failure.message);
                }
                self.see(Seen::Failed(failure)).await
            }
            Err(Broken::Disk(problem)) => {
                let failure = Failure {
                    message: format!("the sound was made, and may be billed, but not saved: {problem}"),
                    blame: Blame::Operator,
                    advice: "Make room, or give another output_directory, before it is bought again."
                        .to_owned(),
                    code: None,
                    trace_id: None,
                };
                self.job.may_be_billed = true;
                self.see(Seen::Failed(failure)).await
            }
        }
    }

    async fn write_down(
        &self,
        folder: &Path,
        sound: SoundStream,
        format: AudioFormat,
        arrived: &mut u64,
        mut aloud: Option<&mut Aloud>,
    ) -> Result<(Saved, SoundEnd), Broken> {
        let unwritable = |problem: OutputProblem| Broken::Disk(problem.to_string());
        media::prepare(folder).await.map_err(unwritable)?;
        let extension = format.extension();
        let name = media::file_name(&self.job.prompt, short(&self.job.id), 1, false, extension);
        let expect = Expect { kind: Some(Kind::Audio), max_bytes: MAX_RESULT, extension };
        let (mut end, mut broken) = (None, None);
        let chunks = sound.filter_map(|piece| {
            ready(match piece {
                Ok(SoundPiece::Audio(bytes)) => {
                    *arrived = arrived.saturating_add(bytes.len() as u64);
                    if let Some(aloud) = &mut aloud {
                        aloud.hear(&bytes);
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
        let cut =
            format!("{}-incomplete.{extension}", name.trim_end_matches(extension).trim_end_matches('.'));
        let saved = media::save_what_comes(chunks, folder, &name, &cut, &expect).await;
        match (saved, broken) {
            (Ok((saved, None)), None) => Ok((saved, end.unwrap_or_default())),
            (Ok((saved, _)), Some(error)) => Err(Broken::Stream(error, Some(Box::new(saved)))),
            (Err(_), Some(error)) => Err(Broken::Stream(error, None)),
            (Ok((_, Some(problem))) | Err(problem), None) => Err(Broken::Disk(problem.to_string())),
        }
    }
}

impl Jobs {
    /// Lets a player play to its end, or to the server's.
    pub fn play(&self, playing: Playing) {
        let stop = self.shared.stop.clone();
        self.shared.tracker.spawn(async move { stop.run_until_cancelled(playing.until_over()).await });
    }
}

/// A sound that is heard while it is made.
struct Aloud {
    player: Player,
    since: Instant,
    /// `None` if the player does not listen, or no longer.
    feed: Option<Feed>,
    first_ms: Option<u64>,
}

impl Aloud {
    fn begin(jobs: &Jobs, player: Player, since: Instant) -> Self {
        let feed = match player.start() {
            Some(Ok((feed, playing))) => {
                jobs.play(playing);
                Some(feed)
            }
            Some(Err(error)) => {
                tracing::warn!(player = player.name(), %error, "the player did not start");
                None
            }
            None => None,
        };
        Self { player, since, feed, first_ms: None }
    }

    fn hear(&mut self, bytes: &Bytes) {
        let Some(feed) = &self.feed else { return };
        if feed.send(bytes.clone()).is_err() {
            self.feed = None;
            return;
        }
        let now = self.since.elapsed().as_millis();
        self.first_ms.get_or_insert(u64::try_from(now).unwrap_or(u64::MAX));
    }

    /// Says how long it took until the first sound, and plays the file where the player needs one.
    async fn end(
        mut self,
        jobs: &Jobs,
        saved: &Saved,
        usage: &mut Option<Value>,
        warnings: &mut Vec<String>,
    ) {
        let name = self.player.name();
        if !self.player.streams() {
            let started = match tokio::fs::File::open(&saved.path).await {
                Ok(file) => self.player.start_on(Content::Disk(file), "mp3").await,
                Err(error) => Err(error),
            };
            match started {
                Ok(playing) => {
                    let now = self.since.elapsed().as_millis();
                    self.first_ms = Some(u64::try_from(now).unwrap_or(u64::MAX));
                    jobs.play(playing);
                }
                Err(error) => warnings.push(format!("{name} did not start: {error}")),
            }
        } else if self.feed.is_none() {
            warnings.push(format!("{name} did not start or stopped early, so not all of it was heard"));
        }
        if let Some(first_ms) = self.first_ms {
            let said = usage.get_or_insert_with(|| json!({}));
            if let Some(fields) = said.as_object_mut() {
                fields.insert(FIRST_SOUND.into(), json!(first_ms));
            }
        }
    }
}
