//! The body of a message: facts about a job, without its prompt and its results.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::jobs::{Job, Message};
use crate::mcp::Server;

/// The fields of a job view that a message has. Texts and MiniMax's signed links are omitted, because the receiver may be a
/// chat room.
const FIELDS: &[&str] = &[
    "job_id",
    "kind",
    "model",
    "status",
    "task_id",
    "voice_id",
    "cost",
    "error",
    "created_at",
    "updated_at",
];

/// The fields of a file that a message has.
const FILE_FIELDS: &[&str] =
    &["uri", "path", "download_url", "mime_type", "bytes", "sha256", "width", "height", "duration_ms"];

/// The message about a job that has ended, as its owner sees it.
pub(super) async fn event(server: &Server, message: &Message, job: &Job) -> Value {
    let view = server.view_of_owner(job).await;
    let mut data = part(&view, FIELDS);
    data.insert("tool".to_owned(), job.tool.clone().into());
    data.insert("principal".to_owned(), job.principal.clone().into());
    let files = view.get("files").and_then(Value::as_array);
    let files: Vec<_> = files.into_iter().flatten().map(|file| part(file, FILE_FIELDS).into()).collect();
    data.insert("files".to_owned(), Value::Array(files));
    let ended = Timestamp::from_millisecond(message.created_at).map(|at| at.to_string());
    json!({ "type": message.kind, "timestamp": ended.unwrap_or_default(), "data": data })
}

fn part(of: &Value, names: &[&str]) -> Map<String, Value> {
    let found = names.iter().filter_map(|name| Some(((*name).to_owned(), of.get(*name)?.clone())));
    found.collect()
}
