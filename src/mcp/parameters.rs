//! Errors for requests whose parameters have the wrong shape.
//!
//! The protocol library treats a request that it cannot parse as one with an unknown method, and a message whose
//! `params` are not an object as no message at all. Its errors do not say what is wrong, so the parameters are checked
//! again here.

use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, CancelTaskParams, ClientJsonRpcMessage, ClientRequest, CompleteRequestParams,
    CustomRequest, GetMeta as _, GetPromptRequestParams, GetTaskParams, InitializeRequestParams,
    JsonRpcMessage, ReadResourceRequestParams, SubscribeRequestParams, SubscriptionsListenRequestParams,
    UnsubscribeRequestParams, UpdateTaskParams,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::telemetry::quoted;

const INITIALIZE: &str = "initialize";

/// A method with parameters.
struct Method {
    name: &'static str,
    fields: &'static [Field],
    /// The library's error about parameters whose top-level fields are right.
    deeper: fn(&Value) -> Option<String>,
    exists: Exists,
}

struct Field {
    name: &'static str,
    /// What the field must be. Begins with `a string` or `an object`.
    what: &'static str,
    is_required: bool,
}

/// The protocol revisions that have a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exists {
    Always,
    /// Before 2026-07-28.
    Before,
    /// In sessions, before 2026-07-28.
    InSessions,
    /// From 2026-07-28 on.
    Since,
}

const fn needed(name: &'static str, what: &'static str) -> Field {
    Field { name, what, is_required: true }
}

const fn optional(name: &'static str, what: &'static str) -> Field {
    Field { name, what, is_required: false }
}

const NAME: Field = needed("name", "a string");
const URI: Field = needed("uri", "a string");
const TASK_ID: Field = needed("taskId", "a string");

const METHODS: &[Method] = &[
    Method {
        name: INITIALIZE,
        fields: &[
            needed("protocolVersion", "a string such as \"2025-11-25\""),
            needed("capabilities", "an object ({} if the client has none)"),
            needed("clientInfo", "an object with the strings `name` and `version`"),
        ],
        deeper: deeper::<InitializeRequestParams>,
        exists: Exists::Before,
    },
    Method {
        name: "tools/call",
        fields: &[NAME, optional("arguments", "an object (not a string that holds one)")],
        deeper: deeper::<CallToolRequestParams>,
        exists: Exists::Always,
    },
    Method {
        name: "prompts/get",
        fields: &[NAME, optional("arguments", "an object of strings")],
        deeper: deeper::<GetPromptRequestParams>,
        exists: Exists::Always,
    },
    Method {
        name: "resources/read",
        fields: &[URI],
        deeper: deeper::<ReadResourceRequestParams>,
        exists: Exists::Always,
    },
    Method {
        name: "resources/subscribe",
        fields: &[URI],
        deeper: deeper::<SubscribeRequestParams>,
        exists: Exists::InSessions,
    },
    Method {
        name: "resources/unsubscribe",
        fields: &[URI],
        deeper: deeper::<UnsubscribeRequestParams>,
        exists: Exists::InSessions,
    },
    Method {
        name: "completion/complete",
        fields: &[
            needed("ref", "an object: a prompt or a resource template"),
            needed("argument", "an object with the strings `name` and `value`"),
        ],
        deeper: deeper::<CompleteRequestParams>,
        exists: Exists::Always,
    },
    Method { name: "tasks/get", fields: &[TASK_ID], deeper: deeper::<GetTaskParams>, exists: Exists::Always },
    Method {
        name: "tasks/update",
        fields: &[TASK_ID, needed("inputResponses", "an object")],
        deeper: deeper::<UpdateTaskParams>,
        exists: Exists::Always,
    },
    Method {
        name: "tasks/cancel",
        fields: &[TASK_ID],
        deeper: deeper::<CancelTaskParams>,
        exists: Exists::Always,
    },
    Method {
        name: "subscriptions/listen",
        fields: &[needed("notifications", "an object: what to be told about")],
        deeper: deeper::<SubscriptionsListenRequestParams>,
        exists: Exists::Since,
    },
];

/// What serde calls a type, and what JSON calls it.
const TYPES: &[(&str, &str)] = &[
    ("a map", "an object"),
    ("struct", "an object"),
    ("a sequence", "an array"),
    ("a string", "a string"),
    ("a boolean", "true or false"),
];

/// The error for an `initialize` request of the wrong shape.
pub fn initialize_problem(message: &ClientJsonRpcMessage) -> Option<ErrorData> {
    match message {
        // A request that names its own revision is of a revision without `initialize`.
        JsonRpcMessage::Request(request) if request.request.get_meta().protocol_version().is_none() => {
            match &request.request {
                ClientRequest::CustomRequest(request) if request.method == INITIALIZE => {
                    problem(request, |_| true)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// The error for a request that the protocol library could not parse, if its method exists for its client.
pub(crate) fn problem(request: &CustomRequest, exists: impl Fn(Exists) -> bool) -> Option<ErrorData> {
    let method = METHODS.iter().find(|method| method.name == request.method)?;
    exists(method.exists).then(|| match &request.params {
        Some(params @ Value::Object(_)) => error(method.name, &method.problems(params).join("; ")),
        None | Some(Value::Null) => error(method.name, &format!("`params` is missing; {}", method.form())),
        Some(params) => wrong_kind(method.name, kind(params)),
    })
}

/// The error for `params` of any method that are not an object.
pub fn wrong_kind(method: &str, kind: &str) -> ErrorData {
    let known = METHODS.iter().find(|known| known.name == method);
    let form = known.map_or_else(|| "it must be an object".to_owned(), Method::form);
    let method = known.map_or_else(|| quoted(method), |known| known.name.to_owned());
    error(&method, &format!("`params` is {kind}; {form}"))
}

fn error(method: &str, text: &str) -> ErrorData {
    ErrorData::invalid_params(format!("{method}: {text}"), None)
}

impl Method {
    fn form(&self) -> String {
        let fields = self.fields.iter().map(|Field { name, what, is_required }| {
            let optional = if *is_required { "" } else { ", if given" };
            format!("`{name}`, {what}{optional}")
        });
        format!("it must be an object with {}", fields.collect::<Vec<_>>().join("; "))
    }

    fn problems(&self, params: &Value) -> Vec<String> {
        let wrong: Vec<_> = self.fields.iter().filter_map(|field| field.problem(params)).collect();
        if !wrong.is_empty() {
            return wrong;
        }
        vec![(self.deeper)(params).unwrap_or_else(|| format!("`params` could not be read; {}", self.form()))]
    }
}

impl Field {
    fn problem(&self, params: &Value) -> Option<String> {
        let Self { name, what, is_required } = self;
        let is_text = what.starts_with("a string");
        match params.get(name) {
            None | Some(Value::Null) => {
                is_required.then(|| format!("`{name}` is missing; it must be {what}"))
            }
            Some(Value::String(_)) if is_text => None,
            Some(Value::Object(_)) if !is_text => None,
            Some(value) => Some(format!("`{name}` is {}; it must be {what}", kind(value))),
        }
    }
}

/// A problem deeper in the parameters.
fn deeper<T: DeserializeOwned>(params: &Value) -> Option<String> {
    let error = serde_path_to_error::deserialize::<_, T>(params).err()?;
    let (path, why) = (error.path().to_string(), error.inner().to_string());
    let expected = why.split_once("expected ").map(|(_, expected)| expected);
    let what = expected.and_then(|expected| TYPES.iter().find(|(serde, _)| expected.starts_with(serde)));
    Some(match what {
        Some((_, what)) => {
            let found = path.split('.').try_fold(params, |value, part| value.get(part)).map(kind);
            let found = found.map(|kind| format!("is {kind}; it ")).unwrap_or_default();
            format!("`{path}` {found}must be {what}")
        }
        None => format!("`{path}`: {why}"),
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(method: &str, params: Option<Value>) -> String {
        problem(&CustomRequest::new(method, params), |_| true).unwrap().message.into_owned()
    }

    #[test]
    fn the_error_names_the_field_what_it_is_and_what_it_must_be() {
        let client = json!({ "name": "x", "version": "1" });
        for (params, parts) in [
            (
                None,
                vec![
                    "`params` is missing; it must be an object",
                    "`protocolVersion`",
                    "`capabilities`",
                    "`clientInfo`",
                ],
            ),
            (Some(json!([1])), vec!["`params` is an array; it must be an object", "`clientInfo`"]),
            (
                Some(json!({ "capabilities": {}, "clientInfo": client })),
                vec!["`protocolVersion` is missing", "\"2025-11-25\""],
            ),
            (
                Some(json!({ "protocolVersion": 20_251_125, "capabilities": {}, "clientInfo": client })),
                vec!["`protocolVersion` is a number", "must be a string"],
            ),
            (
                Some(json!({ "protocolVersion": "2025-11-25" })),
                vec!["`capabilities` is missing", "`clientInfo` is missing"],
            ),
            (
                Some(json!({ "protocolVersion": "2025-11-25", "capabilities": [], "clientInfo": client })),
                vec!["`capabilities` is an array", "must be an object"],
            ),
            (
                Some(json!({
                    "protocolVersion": "2025-11-25",
                    "capabilities": { "experimental": { "x": true } },
                    "clientInfo": client,
                })),
                vec!["`capabilities.experimental.x` is a boolean; it must be an object"],
            ),
            (
                Some(
                    json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "x" } }),
                ),
                vec!["clientInfo", "version"],
            ),
            (
                Some(json!({
                    "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": 7, "version": "1" },
                })),
                vec!["`clientInfo.name` is a number; it must be a string"],
            ),
        ] {
            let told = told(INITIALIZE, params.clone());
            assert!(parts.iter().all(|part| told.contains(part)), "{params:?}: {told}");
            assert!(!told.contains("_meta"), "{told}");
        }
    }

    #[test]
    fn the_error_of_each_method_names_the_given_and_the_expected_value() {
        for method in METHODS {
            for (params, came) in [
                (None, "`params` is missing"),
                (Some(json!([])), "`params` is an array"),
                (Some(json!("x")), "`params` is a string"),
            ] {
                let told = told(method.name, params);
                assert!(told.starts_with(&format!("{}: {came}", method.name)), "{told}");
                assert!(method.fields.iter().all(|field| told.contains(field.what)), "{told}");
            }
            for field in method.fields {
                let told = told(method.name, Some(json!({ field.name: 7 })));
                let parts = [format!("`{}` is a number", field.name), format!("it must be {}", field.what)];
                assert!(parts.iter().all(|part| told.contains(part)), "{told}");
            }
        }
        let argument = json!({ "ref": { "type": "ref/prompt", "name": "x" }, "argument": { "name": 7 } });
        let told = told("completion/complete", Some(argument));
        assert!(told.contains("`argument.name` is a number; it must be a string"), "{told}");
    }
}
