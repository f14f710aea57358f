//! The catalogue: every tool, prompt and table that a server can offer, as data.
//!
//! A tool keeps its [`ToolSpec`] in its own file, so nothing in this folder has to know a tool by its name.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{JsonObject, Tool};
use serde_json::Value;

use crate::config::{Config, Toolset};
use crate::mcp::error::ToolError;
use crate::mcp::schema;

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
    /// Callers at other machines have a use for it.
    pub remote: bool,
    /// The arguments with the ids of what it makes, which do not exist yet.
    pub makes: &'static [&'static str],
    /// Names that other MiniMax servers give it; accepted in a call and never listed.
    pub aliases: &'static [&'static str],
    /// The longest strings of its arguments, in characters, where the tool has bounds of its own.
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
            makes: &[],
            aliases: &[],
            lengths: &[],
            normalize: None,
        }
    }

    /// A tool that starts a paid job.
    pub const fn job(name: &'static str, toolset: Toolset) -> Self {
        Self { billing: Billing::Job, ..Self::free(name, toolset) }
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
    /// Tools without which the prompt leads nowhere; it is offered only with all of them.
    pub(crate) tools: &'static [&'static str],
    /// Name and description. The first is what the prompt is about, because clients put a whole input line there. All are
    /// optional: the prompt has the model ask for what it needs.
    pub(crate) arguments: &'static [(&'static str, &'static str)],
    pub(crate) lines: &'static [Line],
}

/// A line of a prompt. `{name}` stands for an argument.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Line {
    /// Always said.
    Always(&'static str),
    /// Said if this argument was given.
    Given(&'static str, &'static str),
    /// Said if it was not.
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

/// Reads a table for the caller that `S` serves.
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

/// Everything that a server of type `S` can offer.
#[derive(Debug)]
pub struct Catalogue<S> {
    /// What a model reads before anything else.
    pub(crate) instructions: &'static str,
    pub(crate) router: ToolRouter<S>,
    /// Of every tool there is, also of those that this server leaves out.
    specs: Vec<&'static ToolSpec>,
    /// Input schemas that calls are checked against, with the parameters that are accepted and not shown.
    accepted: schema::Accepted,
    pub(crate) prompts: &'static [PromptTemplate],
    pub(crate) completions: &'static [Completion],
    pub(crate) tables: Vec<Table<S>>,
}

impl<S: Send + Sync + 'static> Catalogue<S> {
    /// Collects toolsets, each a router with the specs of its tools.
    pub(crate) fn new(
        instructions: &'static str,
        toolsets: Vec<(ToolRouter<S>, &'static [ToolSpec])>,
        prompts: &'static [PromptTemplate],
        completions: &'static [Completion],
        tables: Vec<Table<S>>,
    ) -> Self {
        let (mut router, mut specs) = (ToolRouter::new(), Vec::new());
        for (tools, facts) in toolsets {
            router.merge(tools);
            specs.extend(facts);
        }
        let own = |name: &str| {
            let spec = specs.iter().find(|spec: &&&ToolSpec| spec.name == name);
            spec.map_or(&[][..], |spec| spec.lengths)
        };
        let accepted = schema::make_portable(&mut router, own);
        Self { instructions, router, specs, accepted, prompts, completions, tables }
    }

    /// Leaves out what the settings do not want.
    #[must_use]
    pub(crate) fn narrowed(mut self, config: &Config) -> Self {
        let specs = &self.specs;
        self.router.map.retain(|name, route| {
            let Some(spec) = specs.iter().find(|spec| spec.name == name) else { return false };
            config.toolsets.contains(&spec.toolset)
                && (changes_nothing(&route.attr) || !config.read_only)
                && (config.local_playback || !spec.local_only)
        });
        self
    }

    /// Whether a tool that is left in costs nothing and changes nothing.
    pub(crate) fn is_read_only(&self, name: &str) -> bool {
        self.router.get(name).is_some_and(changes_nothing)
    }

    /// The specs of the tools that are left in.
    pub(crate) fn offered(&self) -> impl Iterator<Item = &'static ToolSpec> {
        self.specs().filter(|spec| self.router.has_route(spec.name))
    }

    /// The tools as a client sees them, by name.
    pub fn tools(&self) -> Vec<Tool> {
        self.router.list_all()
    }

    /// The spec of every tool there is.
    pub fn specs(&self) -> impl Iterator<Item = &'static ToolSpec> {
        self.specs.iter().copied()
    }

    /// The toolset of a tool, by its listed name.
    pub fn toolset_of(&self, name: &str) -> Option<Toolset> {
        self.specs().find(|spec| spec.name == name).map(|spec| spec.toolset)
    }

    /// The tool that a call means: by its listed name, or by that of another server.
    pub(crate) fn find(&self, name: &str) -> Option<&'static ToolSpec> {
        let by_alias = || self.specs().find(|spec| spec.aliases.contains(&name));
        self.specs().find(|spec| spec.name == name).or_else(by_alias)
    }

    /// What calls of a tool are checked against.
    pub fn accepted(&self, name: &str) -> Option<&Arc<JsonObject>> {
        self.accepted.get(name)
    }
}

/// Whether a tool is marked as one that costs nothing and changes nothing.
fn changes_nothing(tool: &Tool) -> bool {
    tool.annotations.as_ref().and_then(|hints| hints.read_only_hint) == Some(true)
}
