//! Bringing what was made home: links are followed, contents are kept, ended links are renewed.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::paid;
use super::run::{Interrupted, Run, Step};
use super::unpack::Arrived;
use super::{Jobs, Kind};
use crate::api::Progress;
use crate::media::{self, Expect, FetchProblem, Kind as MediaKind};
use crate::store::{Job, JobFile, Route, Seen, Task, Wrapped};

/// The longest that one file may take to arrive.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(20 * 60);

/// No result of MiniMax is larger.
pub(super) const MAX_RESULT: u64 = 4 * 1024 * 1024 * 1024;

impl Run {
    /// Content that came with the answer is on disk before the record says that it was made.
    pub(super) async fn keep(&mut self, index: usize, bytes: Vec<u8>) {
        let folder = self.folder().await;
        let many = self.job.files.len() > 1;
        let (prompt, id) = (self.job.prompt.clone(), self.job.id.clone());
        let Some(file) = self.job.files.get_mut(index) else { return };
        let extension = extension(&file.name).to_owned();
        let name = media::file_name(&prompt, short(&id), index + 1, many, &extension);
        let expect = Expect { kind: None, max_bytes: MAX_RESULT, extension: &extension };
        let saved = match media::prepare(&folder).await {
            Ok(()) => media::save(bytes.into(), &folder, &name, &expect)
                .await
                .map_err(|problem| problem.to_string()),
            Err(problem) => Err(problem.to_string()),
        };
        match saved {
            Ok(saved) => file.saved = Some(saved.into()),
            Err(problem) => file.trouble = Some(problem),
        }
    }

    /// Where files go that have no link to be fetched by.
    pub(super) async fn folder(&mut self) -> PathBuf {
        self.check_folder().await;
        self.job.folder.clone().unwrap_or_else(|| self.jobs.shared.settings.base_path.clone())
    }

    /// A folder that was allowed when the job was ordered need not be so when its files arrive, in a process with other
    /// settings. They are paid for, so they go to the base folder then.
    async fn check_folder(&mut self) {
        let Some(folder) = self.job.folder.clone() else { return };
        let settings = &self.jobs.shared.settings;
        let (base, roots, found) = (settings.base_path.clone(), settings.roots.clone(), folder.clone());
        let looking = spawn_blocking(move || {
            if media::is_still_allowed(&base, &found, &roots) {
                return None;
            }
            Some(media::folder(&base, None, &roots).unwrap_or(base))
        });
        let Ok(Some(base)) = looking.await else { return };
        self.job.warnings.push(format!(
            "{} is not a folder that this server may write: files are saved in {}. Add it to MINIMAX_ALLOWED_DIRS for \
             the next job",
            folder.display(),
            base.display()
        ));
        self.job.folder = Some(base);
    }

    /// Brings the files home, all at once but not too many, and asks for fresh links where one has ended.
    pub(super) async fn fetch(&mut self, task: Option<&Task>) -> Step {
        self.check_folder().await;
        let (jobs, job) = (self.jobs.clone(), self.job.clone());
        let all = job.files.iter().enumerate().map(|(index, file)| {
            // A sound and its subtitles go by one name.
            let alike = |other: &&JobFile| extension(&other.name) == extension(&file.name);
            let many = job.files.iter().filter(alike).count() > 1;
            let fetch = Fetch { jobs: &jobs, job: &job, task, index, many };
            fetch.deliver(file.clone())
        });
        if let Some(folder) = &job.folder
            && let Err(problem) = media::prepare_again(folder).await
        {
            for file in self.job.files.iter_mut().filter(|file| file.saved.is_none()) {
                file.trouble = Some(problem.to_string());
            }
            return self.see(Seen::Fetched { partial: job.missing > 0 }).await;
        }
        let stop = self.jobs.shared.stop.clone();
        let arrived = stop.run_until_cancelled(join_all(all)).await.ok_or(Interrupted)?;
        self.job.files.clear();
        for Arrived { files, usage } in arrived {
            self.job.files.extend(files);
            match (&mut self.job.usage, usage) {
                (Some(serde_json::Value::Object(known)), Some(serde_json::Value::Object(more))) => {
                    for (name, value) in more {
                        known.entry(name).or_insert(value);
                    }
                }
                (none @ None, more) => *none = more,
                _ => {}
            }
        }
        self.see(Seen::Fetched { partial: self.job.missing > 0 }).await
    }
}

/// One file on its way here.
pub(super) struct Fetch<'a> {
    pub(super) jobs: &'a Jobs,
    pub(super) job: &'a Job,
    task: Option<&'a Task>,
    index: usize,
    many: bool,
}

impl Fetch<'_> {
    /// The file as it is afterwards: saved, or with the reason why not. An archive becomes what is in it.
    async fn deliver(self, mut file: JobFile) -> Arrived {
        if file.is_stale() {
            self.renew(&mut file).await;
        }
        let (Some(folder), None) = (&self.job.folder, &file.saved) else { return Arrived::one(file) };
        let mut refused = 0;
        for tries in 1..=5_u32 {
            let problem = match self.bring(&file, folder).await {
                Ok(arrived) => {
                    let sizes = arrived.files.iter().filter_map(|file| Some(file.saved.as_ref()?.bytes));
                    self.jobs.api().metrics().downloaded(sizes.fold(0, u64::saturating_add));
                    return arrived;
                }
                Err(problem) => problem,
            };
            tracing::info!(job = self.job.id, %problem, tries, "a file did not arrive");
            file.trouble = Some(problem.to_string());
            let asked = match problem {
                FetchProblem::Expired { .. } => {
                    refused += 1;
                    // A link may be refused once in passing; without a fresh one, twice is the end of it.
                    if !self.renew(&mut file).await && refused > 1 {
                        break;
                    }
                    None
                }
                FetchProblem::Transient { retry_after, .. } => retry_after,
                // An error page in place of the file may be how a link says that it has ended.
                FetchProblem::Page | FetchProblem::Wrong { .. }
                    if tries == 1 && self.renew(&mut file).await =>
                {
                    None
                }
                FetchProblem::Disk { .. } | FetchProblem::Page | FetchProblem::Wrong { .. } => break,
            };
            if tries < 5 {
                let usual = Duration::from_millis(300).saturating_mul(3_u32.saturating_pow(tries - 1));
                sleep(asked.unwrap_or(usual).min(Duration::from_secs(60))).await;
            }
        }
        Arrived::one(file)
    }

    /// One try, when it is its turn.
    async fn bring(&self, file: &JobFile, folder: &std::path::Path) -> Result<Arrived, FetchProblem> {
        let slow = || FetchProblem::Transient { reason: "it takes too long".to_owned(), retry_after: None };
        // Waiting for a turn is not the file's fault, so the clock starts behind it.
        let url = file.url.as_deref().unwrap_or_default();
        let _turn = self.jobs.shared.downloads.take(url).await.map_err(|_| slow())?;
        let brought = async {
            match file.wrapped {
                Wrapped::Plain => self.download(file, folder).await.map(|saved| {
                    Arrived::one(JobFile { saved: Some(saved.into()), trouble: None, ..file.clone() })
                }),
                Wrapped::Cues => self.subtitles(file, folder).await,
                Wrapped::Archive => self.unpack(file, folder).await,
            }
        };
        tokio::time::timeout(LONGEST_DOWNLOAD, brought).await.map_err(|_| slow())?
    }

    /// What the file is known by, whatever its links are.
    pub(super) fn key(&self, file: &JobFile) -> String {
        format!("{}/{}", self.job.id, file.name)
    }

    /// The name on disk of a file that is called `name` within the job.
    pub(super) fn file_name(&self, name: &str) -> String {
        media::file_name(&self.job.prompt, short(&self.job.id), self.index + 1, self.many, extension(name))
    }

    async fn download(&self, file: &JobFile, folder: &std::path::Path) -> Result<media::Saved, FetchProblem> {
        let url = file.url.as_deref().unwrap_or_default();
        let extension = extension(&file.name);
        let name = self.file_name(&file.name);
        let kind = match self.job.kind {
            Kind::Image => Some(MediaKind::Image),
            Kind::Video => Some(MediaKind::Video),
            Kind::Speech | Kind::Voice | Kind::Music => Some(MediaKind::Audio),
            Kind::Transcription | Kind::Prompt => None,
        };
        let expect = Expect { kind, max_bytes: MAX_RESULT, extension };
        let key = self.key(file);
        self.jobs.shared.fetcher.download(url, folder, &name, &expect, Some(&key)).await
    }

    /// Asks for a fresh link, where MiniMax gives one. Tells whether there is one.
    async fn renew(&self, file: &mut JobFile) -> bool {
        let Some(task) = self.task else { return false };
        let ready = match (&file.file_id, task.route) {
            (Some(file_id), Route::VideoV1 | Route::SpeechAsync) => {
                Some(crate::api::Ready { file_id: Some(file_id.clone()), ..Default::default() })
            }
            _ => match paid::look(self.jobs.api(), task).await {
                Ok(Progress::Ready(ready)) => Some(*ready),
                _ => None,
            },
        };
        let Some(ready) = ready else { return false };
        let collected = paid::collect(self.jobs.api(), task.route, ready).await;
        if let Err(error) = &collected {
            tracing::info!(job = self.job.id, %error, "no fresh link");
        }
        let Some(fresh) = collected.ok().and_then(|made| made.files.into_iter().next()) else { return false };
        file.url = fresh.url;
        (file.url_expires_at, file.stale_at) = (fresh.url_expires_at, fresh.stale_at);
        true
    }
}

/// The part of a job's id that goes into file names.
pub(super) fn short(id: &str) -> &str {
    let random = id.rsplit('-').next().unwrap_or(id);
    random.get(..8).unwrap_or(random)
}

fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("bin", |(_, extension)| extension)
}
