//! Tasks of the V2 video endpoints.

use serde_json::{Map, Value};

use crate::engine::clock::now_ms;
use crate::engine::errors::{ApiError, INVALID};
use crate::engine::journal::Entry;
use crate::engine::request_log::Request;
use crate::engine::state::AppState;
use crate::engine::tasks::{Kind, Outcome, Task};
use crate::media::clip::FRAMES_PER_SECOND;

/// How long tasks can be queried, in milliseconds: seven days ("Query video generation V2").
const MEMORY_MS: u64 = 7 * 24 * 3600 * 1000;

/// Records a billed task. Returns its id.
pub(crate) fn record(
    state: &AppState,
    bill: Request,
    id: String,
    request: Map<String, Value>,
    outcome: Outcome,
) -> Result<String, ApiError> {
    let task = Task::new(id.clone(), Kind::VideoV2, request, outcome);
    let entry = Entry::paid(bill, Some(task), None);
    state.store.add(&entry)?;
    Ok(id)
}

/// The number of frames in a video of this many seconds. Lengths lie on a grid of 17 n + 5 frames, so that 5 s become
/// 5.167 s, while 8 s are exact.
pub(crate) fn frames(seconds: i64) -> u32 {
    let wanted = u32::try_from(seconds).unwrap_or(5) * FRAMES_PER_SECOND;
    wanted.saturating_sub(5).div_ceil(17) * 17 + 5
}

/// The V2 task with this id, unless it is older than seven days.
pub(crate) fn find(state: &AppState, id: &str) -> Result<Task, ApiError> {
    let task = state.task(id, Kind::VideoV2).filter(is_recent);
    task.ok_or_else(|| ApiError::of(INVALID).saying("invalid task_id".to_owned()))
}

pub(crate) fn is_recent(task: &Task) -> bool {
    now_ms().saturating_sub(task.created_ms) < MEMORY_MS
}

/// A copy of these fields of a body.
pub(crate) fn fields_of(body: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    names.iter().filter_map(|name| Some(((*name).to_owned(), body.get(*name)?.clone()))).collect()
}
