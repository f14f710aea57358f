//! What each protocol revision has, and how messages lose the parts that a client's revision does not have.
//!
//! Strict clients refuse a whole result because of one content type or field that their revision does not have, and
//! that result may be paid for. So everything newer than the negotiated revision is left out, and its information stays
//! in the text.

use rmcp::RoleServer;
use rmcp::model::{
    CallToolResult, ContentBlock, Implementation, Prompt, ProtocolVersion, Resource, ResourceTemplate,
    ServerCapabilities,
};
use rmcp::service::RequestContext;

use crate::mcp::listed_tool::ListedTool;

/// A part of the protocol that not every revision has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    /// Audio in content.
    Audio,
    /// `annotations` of tools.
    ToolAnnotations,
    /// `message` in progress notifications.
    ProgressMessage,
    /// The capability `completions`.
    CompletionsCapability,
    /// `title` beside `name`.
    Title,
    /// `resource_link` in content.
    ResourceLink,
    /// `structuredContent` and `outputSchema`.
    StructuredContent,
    /// `_meta` of tools, resources, prompts and content.
    Meta,
    /// Questions to a person.
    Elicitation,
    /// `icons`, and `description` and `websiteUrl` of the server.
    Icons,
    /// `ttlMs` and `cacheScope`.
    CacheHints,
    /// The capability `extensions`, and with it tasks.
    Extensions,
}

/// The revision that brought each feature (changelogs of the MCP specification).
const SINCE: &[(ProtocolVersion, &[Feature])] = &[
    (
        ProtocolVersion::V_2025_03_26,
        &[Feature::Audio, Feature::ToolAnnotations, Feature::ProgressMessage, Feature::CompletionsCapability],
    ),
    (
        ProtocolVersion::V_2025_06_18,
        &[
            Feature::Title,
            Feature::ResourceLink,
            Feature::StructuredContent,
            Feature::Meta,
            Feature::Elicitation,
        ],
    ),
    (ProtocolVersion::V_2025_11_25, &[Feature::Icons]),
    (ProtocolVersion::V_2026_07_28, &[Feature::CacheHints, Feature::Extensions]),
];

/// The protocol revision of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision(ProtocolVersion);

impl Revision {
    /// The revision of a request: its own, or that of its session. If neither is known, the oldest, which every client
    /// understands.
    pub(crate) fn of(call: &RequestContext<RoleServer>) -> Self {
        Self(call.protocol_version().unwrap_or(ProtocolVersion::V_2024_11_05))
    }

    pub(crate) fn agreed(version: &ProtocolVersion) -> Self {
        Self(version.clone())
    }

    pub(crate) fn knows(&self, feature: Feature) -> bool {
        let since = SINCE.iter().find(|(_, features)| features.contains(&feature));
        since.is_some_and(|(since, _)| self.0.as_str() >= since.as_str())
    }

    /// Removes a field that the revision does not have.
    fn keep<T>(&self, feature: Feature, field: &mut Option<T>) {
        if !self.knows(feature) {
            *field = None;
        }
    }

    /// For what `initialize` and `server/discover` say about the server.
    pub(crate) fn fit_server(&self, server: &mut Implementation, capabilities: &mut ServerCapabilities) {
        self.keep(Feature::Title, &mut server.title);
        self.keep(Feature::Icons, &mut server.icons);
        self.keep(Feature::Icons, &mut server.website_url);
        self.keep(Feature::Icons, &mut server.description);
        self.keep(Feature::CompletionsCapability, &mut capabilities.completions);
        self.keep(Feature::Extensions, &mut capabilities.extensions);
    }

    pub(crate) fn fit_tool(&self, tool: &mut ListedTool<'_>) {
        self.keep(Feature::Title, &mut tool.title);
        self.keep(Feature::StructuredContent, &mut tool.output_schema);
        self.keep(Feature::ToolAnnotations, &mut tool.annotations);
        self.keep(Feature::Icons, &mut tool.icons);
        self.keep(Feature::Meta, &mut tool.meta);
    }

    pub(crate) fn fit_resource(&self, resource: &mut Resource) {
        self.keep(Feature::Title, &mut resource.title);
        self.keep(Feature::Icons, &mut resource.icons);
        self.keep(Feature::Meta, &mut resource.meta);
    }

    pub(crate) fn fit_template(&self, template: &mut ResourceTemplate) {
        self.keep(Feature::Title, &mut template.title);
        self.keep(Feature::Icons, &mut template.icons);
        self.keep(Feature::Meta, &mut template.meta);
    }

    pub(crate) fn fit_prompt(&self, prompt: &mut Prompt) {
        self.keep(Feature::Title, &mut prompt.title);
        self.keep(Feature::Icons, &mut prompt.icons);
        self.keep(Feature::Meta, &mut prompt.meta);
        if !self.knows(Feature::Title) {
            prompt.arguments.iter_mut().flatten().for_each(|argument| argument.title = None);
        }
    }

    /// For a tool's result. Its text says what was left out.
    pub(crate) fn fit_result(&self, result: &mut CallToolResult) {
        self.keep(Feature::StructuredContent, &mut result.structured_content);
        let texts = result.content.iter().filter_map(|block| Some(block.as_text()?.text.as_str()));
        let mut said = texts.collect::<Vec<_>>().join("\n");
        result.content.retain_mut(|block| {
            let is_known = match block {
                ContentBlock::Audio(_) => self.knows(Feature::Audio),
                ContentBlock::ResourceLink(_) => self.knows(Feature::ResourceLink),
                _ => true,
            };
            if is_known {
                return true;
            }
            let words = in_words(block);
            let is_new = !said.contains(&words);
            said = format!("{said}\n{words}");
            *block = ContentBlock::text(words);
            is_new
        });
    }
}

/// A block that the client does not know, as text.
fn in_words(block: &ContentBlock) -> String {
    match block {
        ContentBlock::ResourceLink(link) => {
            let path = url::Url::parse(&link.uri).ok().and_then(|uri| uri.to_file_path().ok());
            path.map_or_else(|| link.uri.clone(), |path| path.display().to_string())
        }
        _ => "(audio, which this client cannot receive)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_has_the_content_types_of_its_revision_and_loses_no_information() {
        let path = std::env::temp_dir().join("a.png");
        let shown = path.display().to_string();
        let sent = |version: ProtocolVersion| {
            let link = Resource::new("https://example.com/a.png", "a.png").with_title("A").with_size(3);
            let file = Resource::new(url::Url::from_file_path(&path).unwrap(), "a.png");
            let mut result = CallToolResult::success(vec![
                ContentBlock::text(format!("done\n{shown}")),
                ContentBlock::image("AAAA", "image/png"),
                ContentBlock::audio("AAAA", "audio/wav"),
                ContentBlock::resource_link(link),
                ContentBlock::resource_link(file),
            ]);
            result.structured_content = Some(json!({ "status": "succeeded" }));
            Revision::agreed(&version).fit_result(&mut result);
            serde_json::to_value(&result).unwrap()
        };
        let links = ["text", "image", "audio", "resource_link", "resource_link"];
        for (version, expected) in [
            (ProtocolVersion::V_2024_11_05, ["text", "image", "text", "text"].as_slice()),
            (ProtocolVersion::V_2025_03_26, ["text", "image", "audio", "text"].as_slice()),
            (ProtocolVersion::V_2025_06_18, links.as_slice()),
            (ProtocolVersion::V_2026_07_28, links.as_slice()),
        ] {
            let wire = sent(version.clone());
            let blocks = wire["content"].as_array().unwrap();
            let kinds: Vec<_> = blocks.iter().map(|block| block["type"].as_str().unwrap()).collect();
            assert_eq!(kinds, expected, "{version}");
            let is_new = expected == links;
            assert_eq!(wire.get("structuredContent").is_some(), is_new, "{version}");
            let texts: Vec<_> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
            let said = texts.join("\n");
            assert_eq!(said.matches(&shown).count(), 1, "{version}: {said}");
            assert_eq!(said.contains("https://example.com/a.png"), !is_new, "{version}: {said}");
        }
    }

    #[test]
    fn every_revision_that_is_spoken_knows_more_than_the_one_before() {
        let known = |version: &ProtocolVersion| {
            let revision = Revision::agreed(version);
            SINCE.iter().flat_map(|(_, features)| *features).filter(|it| revision.knows(**it)).count()
        };
        let counts: Vec<_> = ProtocolVersion::KNOWN_VERSIONS.iter().map(known).collect();
        assert_eq!(counts.first(), Some(&0));
        assert!(counts.is_sorted_by(|earlier, later| earlier < later), "{counts:?}");
        assert_eq!(counts.last(), Some(&12), "every feature");
    }
}
