//! The viewer: a page that shows a job in the conversation, for hosts with MCP Apps (SEP-1865,
//! `io.modelcontextprotocol/ui`).
//!
//! The page gets the result of the call from the host, follows a running job with `get_job`, and reads files with
//! `resources/read`. It has no network of its own. The official SDK would make it more than 600 KiB larger, so the page
//! has its own few lines of JSON-RPC; `tests/clients/viewer.py` runs it in a browser inside the official host bridge.

use rmcp::model::{ClientCapabilities, JsonObject, MetaObject, Resource, ResourceContents};
use serde_json::{Value, json};

/// The address of the page.
pub const URI: &str = "ui://minimax/job";

/// The extension that a client declares.
pub const EXTENSION: &str = "io.modelcontextprotocol/ui";

/// The type of pages in this extension.
pub const MIME_TYPE: &str = "text/html;profile=mcp-app";

/// The whole page, in one file that loads nothing else.
const PAGE: &str = concat!(
    include_str!("page.html"),
    include_str!("page.css"),
    "</style>\n</head>\n<body>\n<main></main>\n<script>\n(() => {\n\"use strict\";\nconst VERSION = \"",
    env!("CARGO_PKG_VERSION"),
    "\";\nconst WORDS = ",
    include_str!("words.json"),
    ";\n",
    include_str!("bridge.js"),
    include_str!("media.js"),
    include_str!("job.js"),
    "})();\n</script>\n</body>\n</html>\n",
);

/// A mark in the extensions of a request: its client declared the extension when it opened its session.
#[derive(Debug, Clone, Copy)]
pub struct Declared;

/// Whether a client shows pages of MCP Apps.
pub fn is_declared(client: &ClientCapabilities) -> bool {
    let settings = client.extensions.as_ref().and_then(|extensions| extensions.get(EXTENSION));
    let types = settings.and_then(|settings| settings.get("mimeTypes")).and_then(Value::as_array);
    types.is_some_and(|types| types.iter().any(|kind| kind == MIME_TYPE))
}

/// The server's settings for the extension, for a client that declares it.
pub fn settings() -> JsonObject {
    object(json!({ "mimeTypes": [MIME_TYPE] }))
}

/// The metadata of a tool whose results the page shows. The second name is deprecated, but hosts of the first drafts read
/// only that.
pub fn tool_meta() -> MetaObject {
    MetaObject(object(json!({ "ui": { "resourceUri": URI }, "ui/resourceUri": URI })))
}

/// The page in a list of resources.
pub fn resource() -> Resource {
    let mut resource = Resource::new(URI, "job-viewer")
        .with_title("Job viewer")
        .with_description("Shows a job in the conversation: picture, player and progress.")
        .with_mime_type(MIME_TYPE)
        .with_size(PAGE.len() as u64);
    resource.meta = Some(resource_meta());
    resource
}

/// The page itself.
pub fn contents() -> ResourceContents {
    ResourceContents::TextResourceContents {
        uri: URI.to_owned(),
        mime_type: Some(MIME_TYPE.to_owned()),
        text: PAGE.to_owned(),
        meta: Some(resource_meta()),
    }
}

/// No origin: the page loads nothing and connects to nothing.
fn resource_meta() -> MetaObject {
    let csp = json!({ "connectDomains": [], "resourceDomains": [] });
    MetaObject(object(json!({ "ui": { "csp": csp, "prefersBorder": true } })))
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(settings: &Value) -> ClientCapabilities {
        serde_json::from_value(json!({ "extensions": { EXTENSION: settings } })).unwrap()
    }

    #[test]
    fn a_client_declares_the_extension_with_the_type_of_its_pages() {
        assert!(is_declared(&client(&json!({ "mimeTypes": [MIME_TYPE] }))));
        assert!(is_declared(&client(&json!({ "mimeTypes": ["text/uri-list", MIME_TYPE], "features": {} }))));
        for settings in [
            json!({}),
            json!({ "mimeTypes": [] }),
            json!({ "mimeTypes": ["text/html", "text/html+mcp"] }),
            json!({ "mimeTypes": MIME_TYPE }),
            json!({ "mimeTypes": [7, null] }),
        ] {
            assert!(!is_declared(&client(&settings)), "{settings}");
        }
        assert!(!is_declared(&ClientCapabilities::default()));
    }

    #[test]
    fn the_page_is_one_file_without_addresses_and_turns_no_text_into_markup() {
        for (word, why) in [
            ("http:", "an address"),
            ("//www", "an address"),
            ("src=\"", "a file beside it"),
            ("href=", "a file beside it"),
            ("@import", "a file beside it"),
            ("url(", "a file beside it"),
            ("fetch(", "a request"),
            ("XMLHttpRequest", "a request"),
            ("innerHTML", "markup from a text"),
            ("outerHTML", "markup from a text"),
            ("insertAdjacentHTML", "markup from a text"),
            ("document.write", "markup from a text"),
            ("eval(", "code from a text"),
            ("new Function", "code from a text"),
        ] {
            assert!(!PAGE.contains(word), "{word}: {why}");
        }
        assert!(PAGE.starts_with("<!doctype html>") && PAGE.trim_end().ends_with("</html>"));
        assert_eq!(PAGE.matches("</script>").count(), 1);
        assert_eq!(PAGE.matches("</style>").count(), 1);
        assert!(PAGE.len() < 40 * 1024, "{} bytes", PAGE.len());
    }

    #[test]
    fn each_language_has_every_word_with_the_same_values() {
        let words: Value = serde_json::from_str(include_str!("words.json")).unwrap();
        let values = |text: &str| {
            let mut values: Vec<_> =
                text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
            values.sort_unstable();
            values.join(" ")
        };
        let all = |language: &str| {
            let words = words[language].as_object().unwrap();
            words
                .iter()
                .map(|(word, text)| (word.clone(), values(text.as_str().unwrap())))
                .collect::<Vec<_>>()
        };
        assert_eq!(all("en"), all("zh"));
    }

    #[test]
    fn every_text_of_the_page_is_in_its_table() {
        let words: Value = serde_json::from_str(include_str!("words.json")).unwrap();
        let code = include_str!("job.js");
        let named = ["say(\"", "button(\""].into_iter().flat_map(|call| code.split(call).skip(1));
        let named: Vec<_> = named.filter_map(|rest| rest.split('"').next()).collect();
        assert!(named.len() > 15, "{named:?}");
        for word in named {
            assert!(words["en"].get(word).is_some(), "{word}");
        }
    }
}
