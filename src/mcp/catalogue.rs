//! The catalogue: every tool, prompt and table that a server can offer, as data.
//!
//! A tool's [`ToolSpec`] is in the tool's own file, so nothing in this folder refers to a tool by name.
//!
//! Making the schemas of all tools would take longer than everything else before the first response. So the list that
//! clients see is a file, which a test compares with the code, and a tool's schemas are made when a tool of its file is
//! first called.

use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use rmcp::ErrorData;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{CallToolResponse, JsonObject, Tool};
use serde_json::Value;

use crate::arguments::schema;
use crate::config::{Config, Toolset};
use crate::mcp::error::ToolError;
use crate::mcp::listed_tool::ListedTool;

/// How a tool costs money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billing {
    /// It starts a job, whose record keeps the result.
    Job,
    /// The call itself is billed and leaves no job, so its answer must survive the caller.
    Immediate,
    /// It costs nothing.
    Free,
}

/// What hosts with MCP Apps show of a tool's results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The text, as in other hosts.
    AsText,
    /// The text and the viewer.
    InViewer,
}

/// Facts about a tool that the machinery needs and the tool's schema does not say.
#[derive(Debug, Clone, Copy)]
pub struct ToolSpec {
    /// The name in the catalogue.
    pub name: &'static str,
    /// The toolset that offers it.
    pub toolset: Toolset,
    /// How it costs money.
    pub billing: Billing,
    /// It always takes minutes, so a client that can poll gets a task at once.
    pub slow: bool,
    /// It uses the loudspeaker of the server's machine.
    pub local_only: bool,
    /// It is useful to callers at other machines.
    pub remote: bool,
    /// What hosts with MCP Apps show of its results.
    pub shown: Shown,
    /// The arguments that name the things it makes. Those ids do not exist yet at MiniMax.
    pub makes: &'static [&'static str],
    /// Names that other MiniMax servers give it; accepted in a call and never listed.
    pub aliases: &'static [&'static str],
    /// The longest strings of its arguments, in characters, if they differ from the usual bounds.
    pub lengths: &'static [(&'static str, u64)],
    /// Turns arguments in the style of other APIs into ours, before they are validated.
    pub normalize: Option<fn(JsonObject) -> JsonObject>,
}

impl ToolSpec {
    /// A tool that costs nothing.
    pub const fn free(name: &'static str, toolset: Toolset) -> Self {
        Self {
            name,
            toolset,
            billing: Billing::Free,
            slow: false,
            local_only: false,
            remote: true,
            shown: Shown::AsText,
            makes: &[],
            aliases: &[],
            lengths: &[],
            normalize: None,
        }
    }

    /// A tool that starts a paid job.
    pub const fn job(name: &'static str, toolset: Toolset) -> Self {
        Self { billing: Billing::Job, shown: Shown::InViewer, ..Self::free(name, toolset) }
    }

    /// A tool whose call is billed at once and leaves no job.
    pub const fn immediate(name: &'static str, toolset: Toolset) -> Self {
        Self { billing: Billing::Immediate, ..Self::free(name, toolset) }
    }
}

/// A prompt that people start from.
#[derive(Debug)]
pub(crate) struct PromptTemplate {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    /// The tools that the prompt needs. It is offered only to callers of all of them.
    pub(crate) tools: &'static [&'static str],
    /// Names and descriptions. The first is the subject of the prompt, because clients put a whole input line there.
    /// All are optional: the prompt tells the model to ask for what is missing.
    pub(crate) arguments: &'static [(&'static str, &'static str)],
    pub(crate) lines: &'static [Line],
}

/// A line of a prompt. `{name}` stands for an argument.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Line {
    /// Always included.
    Always(&'static str),
    /// Included if this argument was given.
    Given(&'static str, &'static str),
    /// Included if this argument was not given.
    Missing(&'static str, &'static str),
}

/// Values that complete a prompt's argument.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) argument: &'static str,
    /// Offered only to callers of this tool.
    pub(crate) tool: &'static str,
    pub(crate) values: fn() -> Vec<String>,
}

/// Reads a table for the caller of the server `S`.
pub(crate) type ReadTable<S> = for<'a> fn(&'a S) -> BoxFuture<'a, Result<Value, ToolError>>;

/// A resource that shows the same as a tool.
#[derive(Debug)]
pub(crate) struct Table<S> {
    pub(crate) uri: &'static str,
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    /// Offered only to callers of this tool.
    pub(crate) tool: &'static str,
    pub(crate) read: ReadTable<S>,
}

/// The tools of one file: how they are made, and their specs.
pub(crate) type Toolbox<S> = (fn() -> ToolRouter<S>, &'static [ToolSpec]);

/// The tools of one file, made when one of them is first called.
#[derive(Debug)]
struct Family<S> {
    make: fn() -> ToolRouter<S>,
    specs: &'static [ToolSpec],
    made: OnceLock<Made<S>>,
}

#[derive(Debug)]
struct Made<S> {
    router: ToolRouter<S>,
    /// The input schemas that calls are checked against. They include parameters that are accepted but not shown.
    accepted: schema::Accepted,
}

impl<S: Send + Sync + 'static> Family<S> {
    fn made(&self) -> &Made<S> {
        self.made.get_or_init(|| {
            let own = |name: &str| {
                let spec = self.specs.iter().find(|spec| spec.name == name);
                spec.map_or(&[][..], |spec| spec.lengths)
            };
            let mut router = (self.make)();
            let accepted = schema::make_portable(&mut router, own);
            Made { router, accepted }
        })
    }
}

/// Everything that a server of type `S` can offer.
#[derive(Debug)]
pub struct Catalogue<S> {
    /// What a model reads before anything else.
    pub(crate) instructions: &'static str,
    families: Vec<Family<S>>,
    /// The tools as a client sees them, by name: what [`Catalogue::made`] returns, in JSON.
    list: &'static str,
    /// The tools that the settings allow.
    offered: Vec<&'static ToolSpec>,
    pub(crate) prompts: &'static [PromptTemplate],
    pub(crate) completions: &'static [Completion],
    pub(crate) tables: Vec<Table<S>>,
}

impl<S: Send + Sync + 'static> Catalogue<S> {
    /// A catalogue of these toolboxes. `list` is the JSON of the tools that they make.
    pub(crate) fn new(
        instructions: &'static str,
        toolboxes: Vec<Toolbox<S>>,
        list: &'static str,
        prompts: &'static [PromptTemplate],
        completions: &'static [Completion],
        tables: Vec<Table<S>>,
    ) -> Self {
        let families: Vec<_> = toolboxes
            .into_iter()
            .map(|(make, specs)| Family { make, specs, made: OnceLock::new() })
            .collect();
        let offered = families.iter().flat_map(|family| family.specs).collect();
        Self { instructions, families, list, offered, prompts, completions, tables }
    }

    /// Removes the tools that the settings do not allow.
    #[must_use]
    pub(crate) fn narrowed(mut self, config: &Config) -> Self {
        let mut offered = std::mem::take(&mut self.offered);
        offered.retain(|spec| {
            config.toolsets.contains(&spec.toolset)
                && (!config.read_only || self.is_read_only(spec.name))
                && (config.local_playback || !spec.local_only)
        });
        Self { offered, ..self }
    }

    /// Every tool there is, as a client sees it. A test checks that the list can be read.
    fn all_listed(&self) -> Vec<ListedTool<'static>> {
        serde_json::from_str(self.list).unwrap_or_default()
    }

    /// Every tool there is, as its code makes it, by name. Slow: [`Catalogue::tools`] returns the same from a file.
    pub fn made(&self) -> Vec<Tool> {
        let mut tools: Vec<_> =
            self.families.iter().flat_map(|family| family.made().router.list_all()).collect();
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        tools
    }

    /// How many families have made their tools.
    #[cfg(test)]
    pub(crate) fn made_families(&self) -> usize {
        self.families.iter().filter(|family| family.made.get().is_some()).count()
    }

    /// Whether a tool costs nothing and changes nothing.
    pub(crate) fn is_read_only(&self, name: &str) -> bool {
        self.all_listed().iter().any(|tool| tool.name == name && tool.changes_nothing())
    }

    /// The specs of the allowed tools.
    pub(crate) fn offered(&self) -> impl Iterator<Item = &'static ToolSpec> {
        self.offered.iter().copied()
    }

    /// Whether the settings allow a tool.
    pub(crate) fn offers(&self, name: &str) -> bool {
        self.offered().any(|spec| spec.name == name)
    }

    /// The tools as a client sees them, by name.
    pub fn tools(&self) -> Vec<Tool> {
        let mut tools: Vec<Tool> = serde_json::from_str(self.list).unwrap_or_default();
        tools.retain(|tool| self.offers(&tool.name));
        tools
    }

    /// The same in JSON.
    pub(crate) fn listed(&self) -> Vec<ListedTool<'static>> {
        let mut tools = self.all_listed();
        tools.retain(|tool| self.offers(tool.name));
        tools
    }

    /// One tool as its code makes it, if the settings allow it.
    pub(crate) fn tool(&self, name: &str) -> Option<&Tool> {
        self.offers(name).then(|| self.family(name)?.made().router.get(name)).flatten()
    }

    /// Calls a tool, if the settings allow it.
    pub(crate) async fn call(&self, call: ToolCallContext<'_, S>) -> Result<CallToolResponse, ErrorData> {
        match self.family(call.name()).filter(|_| self.offers(call.name())) {
            Some(family) => family.made().router.call(call).await,
            None => Err(ErrorData::invalid_params("tool not found", None)),
        }
    }

    fn family(&self, name: &str) -> Option<&Family<S>> {
        self.families.iter().find(|family| family.specs.iter().any(|spec| spec.name == name))
    }

    /// The spec of every tool there is.
    pub fn specs(&self) -> impl Iterator<Item = &'static ToolSpec> {
        self.families.iter().flat_map(|family| family.specs)
    }

    /// The toolset of a tool, by its listed name.
    pub fn toolset_of(&self, name: &str) -> Option<Toolset> {
        self.specs().find(|spec| spec.name == name).map(|spec| spec.toolset)
    }

    /// The tool that a call names, by its listed name or by the name that another server gives it.
    pub(crate) fn find(&self, name: &str) -> Option<&'static ToolSpec> {
        let by_alias = || self.specs().find(|spec| spec.aliases.contains(&name));
        self.specs().find(|spec| spec.name == name).or_else(by_alias)
    }

    /// What calls of a tool are checked against.
    pub fn accepted(&self, name: &str) -> Option<&Arc<JsonObject>> {
        self.family(name)?.made().accepted.get(name)
    }
}
