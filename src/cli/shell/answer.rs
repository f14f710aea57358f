//! The answer of a call, and its printed form.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use rmcp::model::{CallToolResult, ErrorCode};
use rmcp::service::ServiceError;
use serde_json::{Value, json};

use super::words::for_shell;
use crate::mcp::ERROR_WORD;

/// What is printed of a result.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(in crate::cli) struct Output {
    /// Print the structured result as JSON, also after an error.
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// Print only the paths of the files, one a line, or the text of a result without files. No progress.
    #[arg(long, short, conflicts_with = "json")]
    pub(in crate::cli) quiet: bool,
}

/// The outcome of a call.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) texts: Vec<String>,
    pub(super) structured: Option<Value>,
    pub(super) is_error: bool,
    /// The kind of error, for a call that failed before it had a job.
    pub(super) failure: Option<String>,
}

impl Answer {
    pub(super) fn of(result: Result<CallToolResult, ServiceError>) -> Self {
        match result {
            Ok(result) => Self {
                texts: result
                    .content
                    .iter()
                    .filter_map(|block| Some(block.as_text()?.text.clone()))
                    .collect(),
                is_error: result.is_error == Some(true),
                failure: result.meta.and_then(|meta| Some(meta.0.get(ERROR_WORD)?.as_str()?.to_owned())),
                structured: result.structured_content,
            },
            // The server refuses a call that names no tool.
            Err(ServiceError::McpError(error)) if error.code == ErrorCode::INVALID_PARAMS => {
                Self::refused("argument", error.message.into_owned())
            }
            Err(error) => Self::refused("bug", error.to_string()),
        }
    }

    /// An answer that is only an error.
    pub(super) fn refused(word: &str, message: String) -> Self {
        let structured = Some(json!({ "error": { "message": message, "kind": word } }));
        Self { texts: vec![message], structured, is_error: true, failure: Some(word.to_owned()) }
    }

    /// The jobs of the answer: one, or one for each id.
    pub(super) fn jobs(&self) -> Vec<&Value> {
        let Some(structured) = &self.structured else { return Vec::new() };
        match structured.get("jobs").and_then(Value::as_array) {
            Some(jobs) => jobs.iter().filter(|job| job.get("age").is_none()).collect(),
            None => vec![structured],
        }
    }

    /// The ids of the jobs that have not ended.
    pub(super) fn open(&self) -> Vec<String> {
        let jobs = self.jobs().into_iter();
        let open = jobs.filter(|job| {
            matches!(job.get("status").and_then(Value::as_str), Some("submitting" | "running"))
        });
        open.filter_map(|job| Some(job.get("job_id")?.as_str()?.to_owned())).collect()
    }

    /// Prints the answer: a result to stdout, an error to stderr. JSON goes to stdout in both cases.
    pub(super) fn print(&self, output: Output) -> io::Result<()> {
        if output.json {
            let content = self.structured.clone().unwrap_or_else(|| json!({ "text": self.texts.join("\n") }));
            return writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&content)?);
        }
        let text = if output.quiet && !self.is_error { self.essence() } else { self.for_person() };
        let text = text.trim_end();
        if text.is_empty() {
            return Ok(());
        }
        if self.is_error {
            let text = if io::stderr().is_terminal() { harmless(text) } else { text.to_owned() };
            return writeln!(io::stderr(), "{text}");
        }
        let text = if io::stdout().is_terminal() { harmless(text) } else { text.to_owned() };
        writeln!(io::stdout(), "{text}")
    }

    /// Prints a result to stderr, because stdout cannot take it: it may be paid for, and printed nowhere else.
    pub(super) fn rescue(&self) {
        let text = self.for_person();
        let text = if io::stderr().is_terminal() { harmless(&text) } else { text };
        let _ = writeln!(io::stderr(), "stdout cannot be written. The result is:\n{}", text.trim_end());
    }

    /// The texts, with commands instead of the sentences that tell a model which tool to call next.
    fn for_person(&self) -> String {
        let mut text = self.texts.join("\n");
        if self.is_error {
            return for_shell(&text);
        }
        let mut replace = |whole: &Value, words: &str| {
            let next = whole.get("next").and_then(Value::as_str).filter(|next| !next.is_empty());
            if let Some(next) = next {
                text = text.replace(next, words);
            }
        };
        let is_listed = |row: &Value| row.get("age").is_some();
        let rows = self.structured.as_ref().filter(|all| {
            all.get("jobs").and_then(Value::as_array).is_some_and(|rows| rows.iter().any(is_listed))
        });
        if let Some(rows) = rows {
            replace(rows, "`minimax-mcp jobs ID` shows one of them.");
        }
        for job in self.jobs() {
            let of = |name: &str| job.get(name).and_then(Value::as_str).unwrap_or_default();
            match of("status") {
                "succeeded" if job.get("job_id").is_some() => replace(job, ""),
                // Other sentences say why waiting is of no use.
                "submitting" | "running" if of("next").contains("get_job") => {
                    replace(job, &format!("`minimax-mcp wait {}` waits for its result.", of("job_id")));
                }
                _ => replace(job, &for_shell(of("next"))),
            }
        }
        // Other texts are what was asked for, which may speak of anything.
        let warnings =
            |job: &Value| job.get("warnings").and_then(Value::as_array).cloned().unwrap_or_default();
        for warning in self.jobs().into_iter().flat_map(warnings) {
            let warning = warning.as_str().unwrap_or_default();
            text = text.replace(warning, &for_shell(warning));
        }
        text
    }

    /// The paths or links of the files; without files, the text.
    fn essence(&self) -> String {
        let jobs = self.jobs().into_iter();
        let files = jobs.filter_map(|job| job.get("files")?.as_array()).flatten();
        let place = |file: &Value| {
            let first = ["path", "url", "uri"].into_iter().find_map(|name| file.get(name)?.as_str());
            first.map(str::to_owned)
        };
        let single = self.structured.as_ref().and_then(|all| all.get("path")?.as_str()).map(str::to_owned);
        let places: Vec<_> = files.filter_map(place).chain(single).collect();
        if !places.is_empty() {
            return places.join("\n");
        }
        let text = self.structured.as_ref().and_then(|all| all.get("text")?.as_str());
        text.map_or_else(|| self.texts.first().cloned().unwrap_or_default(), str::to_owned)
    }
}

/// The text without control characters, which a terminal would interpret.
fn harmless(text: &str) -> String {
    text.chars()
        .filter(|letter| *letter != '\r')
        .map(|letter| if letter.is_control() && !"\n\t".contains(letter) { '\u{fffd}' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_output_is_the_paths_or_else_the_text() {
        let of = |structured: Value| {
            Answer { texts: vec!["first".into()], structured: Some(structured), ..Answer::default() }
                .essence()
        };
        assert_eq!(of(json!({ "files": [{ "path": "/a", "uri": "u" }, { "uri": "v" }] })), "/a\nv");
        assert_eq!(of(json!({ "jobs": [{ "files": [{ "path": "/a" }] }, { "files": [] }] })), "/a");
        assert_eq!(of(json!({ "path": "/b" })), "/b");
        assert_eq!(of(json!({ "text": "words", "files": [] })), "words");
        assert_eq!(of(json!({ "answer": 1 })), "first");
    }

    #[test]
    fn a_person_reads_commands_where_a_model_reads_names_of_tools() {
        let of = |text: &str, structured: Value| {
            let (texts, structured) = (vec![text.to_owned()], Some(structured));
            Answer { texts, structured, ..Answer::default() }.for_person()
        };
        let job = |status: &str, next: &str| json!({ "job_id": "j", "status": status, "next": next });
        let said = "Saved.\nTell the user.";
        assert_eq!(of(said, job("succeeded", "Tell the user.")), "Saved.\n");
        let said = "Still running. Call get_job.";
        assert!(of(said, job("running", said)).contains("`minimax-mcp wait j`"));
        for (status, kept) in [("running", "Set MINIMAX_REGION."), ("failed", "Call get_job.")] {
            assert_eq!(of(kept, job(status, kept)), kept);
        }
        let said = "j\nCall get_job with a job_id.";
        let rows =
            json!({ "jobs": [{ "job_id": "j", "age": "1 s" }], "next": "Call get_job with a job_id." });
        assert_eq!(of(said, rows), "j\n`minimax-mcp jobs ID` shows one of them.");
        let dry = json!({ "kind": "image", "next": "Dry run." });
        assert_eq!(of("Dry run.", dry), "Dry run.");
    }

    #[test]
    fn a_terminal_gets_no_commands() {
        assert_eq!(harmless("a\x1b[2Jb\n\tc\r"), "a\u{fffd}[2Jb\n\tc");
    }
}
