//! `GET /`: the page for a person who opens the address in a browser. Anyone may read it, so it contains no secrets.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

use super::access::Access;
use crate::config::{Config, Region};
use crate::mcp::Server;

const PAGE: &str = include_str!("page.html");

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\
                     pre,code{font-family:ui-monospace,monospace;background:#8882;border-radius:4px;padding:.1em .3em}\
                     pre{padding:.8em;overflow:auto}h3{font-size:1em}:root{color-scheme:light dark}";

/// `GET /`
pub async fn page(State((server, access)): State<(Server, Arc<Access>)>) -> Response {
    let style = BASE64.encode(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, Html(filled(server.config(), &access))).into_response()
}

fn filled(config: &Config, access: &Access) -> String {
    let upstream = match config.region {
        _ if config.is_sandbox() => "SANDBOX: results are made up, and nothing is billed.",
        Region::Global => "It uses the global region of MiniMax.",
        Region::Cn => "It uses MiniMax in mainland China.",
    };
    let url = format!("{}/mcp", access.base());
    let (claude, codex, json) = if access.is_open() {
        ("", "", "")
    } else {
        (
            " --header \"Authorization: Bearer $MINIMAX_MCP_TOKEN\"",
            " --bearer-token-env-var MINIMAX_MCP_TOKEN",
            ",\n      \"headers\": { \"Authorization\": \"Bearer TOKEN\" }",
        )
    };
    let values = [
        ("{{version}}", env!("CARGO_PKG_VERSION")),
        ("{{upstream}}", upstream),
        ("{{callers}}", &access.callers()),
        ("{{url}}", &url),
        ("{{claude}}", claude),
        ("{{codex}}", codex),
        ("{{json}}", json),
    ];
    let page = PAGE.replace("{{style}}", STYLE);
    values.iter().fold(page, |page, (name, value)| page.replace(name, &escaped(value)))
}

/// Escapes a text for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HttpSettings, Places};

    #[test]
    fn values_of_settings_are_escaped_on_the_page() {
        let places = Places { home: "/home".into(), desktop: None, data: "/data".into() };
        let config = Config::read(|_| None, &places);
        let public_url = Some("https://a.example/\"><script>&".to_owned());
        let token = Some("secret-of-this-server".into());
        let access = Access::new(&HttpSettings { token, public_url, ..HttpSettings::default() });
        let page = filled(&config, &access);
        assert!(page.contains("https://a.example/&quot;&gt;&lt;script&gt;&amp;/mcp"), "{page}");
        assert!(!page.contains("<script") && !page.contains("{{") && !page.contains("secret-of"), "{page}");
        assert!(page.contains("global region") && page.contains("Bearer $MINIMAX_MCP_TOKEN"), "{page}");
    }
}
