//! The toolsets, and which of them need each other.

/// A group of tools that is switched on or off together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the variants are the values of MINIMAX_TOOLSETS")]
pub enum Toolset {
    Text,
    Speech,
    Video,
    Image,
    Music,
    Files,
    Jobs,
    Account,
    Legacy,
}

impl Toolset {
    /// Every toolset, by its name in `MINIMAX_TOOLSETS`.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("text", Self::Text),
        ("speech", Self::Speech),
        ("video", Self::Video),
        ("image", Self::Image),
        ("music", Self::Music),
        ("files", Self::Files),
        ("jobs", Self::Jobs),
        ("account", Self::Account),
        ("legacy", Self::Legacy),
    ];

    /// Toolsets with tools that start jobs. Each of them also switches on `jobs`.
    const STARTS_JOBS: &'static [Self] = &[Self::Speech, Self::Video, Self::Image, Self::Music];

    /// Adds `jobs` if one of the toolsets starts jobs. Without it a caller could not ask for their results.
    pub fn with_jobs(mut toolsets: Vec<Self>) -> Vec<Self> {
        let starts_jobs = toolsets.iter().any(|toolset| Self::STARTS_JOBS.contains(toolset));
        if starts_jobs && !toolsets.contains(&Self::Jobs) {
            toolsets.push(Self::Jobs);
        }
        toolsets
    }
}
