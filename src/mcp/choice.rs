//! The tools that one request chooses: toolsets, single tools, or only those that change nothing.
//!
//! A choice only narrows what the caller may use. Names that exist but that this caller may not use are ignored without
//! an error, so that one client configuration serves callers with different rights.

use crate::config::Toolset;
use crate::mcp::catalogue::{Catalogue, ToolSpec};
use crate::telemetry::display;

/// What a request says about its tools, as text. Lists are separated by commas. Toolsets and tools add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Names of toolsets, or `all`.
    pub toolsets: Option<String>,
    /// Names of tools.
    pub tools: Option<String>,
    /// `true` leaves only tools that cost nothing and change nothing.
    pub read_only: Option<String>,
}

impl Choice {
    /// The names of the chosen tools among those on offer. The error names the allowed values.
    pub(crate) fn tools<S: Send + Sync + 'static>(
        &self,
        offered: &[&'static ToolSpec],
        catalogue: &Catalogue<S>,
    ) -> Result<Option<Vec<&'static str>>, String> {
        let toolsets = self.toolsets.as_deref().map(words).filter(|words| !words.is_empty());
        let tools = self.tools.as_deref().map(words).filter(|words| !words.is_empty());
        let read_only = self.reads_only()?;
        if toolsets.is_none() && tools.is_none() && !read_only {
            return Ok(None);
        }
        let everything = toolsets.is_none() && tools.is_none();
        let wanted_sets = wanted_sets(&toolsets.unwrap_or_default(), offered)?;
        let mut wanted = Vec::new();
        for word in tools.unwrap_or_default() {
            let Some(spec) = catalogue.find(&word.to_ascii_lowercase()) else {
                let names: Vec<_> = offered.iter().map(|spec| spec.name).collect();
                return Err(format!(
                    "X-MCP-Tools names `{}`, which is not a tool; allowed: {}",
                    display(word, 64),
                    names.join(", ")
                ));
            };
            wanted.push(spec.name);
        }
        let chosen = offered.iter().filter(|spec| {
            (everything || wanted_sets.contains(&spec.toolset) || wanted.contains(&spec.name))
                && (!read_only || catalogue.is_read_only(spec.name))
        });
        Ok(Some(chosen.map(|spec| spec.name).collect()))
    }

    fn reads_only(&self) -> Result<bool, String> {
        let given = self.read_only.as_deref().unwrap_or_default().to_ascii_lowercase();
        let mut words = words(&given);
        // A client and a gateway may both send the header.
        words.dedup();
        match words.as_slice() {
            [] | ["false" | "0" | "no" | "off"] => Ok(false),
            ["true" | "1" | "yes" | "on"] => Ok(true),
            _ => Err(format!("X-MCP-Readonly is `{}`; it must be `true` or `false`", display(&given, 64))),
        }
    }
}

/// The toolsets of these names.
fn wanted_sets(names: &[&str], offered: &[&'static ToolSpec]) -> Result<Vec<Toolset>, String> {
    let mut sets = Vec::new();
    for name in names {
        let found = Toolset::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        if let Some((_, set)) = found {
            sets.push(*set);
        } else if name.eq_ignore_ascii_case("all") {
            sets.extend(Toolset::ALL.iter().map(|(_, set)| *set));
        } else {
            let allowed =
                Toolset::ALL.iter().filter(|(_, set)| offered.iter().any(|spec| spec.toolset == *set));
            let allowed: Vec<_> = allowed.map(|(name, _)| *name).collect();
            return Err(format!(
                "X-MCP-Toolsets names `{}`, which is not a toolset; allowed: all, {}",
                display(name, 64),
                allowed.join(", ")
            ));
        }
    }
    Ok(Toolset::with_jobs(sets))
}

/// The words of a list.
fn words(list: &str) -> Vec<&str> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
}
