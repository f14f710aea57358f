//! The exit codes of the commands that call tools.

use std::fmt::Write as _;

use serde_json::Value;

use super::answer::Answer;
use crate::facts::{Class, facts};

/// Why a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It succeeded.
    Ok = 0,
    /// MiniMax or this machine failed.
    Failed = 1,
    /// The command line or an argument is wrong.
    Usage = 2,
    /// A setting or the key is wrong.
    Settings = 3,
    /// A limit, a person or an empty balance refused the price.
    Money = 4,
    /// A job has not ended.
    Running = 5,
    /// The request was sent and no answer arrived.
    Unknown = 6,
    /// Ctrl-C or SIGTERM.
    Interrupted = 130,
}

/// The codes, as `--help` and docs/shell.md explain them.
pub(super) const CODES: &[(Exit, &str)] = &[
    (Exit::Ok, "success"),
    (Exit::Failed, "failed: MiniMax, the network or this machine; also a cancelled job"),
    (Exit::Usage, "usage: the command line, an argument, or an id that does not exist"),
    (Exit::Settings, "settings: a setting or the key is missing or wrong"),
    (Exit::Money, "money: refused by a budget, a person or an empty balance"),
    (Exit::Running, "the job has not ended"),
    (Exit::Unknown, "unknown outcome: the request left and no answer came; it may be billed"),
    (Exit::Interrupted, "interrupted with Ctrl-C or SIGTERM; the job continues"),
];

/// The end of the help of the commands that call tools.
pub(in crate::cli) fn help() -> String {
    let mut text = "Exit codes:\n".to_owned();
    for (exit, meaning) in CODES {
        let _ = writeln!(text, "  {:<4}{meaning}", *exit as u8);
    }
    text
}

impl Exit {
    /// The exit code for the answer of a call. If the command waited for a result, a cancelled job is a failure.
    pub(super) fn of(answer: &Answer, awaited: bool) -> Self {
        if let Some(word) = answer.failure.as_deref() {
            return Self::of_word(word, answer.structured.as_ref().map_or("", kind));
        }
        let jobs = answer.jobs();
        let worst = jobs.iter().map(|job| Self::of_job(job, awaited)).max();
        match worst {
            Some(Self::Ok) | None if answer.is_error => Self::Failed,
            Some(exit) => exit,
            None => Self::Ok,
        }
    }

    /// The code for a call that failed without a job, by the kind of error (see [`crate::mcp::ToolError`]).
    fn of_word(word: &str, kind: &str) -> Self {
        match word {
            "argument" | "not_found" | "input" => Self::Usage,
            "settings" | "no_key" | "auth" => Self::Settings,
            "money" | "quota" => Self::Money,
            _ if kind == "ask_user" => Self::Unknown,
            _ => Self::Failed,
        }
    }

    /// The code for a job, by its state and its error.
    fn of_job(job: &Value, awaited: bool) -> Self {
        match job.get("status").and_then(Value::as_str) {
            Some("submitting" | "running") => Self::Running,
            Some("unknown") => Self::Unknown,
            Some("succeeded") => Self::Ok,
            Some("cancelled") if !awaited => Self::Ok,
            None if job.get("error").is_none() => Self::Ok,
            _ => {
                let code = job.pointer("/error/code").and_then(Value::as_i64);
                match code.and_then(|code| facts().code(code)).map(|row| row.class) {
                    Some(Class::Auth) => Self::Settings,
                    Some(Class::Quota) => Self::Money,
                    Some(Class::Input) => Self::Usage,
                    // The id of no known job.
                    None if job.get("status").is_none() && kind(job) == "argument" => Self::Usage,
                    _ => Self::Failed,
                }
            }
        }
    }
}

fn kind(structured: &Value) -> &str {
    structured.pointer("/error/kind").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_exit_code_of_a_failed_call_follows_from_its_error() {
        for (word, kind, exit) in [
            ("argument", "argument", Exit::Usage),
            ("not_found", "argument", Exit::Usage),
            ("settings", "settings", Exit::Settings),
            ("no_key", "settings", Exit::Settings),
            ("auth", "settings", Exit::Settings),
            ("money", "settings", Exit::Money),
            ("money", "ask_user", Exit::Money),
            ("quota", "settings", Exit::Money),
            ("lost", "ask_user", Exit::Unknown),
            ("unsent", "wait", Exit::Failed),
            ("content", "argument", Exit::Failed),
        ] {
            let structured = Some(json!({ "error": { "kind": kind } }));
            let answer =
                Answer { is_error: true, failure: Some(word.into()), structured, ..Answer::default() };
            assert_eq!(Exit::of(&answer, false), exit, "{word}");
        }
    }

    #[test]
    fn the_exit_code_of_jobs_is_that_of_the_worst_state() {
        let judge =
            |structured| Exit::of(&Answer { structured: Some(structured), ..Answer::default() }, true);
        let job =
            |status: &str, code: i64| json!({ "job_id": "j", "status": status, "error": { "code": code } });
        assert_eq!(judge(json!({ "job_id": "j", "status": "succeeded" })), Exit::Ok);
        assert_eq!(judge(json!({ "kind": "image", "next": "Dry run" })), Exit::Ok);
        assert_eq!(judge(json!({ "job_id": "j", "status": "running" })), Exit::Running);
        assert_eq!(judge(json!({ "job_id": "j", "status": "partial" })), Exit::Failed);
        assert_eq!(judge(json!({ "job_id": "j", "status": "cancelled" })), Exit::Failed);
        let cancelled = Some(json!({ "job_id": "j", "status": "cancelled" }));
        let cancelled = Answer { structured: cancelled, ..Answer::default() };
        assert_eq!(Exit::of(&cancelled, false), Exit::Ok, "cancel_job succeeded");
        assert_eq!(judge(job("unknown", 0)), Exit::Unknown);
        assert_eq!(judge(job("failed", 1008)), Exit::Money);
        assert_eq!(judge(job("failed", 2049)), Exit::Settings);
        assert_eq!(judge(job("failed", 1026)), Exit::Failed);
        let several =
            json!({ "next": "", "jobs": [job("failed", 1026), { "job_id": "k", "status": "succeeded" }] });
        assert_eq!(judge(several), Exit::Failed);
        let open =
            json!({ "next": "", "jobs": [job("failed", 1026), { "job_id": "k", "status": "running" }] });
        assert_eq!(judge(open), Exit::Running);
    }

    #[test]
    fn every_code_is_explained() {
        for (exit, meaning) in CODES {
            assert!(help().contains(&format!("  {:<4}{meaning}", *exit as u8)));
        }
    }
}
