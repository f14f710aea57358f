//! `initialize` requests of a wrong shape.
//!
//! The protocol library takes a request that it cannot parse for one with an unknown method. Its error would name other
//! fields than the wrong one, so the request is checked again here.

use rmcp::ErrorData;
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, CustomRequest, GetMeta as _, InitializeRequestParams, JsonRpcMessage,
};
use serde_json::Value;

const METHOD: &str = "initialize";

/// The required fields, and what each must be.
const FIELDS: &[(&str, &str)] = &[
    ("protocolVersion", "a string such as \"2025-11-25\""),
    ("capabilities", "an object ({} if the client has none)"),
    ("clientInfo", "an object with the strings `name` and `version`"),
];

/// What serde calls a type, and what JSON calls it.
const TYPES: &[(&str, &str)] = &[
    ("a map", "an object"),
    ("struct", "an object"),
    ("a sequence", "an array"),
    ("a string", "a string"),
    ("a boolean", "true or false"),
];

/// The error for a message that is an `initialize` request of a wrong shape.
pub fn problem_of(message: &ClientJsonRpcMessage) -> Option<ErrorData> {
    match message {
        // A request that names its own revision is of one without `initialize`.
        JsonRpcMessage::Request(request) if request.request.get_meta().protocol_version().is_none() => {
            match &request.request {
                ClientRequest::CustomRequest(request) => problem(request),
                _ => None,
            }
        }
        _ => None,
    }
}

/// As [`problem_of`], for a request that the protocol library could not parse.
pub(crate) fn problem(request: &CustomRequest) -> Option<ErrorData> {
    (request.method == METHOD).then(|| {
        let problems = match &request.params {
            Some(Value::Object(params)) => problems(&Value::Object(params.clone())),
            Some(_) | None => vec![format!("`params` must be an object with {}", all())],
        };
        let problems = if problems.is_empty() { vec!["it could not be read".to_owned()] } else { problems };
        ErrorData::invalid_params(format!("initialize: {}", problems.join("; ")), None)
    })
}

fn all() -> String {
    FIELDS.iter().map(|(name, what)| format!("`{name}`, {what}")).collect::<Vec<_>>().join("; ")
}

fn problems(params: &Value) -> Vec<String> {
    let absent = FIELDS.iter().filter_map(|(name, what)| match params.get(name) {
        None | Some(Value::Null) => Some(format!("`{name}` is missing; it must be {what}")),
        Some(Value::String(_)) if *name == "protocolVersion" => None,
        Some(Value::Object(_)) if *name != "protocolVersion" => None,
        Some(value) => Some(format!("`{name}` is {}; it must be {what}", kind(value))),
    });
    let absent: Vec<_> = absent.collect();
    if !absent.is_empty() {
        return absent;
    }
    match serde_path_to_error::deserialize::<_, InitializeRequestParams>(params) {
        Ok(_) => Vec::new(),
        Err(error) => vec![inside(&error)],
    }
}

/// A problem deeper in the request.
fn inside(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let (path, why) = (error.path().to_string(), error.inner().to_string());
    let expected = why.split_once("expected ").map(|(_, expected)| expected);
    let what = expected.and_then(|expected| TYPES.iter().find(|(serde, _)| expected.starts_with(serde)));
    match what {
        Some((_, what)) => format!("`{path}` must be {what}"),
        None => format!("`{path}`: {why}"),
    }
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

    fn told(params: Option<Value>) -> String {
        let request = CustomRequest::new(METHOD, params);
        problem(&request).unwrap().message.into_owned()
    }

    #[test]
    fn the_error_names_the_field_and_what_it_must_be() {
        let client = json!({ "name": "x", "version": "1" });
        for (params, parts) in [
            (None, vec!["`params` must be an object", "`protocolVersion`", "`capabilities`", "`clientInfo`"]),
            (Some(json!([1])), vec!["`params` must be an object"]),
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
                vec!["`capabilities.experimental.x` must be an object"],
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
                vec!["`clientInfo.name` must be a string"],
            ),
        ] {
            let told = told(params.clone());
            assert!(parts.iter().all(|part| told.contains(part)), "{params:?}: {told}");
            assert!(!told.contains("_meta"), "{told}");
        }
    }
}
