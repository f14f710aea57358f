//! The options that protocols and models accept from `chat`, by the tables of `facts`.

use serde_json::Value;

use crate::api::chat::Protocol;
use crate::chat::input::{ChatInput, Switch};
use crate::facts::{TextModel, TextProtocol, Thinking, facts};
use crate::jobs::Conversation;
use crate::mcp::ToolError;
use crate::mcp::model_name::{fitting, unknown_model};

/// The options that one protocol and one model accept.
pub(crate) struct Rules {
    pub(crate) protocol: &'static TextProtocol,
    pub(crate) model: String,
    pub(crate) row: Option<&'static TextModel>,
}

impl Rules {
    pub(crate) fn new(protocol: Protocol, model: &str) -> Self {
        static UNKNOWN: std::sync::LazyLock<TextProtocol> = std::sync::LazyLock::new(TextProtocol::default);
        // A test proves that each protocol has a row.
        let row = facts().text_protocol(protocol.word()).unwrap_or(&UNKNOWN);
        Self { protocol: row, model: model.to_owned(), row: facts().text(model) }
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let unknown = || unknown_model(&self.model);
        match self.row {
            None => vec![unknown()],
            Some(row) => row.note.iter().map(|note| format!("{} {note}", self.model)).collect(),
        }
    }

    /// The thinking and effort to send, or why they cannot be sent.
    pub(crate) fn thinking(
        &self,
        switch: Option<Switch>,
        effort: Option<&str>,
        warnings: &mut Vec<String>,
    ) -> Result<(Option<bool>, Option<String>), ToolError> {
        let api = self.protocol.api.as_str();
        let wanted = match switch {
            None | Some(Switch::Auto) => None,
            Some(Switch::On) => Some(true),
            Some(Switch::Off) => Some(false),
        };
        let mut effort = effort.map(str::to_owned);
        if let Some(given) = &effort {
            self.check_effort(given)?;
            if wanted == Some(false) {
                return Err(ToolError::argument(
                    "effort",
                    "cannot be given with thinking off; use on or auto",
                ));
            }
        }
        let Some(row) = self.row else { return Ok((wanted.filter(|_| self.protocol.thinking), effort)) };
        match (row.thinking, wanted) {
            (Thinking::Always, Some(false)) => {
                warnings.push(format!("{} always thinks; thinking off was not sent", self.model));
                let least = row.efforts(api).first().filter(|_| self.protocol.efforts);
                if let Some(least) = least {
                    effort = Some(least.clone());
                    warnings.push(format!("effort {least} was sent instead"));
                }
                Ok((None, effort))
            }
            (Thinking::Never, Some(true)) => {
                let problem = format!("cannot be on: {} does not think; use MiniMax-M3", self.model);
                Err(ToolError::argument("thinking", problem))
            }
            (Thinking::Switch, Some(_)) if !self.protocol.thinking => {
                let able = facts().text_protocols(|row| row.thinking);
                Err(ToolError::argument("thinking", format!("cannot be switched with api {api}; use {able}")))
            }
            (Thinking::Switch, wanted) => Ok((wanted, effort)),
            (Thinking::Always | Thinking::Never, _) => Ok((None, effort)),
        }
    }

    fn check_effort(&self, effort: &str) -> Result<(), ToolError> {
        let api = self.protocol.api.as_str();
        if !self.protocol.efforts {
            let able = facts().text_protocols(|row| row.efforts);
            return Err(ToolError::argument("effort", format!("cannot be sent with api {api}; use {able}")));
        }
        let Some(row) = self.row else { return Ok(()) };
        let legal = row.efforts(api);
        if legal.is_empty() {
            let problem =
                format!("is not accepted by {} with api {api}; MiniMax-M3.1-Flash accepts it", self.model);
            return Err(ToolError::argument("effort", problem));
        }
        if legal.iter().any(|known| known == effort) {
            return Ok(());
        }
        let problem = format!("is {effort}; {} takes {}", self.model, legal.join(", "));
        Err(ToolError::argument("effort", problem))
    }

    /// Checks everything else that depends on protocol and model.
    pub(crate) fn check(&self, input: &ChatInput, warnings: &mut Vec<String>) -> Result<(), ToolError> {
        let (api, protocol) = (self.protocol.api.as_str(), self.protocol);
        for (name, given, (least, most)) in
            [("temperature", input.temperature, protocol.temperature), ("top_p", input.top_p, protocol.top_p)]
        {
            let Some(given) = given else { continue };
            if given < least || given > most || (protocol.above_zero && given <= least) {
                let from = if protocol.above_zero { "above " } else { "" };
                let problem = format!("is {given}; with api {api} it must be {from}{least} to {most}");
                return Err(ToolError::argument(name, problem));
            }
        }
        let most = self.row.map_or(u32::MAX, |row| row.max_output);
        if let Some(given) = input.max_tokens.filter(|given| *given == 0 || *given > most) {
            let problem = format!("is {given}; with {} it must be 1 to {most}", self.model);
            return Err(ToolError::argument("max_tokens", problem));
        }
        if input.web_search == Some(true) && !protocol.web_search {
            let able = facts().text_protocols(|row| row.web_search);
            return Err(ToolError::argument(
                "web_search",
                format!("is not available with api {api}; use {able}"),
            ));
        }
        if input.service_tier.is_some() && !protocol.tiers {
            let able = facts().text_protocols(|row| row.tiers);
            return Err(ToolError::argument(
                "service_tier",
                format!("is not available with api {api}; use {able}"),
            ));
        }
        if input.tool_choice.as_deref() == Some("none") && self.row.is_some_and(|row| row.tool_choice_ignored)
        {
            warnings.push(format!("{} reportedly ignores a tool_choice other than auto", self.model));
        }
        self.check_format(input)
    }

    fn check_format(&self, input: &ChatInput) -> Result<(), ToolError> {
        let Some(format) = &input.response_format else { return Ok(()) };
        let wrong = |problem: String| Err(ToolError::argument("response_format", problem));
        let (api, legal) = (self.protocol.api.as_str(), &self.protocol.formats);
        let kind = format.get("type").and_then(Value::as_str).unwrap_or_default();
        if legal.is_empty() {
            return wrong(format!("is not available with api {api}; use openai"));
        }
        if !legal.iter().any(|known| known == kind) {
            return wrong(format!("has the type `{kind}`; with api {api} it must be {}", legal.join(", ")));
        }
        if api == "native" && self.row.is_some_and(|row| !row.formats) {
            return wrong("is available with api native only for MiniMax-Text-01; use openai".to_owned());
        }
        Ok(())
    }
}

/// The protocol. A call that begins a conversation without naming one gets a protocol that supports its options, and a note.
pub(crate) fn protocol(
    input: &ChatInput,
    kept: Option<&Conversation>,
) -> Result<(Protocol, Option<String>), ToolError> {
    let own = kept.and_then(|kept| Protocol::named(&kept.api));
    match (input.api, own) {
        (Some(wanted), Some(own)) if wanted != own => {
            let problem = format!(
                "is {}, but this conversation began with {}; omit api, or give {1}",
                wanted.word(),
                own.word()
            );
            Err(ToolError::argument("api", problem))
        }
        (None, None) => Ok(fitting_protocol(input)),
        (wanted, own) => Ok((own.or(wanted).unwrap_or_default(), None)),
    }
}

fn fitting_protocol(input: &ChatInput) -> (Protocol, Option<String>) {
    let usual = Protocol::default();
    let format = input.response_format.as_ref().map(|format| format.get("type").and_then(Value::as_str));
    let lack = |api: &str| {
        let row = facts().text_protocol(api)?;
        let has = |kind: Option<&str>| row.formats.iter().any(|known| Some(known.as_str()) == kind);
        let options = [
            ("web_search", input.web_search == Some(true) && !row.web_search),
            ("response_format", format.is_some_and(|kind| !has(kind))),
            ("service_tier", input.service_tier.is_some() && !row.tiers),
            ("effort", input.effort.is_some() && !row.efforts),
        ];
        let (option, _) = options.iter().find(|(_, lacks)| *lacks)?;
        Some(format!("does not accept {option}"))
    };
    let (chosen, notes) = fitting(usual.word().to_owned(), facts().text_protocol_names(), lack);
    let note = notes.into_iter().next().map(|note| format!("api {note}"));
    (Protocol::named(&chosen).unwrap_or(usual), note)
}
