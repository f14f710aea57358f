//! `list_video_tasks`.

use std::collections::VecDeque;

use futures_util::future::join_all;
use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolResponse;
use rmcp::{ErrorData, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::ApiError;
use crate::api::video_extras::{CloudTask, TaskPage};
use crate::config::Toolset;
use crate::jobs::{Jobs, PaysWith, RemoteKind};
use crate::mcp::ToolSpec;
use crate::mcp::cursor;
use crate::mcp::model_name::ModelNames;
use crate::mcp::{Server, ToolError};
use crate::media::units::age;
use crate::result::Report;
use crate::tools::each_key::missing;

pub(crate) const TOOLS: &[ToolSpec] = &[ToolSpec::free("list_video_tasks", Toolset::Video)];

#[derive(Debug, Deserialize, JsonSchema)]
struct TasksInput {
    /// Only this state. Default: all.
    #[schemars(extend("enum" = ["queued", "running", "succeeded", "failed", "cancelled"]))]
    status: Option<String>,
    /// Only this model, as MiniMax-H3.
    model: Option<String>,
    /// Tasks per page, 1-50, default 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 50))]
    limit: u32,
    /// next_cursor of the previous page.
    cursor: Option<String>,
}

fn ten() -> u32 {
    10
}

/// A page of the account's tasks.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VideoTasks {
    /// Newest first.
    tasks: Vec<TaskRow>,
    /// On all pages.
    total: u64,
    /// For the next page, with the same limit; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// What to do now.
    next: String,
}

/// A task in short. What is absent is unknown.
#[derive(Debug, Serialize, JsonSchema)]
struct TaskRow {
    /// Give it to query_video_generation.
    task_id: String,
    model: String,
    status: String,
    /// generation, h3_context_ir or regeneration.
    task_type: String,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<String>,
    /// MiniMax's link.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// plan or balance, if one key alone has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'static str>,
    /// The job that it is here; absent if it was submitted elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
}

#[tool_router(router = video_task_tools, vis = "pub(crate)")]
impl Server {
    /// List H3 video tasks at MiniMax, 7 days back, also from elsewhere. This server's jobs: list_jobs. Free.
    #[tool(
        title = "List video tasks",
        output_schema = schema_for_output::<VideoTasks>(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = true)
    )]
    async fn list_video_tasks(
        &self,
        Parameters(input): Parameters<TasksInput>,
    ) -> Result<VideoTasks, ToolError> {
        self.checkout.ready()?;
        let start = match input.cursor.as_deref() {
            Some(given) => cursor::read("list_video_tasks", given, places)?,
            None => Vec::new(),
        };
        let limit = input.limit.clamp(1, 50);
        let model = input.model.as_deref().map(|model| ModelNames::of(self).sent(model));
        let wanted = Wanted { status: input.status.as_deref(), model: model.as_deref(), limit };
        let keys = self.jobs().each_key();
        let starts = start.into_iter().chain(std::iter::repeat(0));
        let asked = keys.iter().zip(starts).map(|(jobs, start)| from(jobs, start, &wanted));
        let page = Page::merged(join_all(asked).await, limit)?;
        let listed = page.tasks.len();
        let ownership = &self.inputs.ownership;
        let items = ownership.visible(RemoteKind::Task, page.tasks, |(task, _)| &task.id).await?;
        let hidden = u64::try_from(listed.saturating_sub(items.len())).unwrap_or_default();
        let mut tasks = Vec::with_capacity(items.len());
        for (task, key) in items {
            let job = self.jobs().by_task(self.principal(), &task.id).await?;
            let row = TaskRow::of(task, job.map(|job| job.id));
            tasks.push(TaskRow { key: key.map(PaysWith::word), ..row });
        }
        // A caller must not learn how many tasks others have.
        let total = if ownership.has_whole_account().await? {
            page.total.saturating_sub(hidden)
        } else {
            u64::try_from(tasks.len()).unwrap_or_default()
        };
        let next = match (tasks.is_empty(), page.next.is_some()) {
            (true, _) => "No matching tasks.",
            (false, true) => {
                "Call list_video_tasks with cursor for more, or query_video_generation with a task_id to fetch one."
            }
            (false, false) => "Call query_video_generation with a task_id to fetch one.",
        };
        let next = page.warnings.iter().map(String::as_str).chain([next]).collect::<Vec<_>>().join(". ");
        let next_cursor = page.next.map(|places| {
            let places: Vec<_> = places.iter().map(ToString::to_string).collect();
            cursor::give("list_video_tasks", &places.join("-"))
        });
        Ok(VideoTasks { tasks, total, next_cursor, next })
    }
}

/// The filters of a list.
struct Wanted<'a> {
    status: Option<&'a str>,
    model: Option<&'a str>,
    limit: u32,
}

/// The tasks of one key, from a place in its list on.
struct OfKey {
    key: Option<PaysWith>,
    start: u64,
    found: Result<TaskPage, ApiError>,
}

/// Up to `limit` tasks of one key. MiniMax returns pages, so a place within a page needs that page and the next.
async fn from(jobs: &Jobs, start: u64, wanted: &Wanted<'_>) -> OfKey {
    let size = u64::from(wanted.limit);
    let (page, within) = (start / size, usize::try_from(start % size).unwrap_or_default());
    let page = u32::try_from(page.saturating_add(1)).unwrap_or(u32::MAX);
    let ask = |page| jobs.api().video_tasks(page, wanted.limit, wanted.status, wanted.model);
    let found = async {
        let mut first = ask(page).await?;
        if within > 0 && first.items.len() >= within {
            first.items.drain(..within);
            first.items.extend(ask(page.saturating_add(1)).await?.items);
        }
        Ok(first)
    };
    OfKey { key: jobs.pays_with(), start, found: found.await }
}

/// A page of the tasks of all keys.
struct Page {
    /// Newest first, each with the key if only one key has it.
    tasks: Vec<(CloudTask, Option<PaysWith>)>,
    total: u64,
    /// Where the next page starts in the list of each key; `None` on the last.
    next: Option<Vec<u64>>,
    warnings: Vec<String>,
}

impl Page {
    /// The newest tasks of all keys. A key that fails does not hide those of the others.
    fn merged(answers: Vec<OfKey>, limit: u32) -> Result<Self, ApiError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut next: Vec<_> = answers.iter().map(|answer| answer.start).collect();
        let (mut queues, mut totals, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for (place, answer) in answers.into_iter().enumerate() {
            match answer.found {
                Ok(page) => {
                    totals.push((place, page.total, page.items.is_empty()));
                    queues.push((place, answer.key, VecDeque::from(page.items)));
                }
                Err(error) => failed.push((answer.key, error)),
            }
        }
        let warnings = failed.iter().map(|(key, error)| missing(*key, error)).collect();
        if let Some((_, error)) = failed.into_iter().next()
            && totals.is_empty()
        {
            return Err(error);
        }
        let mut advance = |place: usize| {
            if let Some(next) = next.get_mut(place) {
                *next = next.saturating_add(1);
            }
        };
        let (mut tasks, mut is_shared): (Vec<(CloudTask, Option<PaysWith>)>, _) = (Vec::new(), false);
        loop {
            for (place, key, queue) in &mut queues {
                while let Some(front) = queue.front()
                    && let Some((_, owner)) = tasks.iter_mut().find(|(task, _)| task.id == front.id)
                {
                    if *owner != *key {
                        *owner = None;
                        is_shared = true;
                    }
                    queue.pop_front();
                    advance(*place);
                }
            }
            if tasks.len() == limit {
                break;
            }
            let created = |queue: &VecDeque<CloudTask>| queue.front().map(|task| task.created_at);
            // Of two equally new tasks, the first key's comes first.
            let newest = queues.iter_mut().rev().max_by_key(|(_, _, queue)| created(queue));
            let Some((place, key, queue)) = newest else { break };
            let Some(task) = queue.pop_front() else { break };
            advance(*place);
            tasks.push((task, *key));
        }
        // Two keys with a task in common belong to one account, so all their tasks are the same.
        let counts = totals.iter().map(|(_, total, _)| *total);
        let total = if is_shared { counts.max().unwrap_or_default() } else { counts.sum() };
        let has_more = totals
            .iter()
            .any(|(place, total, is_empty)| !is_empty && next.get(*place).is_some_and(|next| next < total));
        Ok(Self { tasks, total, next: has_more.then_some(next), warnings })
    }
}

/// The places that a cursor names: how many tasks of each key were on earlier pages.
fn places(place: &str) -> Option<Vec<u64>> {
    let read = |part: &str| part.parse().ok().filter(|place| *place <= 100_000_000);
    place.split('-').map(read).collect()
}

impl TaskRow {
    fn of(task: CloudTask, job_id: Option<String>) -> Self {
        let created = jiff::Timestamp::from_second(task.created_at);
        let error = task.error.map(|error| format!("{} ({})", error.message, error.code));
        Self {
            task_id: task.id,
            model: task.model,
            status: task.status,
            task_type: task.task_type,
            created_at: created.map(|at| at.to_string()).unwrap_or_default(),
            resolution: task.resolution,
            duration: task.duration,
            ratio: task.ratio.filter(|ratio| !ratio.is_empty()),
            url: task.content.and_then(|content| content.url),
            error,
            key: None,
            job_id,
        }
    }

    fn line(&self) -> String {
        let created = self.created_at.parse::<jiff::Timestamp>().ok();
        let created = created.map(|at| format!("{} ago", age(at.as_second().saturating_mul(1000))));
        let here =
            self.job_id.as_ref().map_or_else(|| "not known here".to_owned(), |job| format!("job {job}"));
        let head = [&self.task_id, &self.task_type, &self.status, &self.model].map(String::as_str);
        let head = head.into_iter().chain(created.as_deref()).chain([here.as_str()]);
        let facts = [
            self.resolution.clone(),
            self.duration.map(|seconds| format!("{seconds} s")),
            self.ratio.clone(),
            self.key.map(|key| format!("only with the key of the {key}")),
        ];
        let facts = facts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let more = [Some(facts).filter(|facts| !facts.is_empty()), self.error.clone()];
        let head = head.collect::<Vec<_>>().join(" · ");
        [head].into_iter().chain(more.into_iter().flatten()).collect::<Vec<_>>().join("\n  ")
    }
}

impl IntoCallToolResult for VideoTasks {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let report = Report::default()
            .content(self.tasks.iter().map(TaskRow::line))
            .head((!self.tasks.is_empty()).then(|| format!("{} in all", self.total)))
            .fact("next_cursor", self.next_cursor.as_deref())
            .next(&self.next);
        Ok(report.result(&self)?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [Option<PaysWith>; 2] = [Some(PaysWith::Balance), Some(PaysWith::Plan)];

    fn task((id, created_at): (u32, i64)) -> CloudTask {
        serde_json::from_value(serde_json::json!({ "id": id.to_string(), "created_at": created_at })).unwrap()
    }

    /// All pages of two lists, in which a task is its id and its second.
    fn pages(lists: [&[(u32, i64)]; 2], limit: u32) -> Vec<Vec<(String, Option<PaysWith>)>> {
        let (mut places, mut pages) = (vec![0, 0], Vec::new());
        loop {
            let answers = lists.iter().zip(KEYS).zip(&places).map(|((list, key), start)| {
                let items = list.iter().skip(usize::try_from(*start).unwrap()).take(limit as usize);
                let page = TaskPage { items: items.copied().map(task).collect(), total: list.len() as u64 };
                OfKey { key, start: *start, found: Ok(page) }
            });
            let page = Page::merged(answers.collect(), limit).unwrap();
            pages.push(page.tasks.into_iter().map(|(task, key)| (task.id, key)).collect());
            match page.next {
                Some(next) => places = next,
                None => return pages,
            }
            assert!(pages.len() < 20, "{pages:?}");
        }
    }

    #[test]
    fn the_pages_of_two_accounts_are_one_list_newest_first_without_gaps() {
        let balance = [(9, 90), (7, 70), (5, 50), (4, 50), (1, 10)];
        let plan = [(8, 80), (6, 50), (3, 30), (2, 20)];
        for limit in 1..=10 {
            let all = pages([&balance, &plan], limit).concat();
            let ids: Vec<_> = all.iter().map(|(id, _)| id.as_str()).collect();
            assert_eq!(ids, ["9", "8", "7", "5", "4", "6", "3", "2", "1"], "{limit}");
            assert!(
                all.iter().all(|(id, key)| (*key == KEYS[1]) == ["8", "6", "3", "2"].contains(&id.as_str()))
            );
        }
    }

    #[test]
    fn two_keys_of_one_account_show_each_task_once() {
        let list = [(4, 40), (3, 30), (2, 30), (1, 10)];
        for limit in 1..=5 {
            let all = pages([&list, &list], limit).concat();
            assert_eq!(all.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["4", "3", "2", "1"]);
            assert!(all.iter().all(|(_, key)| key.is_none()));
        }
        let answers = KEYS.map(|key| {
            let page = TaskPage { items: list.map(task).into(), total: 4 };
            OfKey { key, start: 0, found: Ok(page) }
        });
        assert_eq!(Page::merged(answers.into(), 9).unwrap().total, 4);
    }

    #[test]
    fn a_cursor_names_a_place_for_each_key() {
        assert_eq!(places("0-12"), Some(vec![0, 12]));
        assert_eq!(places("7"), Some(vec![7]));
        for wrong in ["", "-", "1-", "a-1", "1--2", "999999999999"] {
            assert_eq!(places(wrong), None, "{wrong}");
        }
    }
}
