//! Noting what MiniMax has made.

use super::deliver::{is_short, keep};
use super::failure::withheld;
use super::record::{Step, Worker, Write};
use crate::jobs::order::outcome::Made;
use crate::store::{Job, JobFile, MOST_FILES, Seen};

const UNFINISHED: &str =
    "MiniMax called the result unfinished (status 1) when it handed it over: it may be cut short";

/// Whether nothing is left to fetch, because all content came with the answer and is on disk.
fn is_complete(worker: &Worker) -> bool {
    let is_here = |file: &JobFile| file.saved.is_some() && file.spooled.is_none();
    worker.jobs.bucket().is_none() && worker.job.files.iter().all(is_here)
}

/// Records what was made and billed, before files are downloaded.
pub(super) async fn record_result(worker: &mut Worker, made: Made, write: Write) -> Step {
    let job: &mut Job = &mut worker.job;
    job.files = made.files;
    // No order makes more.
    job.files.truncate(MOST_FILES);
    job.text = made.text.or(job.text.take());
    job.voice_id = made.voice_id.or(job.voice_id.take());
    let usage = made.usage.filter(|usage| usage.to_string().len() < 16_384);
    job.usage = usage.or(job.usage.take());
    job.warnings.extend(made.warnings);
    if let Some(cost) = &mut job.cost {
        let actual = made.units.and_then(|units| cost.with_inputs(units, made.inputs));
        cost.actual = actual.or(cost.actual);
    }
    if job.model.is_empty() {
        job.model = made.model.unwrap_or_default();
    }
    job.missing = made.missing;
    job.incomplete = made.incomplete;
    if made.incomplete {
        job.warnings.push(UNFINISHED.to_owned());
    }
    if made.missing > 0 {
        let all = job.files.len() + usize::try_from(made.missing).unwrap_or(usize::MAX);
        job.warnings.push(format!("MiniMax made {} of {all}; it withheld the others", job.files.len()));
    }
    for (index, bytes) in made.bytes {
        keep(worker, index, bytes).await;
    }
    if worker.job.files.is_empty() && worker.job.text.is_none() && worker.job.voice_id.is_none() {
        worker.job.may_be_billed = true;
        let message = "it withheld all that was asked for (content safety)";
        return worker.commit([Seen::Failed(withheld(message))], write).await;
    }
    if is_complete(worker) {
        let partial = is_short(&worker.job);
        return worker.commit([Seen::Made, Seen::Fetched { partial }], write).await;
    }
    worker.commit([Seen::Made], write).await
}
