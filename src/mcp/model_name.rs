//! The name of a model in a call.

use crate::facts::{ModelKind, facts};
use crate::mcp::{Server, ToolError};
use crate::telemetry;

/// Finds the model names that the host of this server expects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ModelNames {
    /// Whether the host is a gateway. Gateways have their own model names, so each name is sent as it was given.
    gateway: bool,
}

impl ModelNames {
    pub(crate) fn of(server: &Server) -> Self {
        Self { gateway: server.api().is_gateway() }
    }

    /// The name to send for a model that a caller names. For MiniMax, that is its own id. A name that is almost a known
    /// id is refused, because MiniMax would refuse it, and its price is unknown.
    pub(crate) fn named(self, kind: ModelKind, name: &str) -> Result<String, ToolError> {
        match facts().near(kind, name).filter(|_| !self.gateway) {
            Some(close) => {
                let problem = format!("is {}; did you mean {close}?", telemetry::quoted(name));
                Err(ToolError::argument("model", problem))
            }
            None => Ok(self.sent(name)),
        }
    }

    /// The name to send for a model, without a check.
    pub(crate) fn sent(self, name: &str) -> String {
        if self.gateway { name.trim().to_owned() } else { facts().canonical(name) }
    }
}

#[cfg(test)]
impl ModelNames {
    pub(crate) const MINIMAX: Self = Self { gateway: false };
}

/// The warning about a model that may be newer than the tables.
pub(crate) fn unknown_model(model: &str) -> String {
    let model = telemetry::display(model, 64);
    format!("the model {model} is not in the tables of this server; it is sent as it is")
}

/// The model for a call that names none: the usual model, or, with a note, the first of `others` that lacks nothing. If
/// every model lacks something, one that lacks something else, and the check of that model reports it.
pub(crate) fn fitting<'a>(
    usual: String,
    others: impl IntoIterator<Item = &'a str>,
    lacks: impl Fn(&str) -> Option<String>,
) -> (String, Vec<String>) {
    let Some(lack) = lacks(&usual) else { return (usual, Vec::new()) };
    let others: Vec<_> = others.into_iter().map(|model| (model, lacks(model))).collect();
    let able = others.iter().find(|(_, lacking)| lacking.is_none());
    let better = || others.iter().find(|(_, lacking)| lacking.as_ref() != Some(&lack));
    match able.or_else(better) {
        Some((model, _)) => {
            let note = format!("{model} was used, because {usual} {lack}");
            ((*model).to_owned(), vec![note])
        }
        None => (usual, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_without_a_model_gets_the_first_one_that_can() {
        let lacks = |able: &'static [&str]| {
            move |model: &str| (!able.contains(&model)).then(|| "has no styles".to_owned())
        };
        let choose = |able| fitting("a".to_owned(), ["a", "b", "c"], lacks(able));
        assert_eq!(choose(&["a", "b"]), ("a".to_owned(), vec![]));
        assert_eq!(
            choose(&["b", "c"]),
            ("b".to_owned(), vec!["b was used, because a has no styles".to_owned()])
        );
        assert_eq!(choose(&[]), ("a".to_owned(), vec![]));
    }
}
