//! The tools, and the catalogue that a model sees.
//!
//! A tool is its arguments, the checks that turn them into a request, and a [`ToolSpec`](crate::mcp::ToolSpec) with the
//! facts that the machinery needs. Each folder holds a family of tools.

// Modules: `just modules` writes these lines.
pub(crate) mod account;
pub(crate) mod chat;
mod each_key;
pub(crate) mod files;
pub(crate) mod image;
pub(crate) mod jobs;
pub(crate) mod music;
pub(crate) mod prompts;
pub(crate) mod speech;
pub(crate) mod text;
pub(crate) mod video;
pub(crate) mod view_media;
pub(crate) mod voice;
// End of the modules.

use crate::config::Config;
use crate::mcp::catalogue::Toolbox;
use crate::mcp::{Catalogue, Server};

/// What a model reads before anything else. At most 1,200 bytes.
pub const INSTRUCTIONS: &str = "\
MiniMax (Hailuo) makes images, speech, voices, video, music and text. \"Costs money\" means the user's account is billed: \
call such a tool once, when the user asked for the result.
Media tools start a job. The call answers with the finished job (files as path and minimax:// uri) or, after \
wait_seconds, with status running: no error. Then call get_job with its job_id; never call the making tool again for the \
same wish. Jobs go on without a caller and survive restarts; list_jobs finds them.
A media parameter takes a local path, an https or data: URL, mm_file://ID, or the minimax:// uri of a job's file: \
text_to_image, then generate_video with first_frame_image.
dry_run: true checks and prices, and sends nothing; every paid tool has it. idempotency_key makes a repeated call safe; \
chat, speak, understand_image, web_search and generate_lyrics have none: after a lost answer ask before calling again.
Status unknown: the request left, no answer came, it may be billed. Do what its next says; ask the user before buying again.
error.kind says what helps: argument (correct it), settings (key, balance), wait, ask_user, bug.";

/// The tools as a client sees them. `UPDATE=1 cargo test --test it the_list_is_what_the_code_makes` writes it.
const LIST: &str = include_str!(concat!(env!("OUT_DIR"), "/list.json"));

/// Everything that a server can offer.
pub fn catalogue() -> Catalogue<Server> {
    let toolboxes: Vec<Toolbox<Server>> = vec![
        // Toolboxes: `just modules` writes these lines.
        (Server::account_tools, account::TOOLS),
        (Server::chat_tools, chat::TOOLS),
        (Server::file_tools, files::manage::TOOLS),
        (Server::transfer_tools, files::transfer::TOOLS),
        (Server::image_tools, image::TOOLS),
        (Server::job_tools, jobs::TOOLS),
        (Server::music_tools, music::TOOLS),
        (Server::lyrics_tools, music::lyrics::TOOLS),
        (Server::speech_tools, speech::TOOLS),
        (Server::playback_tools, speech::playback::TOOLS),
        (Server::transcription_tools, speech::transcription::TOOLS),
        (Server::embed_tools, text::embed_text::TOOLS),
        (Server::model_tools, text::list_models::TOOLS),
        (Server::vision_tools, text::understand_image::TOOLS),
        (Server::search_tools, text::web_search::TOOLS),
        (Server::video_tools, video::TOOLS),
        (Server::video_extra_tools, video::enhance::TOOLS),
        (Server::video_task_tools, video::list_tasks::TOOLS),
        (Server::template_tools, video::template::TOOLS),
        (Server::view_tools, view_media::TOOLS),
        (Server::voice_tools, voice::create::TOOLS),
        (Server::voice_list_tools, voice::list::TOOLS),
        // End of the toolboxes.
    ];
    let tables = vec![voice::list::TABLE, text::list_models::TABLE];
    Catalogue::new(INSTRUCTIONS, toolboxes, LIST, prompts::PROMPTS, prompts::COMPLETIONS, tables)
}

/// A server with every tool that its settings allow.
pub fn server(config: Config) -> Server {
    Server::new(config, catalogue())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listing_builds_no_schema_and_a_call_builds_only_the_schemas_of_its_file() {
        let catalogue = catalogue();
        assert!(!catalogue.tools().is_empty());
        assert_eq!(catalogue.made_families(), 0);
        assert!(catalogue.tool("text_to_image").is_some());
        assert_eq!(catalogue.made_families(), 1);
    }
}
