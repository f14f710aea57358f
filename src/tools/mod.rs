//! What a model sees: the catalogue.
//!
//! A tool is its input, the conversion that checks it, and a body of a few lines. A folder holds a family of tools.

pub(crate) mod account;
pub(crate) mod chat;
pub(crate) mod files;
pub(crate) mod image;
pub(crate) mod jobs;
pub(crate) mod music;
pub(crate) mod speech;
pub(crate) mod text;
pub(crate) mod video;
pub(crate) mod view_media;
pub(crate) mod voice;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::Tool;

use crate::config::Toolset;
use crate::mcp::{Server, schema};

impl Server {
    /// The tools by group. A capability adds one line here.
    pub(crate) fn groups() -> Vec<(Toolset, ToolRouter<Self>)> {
        vec![
            (Toolset::Image, Self::image_tools()),
            (Toolset::Speech, Self::speech_tools() + Self::playback_tools()),
            (Toolset::Speech, Self::voice_tools() + Self::voice_list_tools() + Self::transcription_tools()),
            (Toolset::Video, Self::video_tools() + Self::template_tools()),
            (Toolset::Video, Self::video_extra_tools() + Self::video_task_tools()),
            (Toolset::Music, Self::music_tools() + Self::lyrics_tools()),
            (Toolset::Jobs, Self::job_tools() + Self::look_tools()),
            (Toolset::Files, Self::shelf_tools() + Self::transfer_tools()),
            (Toolset::Account, Self::account_tools()),
            (
                Toolset::Text,
                Self::chat_tools() + Self::model_tools() + Self::vision_tools() + Self::search_tools(),
            ),
            (Toolset::Legacy, Self::embed_tools()),
        ]
    }

    /// Every tool there is, as a client sees it, by name.
    pub fn catalogue() -> Vec<Tool> {
        let mut router = ToolRouter::new();
        for (_, tools) in Self::groups() {
            router.merge(tools);
        }
        let _ = schema::make_portable(&mut router);
        router.list_all()
    }

    /// Which group a tool is in.
    pub fn group_of(name: &str) -> Option<Toolset> {
        Self::groups().into_iter().find(|(_, tools)| tools.has_route(name)).map(|(group, _)| group)
    }
}
