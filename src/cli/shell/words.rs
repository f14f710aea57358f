//! Sentences for a model as a person at the shell reads them: commands in place of tools, and "you" in place of "the user".

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What a sentence has, and what takes its place. They are applied in this order, so the longer ones come first.
const PHRASES: &[(&str, &str)] = &[
    // Which command follows.
    (r"Call `?get_job`? with a job_id for its details", "`minimax-mcp jobs ID` shows one of them"),
    (r"or `?get_job`? with a job_id for its details", "or `minimax-mcp jobs ID` to see one of them"),
    (r"`?get_job`? with this job_id alone", "`minimax-mcp jobs` with this id alone"),
    (r"Call `?get_job`? with job_id ([A-Za-z0-9_-]+)", "Run `minimax-mcp wait $1`"),
    (r"`?get_job`? with job_id ([A-Za-z0-9_-]+)", "`minimax-mcp wait $1`"),
    (
        r"Call `?([a-z]+(?:_[a-z]+)*)`? with ((?:[a-z]+_)?id|cursor) ([A-Za-z0-9_.-]*[A-Za-z0-9])",
        "Run `minimax-mcp call $1 $2=$3`",
    ),
    (
        r"`?([a-z]+(?:_[a-z]+)+)`? with ((?:task|file|voice)_id) ([A-Za-z0-9_.-]*[A-Za-z0-9])",
        "`minimax-mcp call $1 $2=$3`",
    ),
    (r"Call again without dry_run", "Run it again without --dry-run"),
    (r"[Cc]all the tool again", "run the command again"),
    (r"`?list_jobs`? shows", "`minimax-mcp jobs` shows"),
    (r"`?check_account`? shows", "`minimax-mcp account` shows"),
    (r"\(check_account\)", "(`minimax-mcp account`)"),
    (r"`?list_voices`? shows", "`minimax-mcp voices` shows"),
    (r"`?(list_[a-z]+)`? shows", "`minimax-mcp call $1` shows"),
    (r"(?-u:\b)([Uu]se|[Cc]all|[Ss]ee|from|of|in|with) `?list_jobs`?(?-u:\b)", "$1 `minimax-mcp jobs`"),
    (r"(?-u:\b)([Uu]se|[Cc]all|[Ss]ee|from|of|in|with) `?list_voices`?(?-u:\b)", "$1 `minimax-mcp voices`"),
    (
        r"(?-u:\b)([Uu]se|[Cc]all|[Ss]ee|from|of|in|with) `?check_account`?(?-u:\b)",
        "$1 `minimax-mcp account`",
    ),
    (r"(?-u:\b)([Uu]se|from|of) `?(query_video_generation|list_[a-z]+)`?\.", "$1 `minimax-mcp call $2`."),
    // Who does it.
    (r" in this server's configuration", ""),
    (r" the server's configuration and to restart it", " the settings (`minimax-mcp settings`)"),
    (r",? and (?:to )?restart (?:it|the server|this server)(?-u:\b)", ""),
    (r"[,;] then to restart this server", ""),
    (
        r#"let the user allow (?:it|the folder): put "(MINIMAX_[A-Z_]+)": "([^"]*)" into the "env" of this server in the client's configuration"#,
        "set $1=$2",
    ),
    (r"Ask the user to ", "Please "),
    (r"ask the user to ", ""),
    (r"[Tt]ell the user to ", ""),
    (r"Tell the user: ", ""),
    (r"Tell the user where it is; ", ""),
    (r"Let the user decide ", "Decide "),
    (r"let the user decide ", "decide "),
    (r"Let the user ", "Please "),
    (r"let the user ", ""),
    (r"only if the user wants it", "only if you want it"),
];

static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    PHRASES.iter().filter_map(|(pattern, words)| Some((Regex::new(pattern).ok()?, *words))).collect()
});

/// The word that takes the place of "Ask the user to", and the first letter after it, which becomes the first of the sentence.
static PLEASE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("Please ([a-z])").ok());

/// The sentences for a person at the shell.
pub(super) fn for_shell(text: &str) -> String {
    let mut text = Cow::Borrowed(text);
    for (rule, words) in RULES.iter() {
        if let Cow::Owned(changed) = rule.replace_all(&text, *words) {
            text = Cow::Owned(changed);
        }
    }
    let capital = |found: &Captures<'_>| found.get(1).map_or("", |first| first.as_str()).to_uppercase();
    match PLEASE.as_ref() {
        Some(please) => please.replace_all(&text, capital).into_owned(),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_a_pattern() {
        assert_eq!(RULES.len(), PHRASES.len());
    }

    #[test]
    fn what_a_model_is_told_becomes_what_a_person_types() {
        for (told, typed) in [
            ("list_jobs shows the jobs of this server.", "`minimax-mcp jobs` shows the jobs of this server."),
            (
                "For a task id of MiniMax use query_video_generation.",
                "For a task id of MiniMax use `minimax-mcp call query_video_generation`.",
            ),
            ("Call get_job with job_id image-1 to wait.", "Run `minimax-mcp wait image-1` to wait."),
            (
                "Still; after that, get_job with job_id v-1 has it.",
                "Still; after that, `minimax-mcp wait v-1` has it.",
            ),
            (
                "query_video_generation with task_id 12 fetches it",
                "`minimax-mcp call query_video_generation task_id=12` fetches it",
            ),
            (
                "Call list_files with cursor next_cursor for more.",
                "Run `minimax-mcp call list_files cursor=next_cursor` for more.",
            ),
            (
                "Ask the user to set MINIMAX_API_KEY in this server's configuration (keys: a) and to restart it.",
                "Set MINIMAX_API_KEY (keys: a).",
            ),
            (
                "Ask the user to correct the server's configuration and to restart it.",
                "Correct the settings (`minimax-mcp settings`).",
            ),
            (
                "Nothing was billed. Ask the user to raise or unset MINIMAX_BUDGET_DAY and to restart this server.",
                "Nothing was billed. Raise or unset MINIMAX_BUDGET_DAY.",
            ),
            (
                "Give the absolute path, or let the user allow it: put \"MINIMAX_ALLOWED_DIRS\": \"/a\" into the \"env\" of this server in the client's configuration, and restart the server.",
                "Give the absolute path, or set MINIMAX_ALLOWED_DIRS=/a.",
            ),
            ("Let the user decide whether to buy another.", "Decide whether to buy another."),
            (
                "a budget does not allow it (check_account)",
                "a budget does not allow it (`minimax-mcp account`)",
            ),
            ("there is no voice `x` in list_voices", "there is no voice `x` in `minimax-mcp voices`"),
            ("Fix the argument and call again.", "Fix the argument and call again."),
        ] {
            assert_eq!(for_shell(told), typed);
        }
    }
}
