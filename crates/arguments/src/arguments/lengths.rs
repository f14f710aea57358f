//! The longest strings of arguments, in characters.
//!
//! Every string of every input schema gets a `maxLength` here, which validation checks before anything is read, recorded
//! or sent. The bounds are MiniMax's own, or for other strings depend on their kind.

use rmcp::model::JsonObject;
use serde_json::{Map, Value};

/// Names, ids, cursors and search words.
const NAME: u64 = 256;

/// A link. Links that MiniMax signs have a few hundred characters.
const URL: u64 = 2048;

/// The longest path on common systems.
const PATH: u64 = 4096;

/// A media input may be a `data:` URI as large as a request. Paths and links are limited to [`PATH`].
const MEDIA: u64 = 16 * 1024 * 1024;

/// A text for which MiniMax documents no bound.
pub const TEXT: u64 = 10_000;

/// An `idempotency_key`.
const KEY: u64 = 128;

/// The bounds of arguments that have the same bound in every tool. A tool's other bounds are in its `ToolSpec`.
const COMMON: &[(&str, u64)] = &[
    ("lyrics", 3500),
    ("prompt_text", 1000),
    ("text_validation", 200),
    ("preview_text", 500),
    ("idempotency_key", KEY),
    ("url", URL),
    ("callback_url", URL),
    ("output_directory", PATH),
];

/// The arguments that are media inputs.
const INPUTS: &[&str] = &[
    "file",
    "first_frame_image",
    "image_url",
    "input_file_path",
    "last_frame_image",
    "media",
    "prompt_audio",
    "reference_audio",
    "reference_audios",
    "reference_images",
    "reference_videos",
    "subject_reference",
    "text_file",
    "uri",
    "video",
];

/// Gives each string of a tool's input schema its bound, by the name of the argument. Enums get one too, because the
/// search for the closest value takes longer with longer texts. An existing bound stays.
pub(crate) fn bound(own: &[(&str, u64)], schema: &mut JsonObject) {
    for (name, property) in properties(schema) {
        bound_one(own, name, property);
    }
}

fn bound_one(own: &[(&str, u64)], name: &str, schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    if object.get("type").is_some_and(|kind| kind == "string") {
        object.entry("maxLength").or_insert_with(|| length(own, name).into());
    }
    if let Some(items) = object.get_mut("items") {
        bound_one(own, name, items);
    }
    bound(own, object);
}

fn properties(schema: &mut JsonObject) -> impl Iterator<Item = (&String, &mut Value)> {
    schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::iter_mut)
}

fn length(own: &[(&str, u64)], name: &str) -> u64 {
    if INPUTS.contains(&name) {
        return MEDIA;
    }
    own.iter().chain(COMMON).find(|(known, _)| *known == name).map_or(NAME, |(_, most)| *most)
}

/// The bound of one text whose argument takes `most` characters: only a `data:` URI may be as long as a media input.
pub(crate) fn of_text(text: &str, most: u64) -> u64 {
    if most != MEDIA {
        return most;
    }
    let start = text.trim_start();
    // The kind of the medium may precede it.
    let start = ["image:", "video:"].iter().find_map(|kind| start.strip_prefix(kind)).unwrap_or(start);
    if is_data_uri(start) { MEDIA } else { PATH }
}

/// Whether a media input contains its bytes.
pub fn is_data_uri(text: &str) -> bool {
    text.trim_start().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// Whether an argument may name a file or a folder on this machine.
pub fn names_a_path(name: &str, value: &Value) -> bool {
    let is_link = |text: &str| text.contains("://") && !text.trim_start().starts_with("file:");
    match value {
        Value::String(text) => {
            let takes_paths = INPUTS.contains(&name) || name == "output_directory";
            takes_paths && !text.trim().is_empty() && !is_data_uri(text) && !is_link(text)
        }
        Value::Array(items) => items.iter().any(|item| names_a_path(name, item)),
        Value::Object(fields) => {
            fields.iter().any(|(field, value)| names_a_path(field, value) || names_a_path(name, value))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_media_inputs_and_folders_name_paths() {
        use serde_json::json;

        for (name, value) in [
            ("file", json!("logo.png")),
            ("output_directory", json!("/home/ada/app")),
            ("reference_images", json!(["https://example.com/a.png", "a.png"])),
            ("subject_reference", json!([{ "image_file": "a.png" }])),
            ("options", json!({ "video": "~/a.mp4" })),
            ("uri", json!("file:///home/ada/a.png")),
        ] {
            assert!(names_a_path(name, &value), "{name}: {value}");
        }
        for (name, value) in [
            ("prompt", json!("/home/ada/a.png")),
            ("file", json!("https://example.com/a.png")),
            ("file", json!("data:image/png;base64,AAAA")),
            ("uri", json!("minimax://files/a/b.png")),
            ("file", json!(" ")),
            ("file", json!(5)),
        ] {
            assert!(!names_a_path(name, &value), "{name}: {value}");
        }
    }

    #[test]
    fn only_a_data_uri_may_be_as_long_as_a_media_input() {
        for (text, most) in [
            ("data:image/png;base64,AAAA", MEDIA),
            ("  DATA:,x", MEDIA),
            ("image:data:image/png;base64,AAAA", MEDIA),
            ("https://example.com/data:", PATH),
            ("dat", PATH),
            ("datä:", PATH),
            ("", PATH),
        ] {
            assert_eq!(of_text(text, MEDIA), most, "{text}");
            assert_eq!(of_text(text, NAME), NAME, "{text}");
        }
    }
}
