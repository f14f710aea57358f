//! What a model sees: the catalogue.
//!
//! A tool is its input, the conversion that checks it, and a body of a few lines. A folder holds a family of tools.

pub(crate) mod account;
pub(crate) mod chat;
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

use crate::config::Config;
use crate::mcp::{Catalogue, Server};

/// Everything there is to offer. A file with tools adds one line here.
pub fn catalogue() -> Catalogue<Server> {
    let toolsets = vec![
        (Server::account_tools(), account::TOOLS),
        (Server::chat_tools(), chat::TOOLS),
        (Server::shelf_tools(), files::manage::TOOLS),
        (Server::transfer_tools(), files::transfer::TOOLS),
        (Server::image_tools(), image::TOOLS),
        (Server::job_tools(), jobs::TOOLS),
        (Server::music_tools(), music::TOOLS),
        (Server::lyrics_tools(), music::lyrics::TOOLS),
        (Server::speech_tools(), speech::TOOLS),
        (Server::playback_tools(), speech::playback::TOOLS),
        (Server::transcription_tools(), speech::transcription::TOOLS),
        (Server::embed_tools(), text::embed_text::TOOLS),
        (Server::model_tools(), text::list_models::TOOLS),
        (Server::vision_tools(), text::understand_image::TOOLS),
        (Server::search_tools(), text::web_search::TOOLS),
        (Server::video_tools(), video::TOOLS),
        (Server::video_extra_tools(), video::enhance::TOOLS),
        (Server::video_task_tools(), video::list_tasks::TOOLS),
        (Server::template_tools(), video::template::TOOLS),
        (Server::look_tools(), view_media::TOOLS),
        (Server::voice_tools(), voice::create::TOOLS),
        (Server::voice_list_tools(), voice::list::TOOLS),
    ];
    let tables = vec![voice::list::TABLE, text::list_models::TABLE];
    Catalogue::new(toolsets, prompts::PROMPTS, prompts::COMPLETIONS, tables)
}

/// A server with every tool that its settings want.
pub fn server(config: Config) -> Server {
    Server::new(config, catalogue())
}
