//! Names of parameters: other spellings of ours, names that clients add to every call, and the closest name to a wrong one.

use rmcp::model::JsonObject;
use serde_json::Value;

use super::json_text;

/// Names that clients add to the arguments of every call and that mean nothing to a tool. They are dropped, unless the
/// tool has a parameter of that name. Names that begin with `_` (`_meta`, `__user__`) are dropped too.
const ENVELOPE: &[&str] = &[
    // n8n: MCP Client Tool and AI Agent.
    "action",
    "chat_input",
    "session_id",
    "tool",
    "tool_call_id",
    // Cline.
    "task_progress",
    // Gemini CLI, Windsurf and Antigravity.
    "tool_action",
    "tool_summary",
    "wait_for_previous",
    "wait_for_previous_tools",
    // Cursor, for tools without parameters too.
    "explanation",
    "random_string",
    // Dify, Flowise, LibreChat, Open WebUI and gateways: ids of a chat and its run.
    "call_id",
    "chat_id",
    "correlation_id",
    "execution_id",
    "message_id",
    "parent_message_id",
    "progress_token",
    "request_id",
    "run_id",
    "span_id",
    "thread_id",
    "trace_id",
    "traceparent",
    "user_id",
    "workflow_id",
    // LangChain and LangGraph.
    "callbacks",
    "run_manager",
    "runtime",
    "tool_runtime",
];

/// Names of objects in which clients and models wrap all arguments.
const WRAPPERS: &[&str] =
    &["args", "arguments", "input", "kwargs", "parameters", "params", "tool_args", "tool_input"];

/// The parameters that `id` can mean. It is accepted only if the tool has exactly one of them.
const IDS: &[&str] = &["job_id", "task_id", "file_id", "voice_id", "template_id", "conversation_id"];

/// Other names of parameters. A name means the first of its parameters that the tool has. A parameter's own name wins
/// over an alias.
const ALIASES: &[(&str, &[&str])] = &[
    // Other MiniMax servers.
    ("audio_format", &["format"]),
    ("audio_file", &["file"]),
    ("first_frame", &["first_frame_image"]),
    ("image_ratio", &["aspect_ratio"]),
    ("image_source", &["image_url"]),
    ("image_url", &["first_frame_image", "subject_reference", "uri"]),
    ("last_frame", &["last_frame_image"]),
    ("out_dir", &["output_directory"]),
    ("reference_image", &["subject_reference"]),
    ("subject_image", &["subject_reference"]),
    ("video_length", &["duration"]),
    ("video_ratio", &["ratio"]),
    ("voice", &["voice_id"]),
    ("volume", &["vol"]),
    ("wait", &["wait_seconds"]),
    // Names that models guess.
    ("aspect_ratio", &["ratio"]),
    ("audio", &["file", "reference_audio", "input_file_path"]),
    ("audio_url", &["file", "reference_audio", "input_file_path"]),
    ("count", &["n", "limit"]),
    ("file_path", &["file", "input_file_path", "uri"]),
    ("ids", &["job_ids"]),
    ("image", &["image_url", "first_frame_image", "subject_reference", "uri", "file"]),
    ("image_path", &["image_url", "first_frame_image", "subject_reference", "uri"]),
    ("input", &["text", "prompt"]),
    ("instrumental", &["is_instrumental"]),
    ("language", &["language_boost"]),
    ("max_completion_tokens", &["max_tokens"]),
    ("max_output_tokens", &["max_tokens"]),
    ("max_results", &["limit"]),
    ("num_images", &["n"]),
    ("number_of_images", &["n"]),
    ("output_dir", &["output_directory"]),
    ("output_format", &["format"]),
    ("path", &["file", "input_file_path", "uri", "image_url"]),
    ("q", &["query"]),
    ("ratio", &["aspect_ratio"]),
    ("reasoning_effort", &["effort"]),
    ("response_language", &["language"]),
    ("search", &["query"]),
    ("search_query", &["query"]),
    ("seconds", &["duration"]),
    ("size", &["resolution"]),
    ("template", &["template_id"]),
    ("url", &["image_url", "file", "uri", "input_file_path"]),
    ("voice_name", &["voice_id"]),
];

/// The similarity from which a name counts as a misspelling of another.
const CLOSE: f64 = 0.64;

/// Whether clients add this name to their calls.
pub(super) fn is_envelope(name: &str) -> bool {
    let letters = |name: &str| name.replace(['_', '-'], "").to_lowercase();
    name.starts_with('_') || ENVELOPE.iter().any(|known| letters(known) == letters(name))
}

/// Whether a name that clients add to their calls, or a field of its object, looks like `dry_run`.
pub(super) fn may_mean_dry_run(name: &str, value: &Value) -> bool {
    let is_dry = |name: &str| snake_case(name).replace('_', "") == "dryrun";
    is_dry(name) || value.as_object().is_some_and(|fields| fields.keys().any(|name| is_dry(name)))
}

/// Unwraps arguments that are wrapped in an object which is not a parameter. Only if nothing else is beside it.
pub(super) fn unwrapped(properties: &JsonObject, mut given: JsonObject) -> JsonObject {
    let mut own = given.keys().filter(|name| properties.contains_key(*name) || !is_envelope(name));
    let (Some(name), None) = (own.next().cloned(), own.next()) else { return given };
    if properties.contains_key(&name) || !WRAPPERS.contains(&snake_case(&name).as_str()) {
        return given;
    }
    let inner = match given.get(&name) {
        Some(Value::String(text)) => json_text::read(text),
        _ => given.shift_remove(&name),
    };
    match inner {
        Some(Value::Object(inner)) => inner,
        Some(other) if !given.contains_key(&name) => {
            given.insert(name, other);
            given
        }
        _ => given,
    }
}

/// The parameter that a name means.
pub(super) fn canonical<'a>(properties: &'a JsonObject, name: &str) -> Option<&'a str> {
    let find = |wanted: &str| properties.keys().find(|key| *key == wanted).map(String::as_str);
    let snake = snake_case(name);
    find(name).or_else(|| find(&snake)).or_else(|| aliased(properties, &snake))
}

fn aliased<'a>(properties: &'a JsonObject, snake: &str) -> Option<&'a str> {
    let find = |wanted: &&str| properties.keys().find(|key| key == wanted).map(String::as_str);
    if snake == "id" {
        let mut ids = IDS.iter().filter_map(find);
        let only = ids.next();
        return only.filter(|_| ids.next().is_none());
    }
    let (_, targets) = ALIASES.iter().find(|(alias, _)| *alias == snake)?;
    targets.iter().find_map(find)
}

/// `imageURL`, `image-url` and `imageUrl` as `image_url`.
pub(super) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut after_small = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && after_small {
            snake.push('_');
        }
        after_small = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        snake.push(if matches!(letter, '-' | ' ' | '.') { '_' } else { letter.to_ascii_lowercase() });
    }
    snake
}

/// The error for a name that means no parameter. It lists all parameters only if none is similar.
pub(super) fn unknown(properties: &JsonObject, name: &str) -> String {
    let shown: String = name.chars().take(64).collect();
    if let Some(close) = meant(properties, &snake_case(&shown)) {
        return format!("there is no parameter `{shown}`; did you mean `{close}`?");
    }
    let all: Vec<_> = properties.keys().map(String::as_str).collect();
    match all.as_slice() {
        [] => format!("there is no parameter `{shown}`; this tool takes none"),
        all => format!("there is no parameter `{shown}`; there are {}", all.join(", ")),
    }
}

/// The parameter that a misspelt name is closest to: by its letters, or because it has all words of the parameter.
fn meant<'a>(properties: &'a JsonObject, snake: &str) -> Option<&'a str> {
    let names = properties.keys().map(|name| (name.as_str(), name.as_str()));
    let aliases = ALIASES.iter().filter_map(|(alias, _)| Some((*alias, aliased(properties, alias)?)));
    let rated =
        names.chain(aliases).map(|(name, real)| (strsim::normalized_damerau_levenshtein(name, snake), real));
    let close = rated.filter(|(score, _)| *score >= CLOSE).max_by(|a, b| a.0.total_cmp(&b.0));
    let words: Vec<_> = snake.split('_').collect();
    let inside = properties.keys().filter(|name| name.split('_').all(|word| words.contains(&word)));
    close.map(|(_, real)| real).or_else(|| inside.max_by_key(|name| name.len()).map(String::as_str))
}

/// The value of a set that is closest to a word.
pub(super) fn closest<'a>(candidates: impl Iterator<Item = &'a str>, word: &str) -> Option<&'a str> {
    let rated = candidates.map(|candidate| (strsim::jaro_winkler(candidate, word), candidate));
    let close = rated.filter(|(score, _)| *score > 0.75);
    close.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool(names: &[&str]) -> JsonObject {
        names.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect()
    }

    #[test]
    fn a_name_means_the_first_parameter_that_the_tool_has() {
        let video =
            tool(&["prompt", "first_frame_image", "subject_reference", "duration", "ratio", "resolution"]);
        let image = tool(&["prompt", "aspect_ratio", "n", "subject_reference", "output_directory"]);
        let cancel = tool(&["job_id"]);
        let again = tool(&["job_id", "task_id"]);
        for (tool, name, meaning) in [
            (&video, "aspect_ratio", Some("ratio")),
            (&video, "aspectRatio", Some("ratio")),
            (&video, "image", Some("first_frame_image")),
            (&video, "imageURL", Some("first_frame_image")),
            (&video, "first-frame-image", Some("first_frame_image")),
            (&video, "size", Some("resolution")),
            (&video, "seconds", Some("duration")),
            (&image, "ratio", Some("aspect_ratio")),
            (&image, "image", Some("subject_reference")),
            (&image, "num_images", Some("n")),
            (&image, "count", Some("n")),
            (&image, "duration", None),
            (&cancel, "id", Some("job_id")),
            (&again, "id", None),
            (&image, "id", None),
        ] {
            assert_eq!(canonical(tool, name), meaning, "{name}");
        }
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_one_that_is_meant() {
        let tool = tool(&["prompt", "first_frame_image", "duration", "ratio", "output_directory"]);
        for (name, close) in [
            ("promt", Some("prompt")),
            ("aspect_ration", Some("ratio")),
            ("first_image", Some("first_frame_image")),
            ("clip_duration", Some("duration")),
            ("output_format", None),
            ("zzz", None),
        ] {
            let told = unknown(&tool, name);
            match close {
                Some(close) => assert!(told.ends_with(&format!("did you mean `{close}`?")), "{told}"),
                None => assert!(told.contains("there are prompt, first_frame_image"), "{told}"),
            }
        }
    }

    #[test]
    fn names_that_clients_add_are_distinguished_from_mistakes() {
        for name in [
            "toolCallId",
            "tool_call_id",
            "sessionId",
            "_meta",
            "__event_emitter__",
            "waitForPreviousTools",
            "toolcallid",
        ] {
            assert!(is_envelope(name), "{name}");
        }
        for name in ["promt", "toolcall", "session", "meta", "id", "wait_for"] {
            assert!(!is_envelope(name), "{name}");
        }
    }
}
