//! Explains why the token of a request was not accepted. Most mistakes are in a client's configuration: a variable that was
//! not filled in, a missing scheme, a token in the URL. The texts never repeat a token.

use axum::http::{HeaderMap, Uri, header};

use crate::config::is_placeholder;

/// Query parameters in which clients put tokens.
const IN_URL: &[&str] =
    &["token", "access_token", "auth", "authorization", "bearer", "api_key", "apikey", "key"];

/// Headers in which clients put tokens.
const ELSEWHERE: &[&str] = &["x-api-key", "api-key", "x-auth-token", "x-mcp-token", "x-minimax-api-key"];

const QUOTES: &[char] = &['"', '\'', '`', '“', '”', '‘', '’'];

/// The mistake of a request, as a sentence without a full stop. `None` if the token is only unknown.
pub fn mistake(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = given.next() else { return without_header(uri, headers) };
    if given.next().is_some() {
        return Some("The request has several Authorization headers; send one".to_owned());
    }
    of_value(&String::from_utf8_lossy(value.as_bytes()))
}

fn without_header(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let mut names = query.map(|(name, _)| name.to_ascii_lowercase());
    if let Some(name) = names.find(|name| IN_URL.contains(&name.as_str())) {
        return Some(format!(
            "The token is not read from `?{name}=`: a token does not belong in the URL, where logs and histories keep it"
        ));
    }
    let name = ELSEWHERE.iter().find(|name| headers.contains_key(**name))?;
    Some(format!("The token is not read from the header {name}"))
}

fn of_value(value: &str) -> Option<String> {
    let value = value.trim();
    if value.starts_with(QUOTES) {
        return Some("The Authorization header begins with a quotation mark; remove the quotes".to_owned());
    }
    let (scheme, token) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") {
        let unfilled = placeholder(value);
        return Some(unfilled.unwrap_or_else(|| {
            if token.is_empty() {
                "The Authorization header has no scheme: put `Bearer ` before the token".to_owned()
            } else {
                "The Authorization header must have the scheme Bearer".to_owned()
            }
        }));
    }
    if token.is_empty() {
        return Some(
            "The token is empty: the variable that it comes from may not be set for the client".to_owned(),
        );
    }
    if let Some(unfilled) = placeholder(token) {
        return Some(unfilled);
    }
    if token.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("bearer")) {
        return Some("The Authorization header says Bearer twice".to_owned());
    }
    if token.starts_with(QUOTES) || token.ends_with(QUOTES) {
        return Some("The token has quotation marks around it; remove them".to_owned());
    }
    if token.starts_with("sk-") {
        return Some(
            "This is a MiniMax API key, not a token of this server: the key belongs in the server's settings, or in \
             the header X-MiniMax-Api-Key where callers bring their own"
                .to_owned(),
        );
    }
    token.contains(char::is_whitespace).then(|| "The token has white space in it".to_owned())
}

/// The mistake of a text that is a variable which the client did not fill in. Its name is shown only if it looks like one.
fn placeholder(text: &str) -> Option<String> {
    let text = text.trim_matches(QUOTES);
    let bracketed =
        [("${", "}"), ("{{", "}}"), ("$(", ")"), ("{", "}"), ("<", ">"), ("%", "%"), ("[", "]"), ("$", "")]
            .iter()
            .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close));
    // `undefined` and `your-token` have no brackets.
    let inner = bracketed.or_else(|| is_placeholder(text).then_some(""))?;
    let name = inner.trim().rsplit([':', '.', '$']).next().unwrap_or_default().trim();
    let is_name = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    let which = if is_name { format!("the variable {name}") } else { "the placeholder".to_owned() };
    Some(format!(
        "The token was not filled in: the client sent {which} itself instead of its value. Set it where the client runs, or write \
         the token itself"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_in_the_header_is_explained() {
        for (value, word) in [
            ("Bearer ${MINIMAX_MCP_TOKEN}", "variable MINIMAX_MCP_TOKEN"),
            ("Bearer ${env:MINIMAX_MCP_TOKEN}", "variable MINIMAX_MCP_TOKEN"),
            ("Bearer $MINIMAX_MCP_TOKEN", "variable MINIMAX_MCP_TOKEN"),
            ("Bearer {{ MINIMAX_MCP_TOKEN }}", "variable MINIMAX_MCP_TOKEN"),
            ("Bearer {{secrets.MY_TOKEN}}", "variable MY_TOKEN"),
            ("Bearer {{$env.MY_TOKEN}}", "variable MY_TOKEN"),
            ("Bearer %MINIMAX_MCP_TOKEN%", "variable MINIMAX_MCP_TOKEN"),
            ("Bearer {env:TOKEN}", "variable TOKEN"),
            ("Bearer \"${TOKEN}\"", "variable TOKEN"),
            ("Bearer ${input:minimax-mcp-token}", "the placeholder"),
            ("Bearer <your token>", "the placeholder"),
            ("Bearer $secret-of-somebody", "the placeholder"),
            ("Bearer undefined", "the placeholder"),
            ("Bearer null", "the placeholder"),
            ("Bearer None", "the placeholder"),
            ("Bearer your-token-here", "the placeholder"),
            ("Bearer YOUR_MCP_TOKEN", "the placeholder"),
            ("Bearer xxxxxxxx", "the placeholder"),
            ("${MINIMAX_MCP_TOKEN}", "variable MINIMAX_MCP_TOKEN"),
            ("$AUTH_HEADER", "variable AUTH_HEADER"),
            ("Bearer 'ada-0123456789abcdef'", "quotation marks"),
            ("Bearer \"ada-0123456789abcdef\"", "quotation marks"),
            ("\"Bearer ada-0123456789abcdef\"", "remove the quotes"),
            ("Bearer Bearer ada-0123456789abcdef", "twice"),
            ("Bearer bearer: ada-0123456789abcdef", "twice"),
            ("Bearer sk-api-0123456789abcdef", "MiniMax API key"),
            ("ada-0123456789abcdef", "no scheme"),
            ("Basic YWRhOmFkYQ==", "must have the scheme Bearer"),
            ("Bearer", "empty"),
            ("Bearer   ", "empty"),
            ("Bearer ada 0123456789abcdef", "white space"),
        ] {
            let said = of_value(value).unwrap_or_default();
            assert!(said.contains(word), "{value}: {said}");
            assert!(said.is_ascii() && !said.contains(['"', '\\']), "fit for a header: {said}");
            assert!(!said.contains("0123456789abcdef") && !said.contains("somebody"), "{said}");
        }
        assert_eq!(of_value("Bearer ada-0123456789abcdef"), None);
        assert_eq!(of_value("bearer   eyJhbGciOiJFUzI1NiJ9.e30.c2ln"), None);
    }

    #[test]
    fn a_token_in_the_url_or_another_header_is_not_read() {
        let none = HeaderMap::new();
        for name in ["token", "access_token", "Api_Key"] {
            let uri = format!("/mcp?x=1&{name}=ada-0123456789abcdef").parse().unwrap();
            let said = mistake(&uri, &none).unwrap();
            assert!(said.contains("not belong in the URL") && !said.contains("ada-"), "{said}");
        }
        let uri: Uri = "/mcp?name=x".parse().unwrap();
        assert_eq!(mistake(&uri, &none), None);
        let other =
            [("x-api-key".parse().unwrap(), "ada-0123456789abcdef".parse().unwrap())].into_iter().collect();
        assert!(mistake(&uri, &other).unwrap().contains("x-api-key"));
        let twice = ["Bearer a", "Bearer b"].map(|value| (header::AUTHORIZATION, value.parse().unwrap()));
        assert!(mistake(&uri, &twice.into_iter().collect()).unwrap().contains("several"));
    }
}
