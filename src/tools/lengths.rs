//! How long the strings of an argument may be, in characters.
//!
//! Every string of every input schema gets a `maxLength` here, and the argument check holds calls to it before
//! anything is read, recorded or sent. MiniMax's own bounds come first; where it has none, the kind of string decides.

use rmcp::model::JsonObject;
use serde_json::{Map, Value};

/// Names, ids, cursors and search words.
const NAME: u64 = 256;

/// A link. What MiniMax signs has some hundred characters.
const URL: u64 = 2048;

/// The longest path that the usual systems have.
const PATH: u64 = 4096;

/// A media input has room for a `data:` URI as large as a request may be. Paths and links in its place are held to
/// [`PATH`].
const MEDIA: u64 = 16 * 1024 * 1024;

/// What is said to a text model: the largest context has a million tokens, of some four characters each.
const CONVERSATION: u64 = 4_000_000;

/// A text for which MiniMax names no bound.
const TEXT: u64 = 10_000;

/// The longest `idempotency_key`: it is a name, not a document.
pub(super) const KEY: u64 = 128;

/// The bounds of single arguments, by tool. An argument that stands under no tool has the same bound in every tool.
const BOUNDS: &[(&[&str], &str, u64)] = &[
    (&["chat", "count_tokens"], "prompt", CONVERSATION),
    (&["chat", "count_tokens"], "system", CONVERSATION),
    (&["chat", "count_tokens"], "content", CONVERSATION),
    (&["text_to_image"], "prompt", 1500),
    (&["generate_video", "enhance_video_prompt"], "prompt", 7000),
    (&["regenerate_video"], "prompt", 40_000),
    (&["music_generation", "generate_lyrics", "voice_design"], "prompt", 2000),
    (&["understand_image"], "prompt", TEXT),
    (&["web_search"], "query", 2000),
    (&["embed_text"], "texts", TEXT),
    (&["generate_video_from_template"], "texts", 2000),
    (&["voice_clone"], "text", 1000),
    (&["speak"], "text", 9999),
    (&["text_to_audio"], "text", 50_000),
    (&[], "lyrics", 3500),
    (&[], "prompt_text", 1000),
    (&[], "text_validation", 200),
    (&[], "preview_text", 500),
    (&[], "idempotency_key", KEY),
    (&[], "url", URL),
    (&[], "callback_url", URL),
    (&[], "output_directory", PATH),
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

/// Gives each string of a tool's input schema its bound, also those of a closed set: looking for the closest value
/// costs time with their length. A bound of its own stays.
pub(super) fn bound(tool: &str, schema: &mut JsonObject) {
    for (name, property) in properties(schema) {
        bound_one(tool, name, property);
    }
}

fn bound_one(tool: &str, name: &str, schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    if object.get("type").is_some_and(|kind| kind == "string") {
        object.entry("maxLength").or_insert_with(|| length(tool, name).into());
    }
    if let Some(items) = object.get_mut("items") {
        bound_one(tool, name, items);
    }
    bound(tool, object);
}

fn properties(schema: &mut JsonObject) -> impl Iterator<Item = (&String, &mut Value)> {
    schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::iter_mut)
}

fn length(tool: &str, name: &str) -> u64 {
    if INPUTS.contains(&name) {
        return MEDIA;
    }
    let fits = |tools: &[&str]| tools.is_empty() || tools.contains(&tool);
    BOUNDS.iter().find(|(tools, known, _)| *known == name && fits(tools)).map_or(NAME, |(.., most)| *most)
}

/// The bound of this very text, where a string may have `most` characters: only a `data:` URI needs the room of a
/// media input.
pub(super) fn of_text(text: &str, most: u64) -> u64 {
    if most != MEDIA {
        return most;
    }
    let start = text.trim_start();
    // `chat` takes the kind of a medium in front of it.
    let start = ["image:", "video:"].iter().find_map(|kind| start.strip_prefix(kind)).unwrap_or(start);
    if is_data_uri(start) { MEDIA } else { PATH }
}

/// Whether a media input has its bytes in it.
pub(super) fn is_data_uri(text: &str) -> bool {
    text.trim_start().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_data_uri_has_the_room_of_a_media_input() {
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
