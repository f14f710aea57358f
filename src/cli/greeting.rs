//! The text that `serve --http` prints for a person who starts it in a terminal.

use std::fmt::Write as _;

use crate::config::{Config, KeyKind, Region};
use crate::serve::http::access::Access;

/// The address, the key, the allowed callers, the folder of results, and the line for a client.
pub(super) fn greeting(config: &Config, access: &Access, url: &str) -> String {
    let region = match config.region {
        Region::Global => "global",
        Region::Cn => "mainland China",
    };
    let key = match config.key_kind() {
        _ if config.is_sandbox() => "SANDBOX: results are made up, and nothing is billed".to_owned(),
        _ if config.http.caller_keys => format!("of each caller, region {region}"),
        KeyKind::Missing => format!("NONE, region {region}: set MINIMAX_API_KEY, or start with --sandbox"),
        KeyKind::Plan => format!("of a subscription plan, region {region}"),
        KeyKind::PayAsYouGo => format!("pays from the balance, region {region}"),
        KeyKind::Other => format!("set, region {region}"),
    };
    let token = if access.is_open() { "" } else { " --header \"Authorization: Bearer $MINIMAX_MCP_TOKEN\"" };
    let results = config.base_path.display();
    let rows = [
        ("MCP", format!("{url}/mcp")),
        ("Gallery", format!("{url}/gallery")),
        ("Key", key),
        ("Callers", access.callers()),
        ("Results", results.to_string()),
        ("Client", format!("claude mcp add --transport http minimax {url}/mcp{token}")),
    ];
    let mut text = format!("minimax-mcp {}\n\n", env!("CARGO_PKG_VERSION"));
    for (name, value) in rows {
        let _ = writeln!(text, "  {name:8} {value}");
    }
    text + "\nCtrl-C ends it.\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Places;

    fn said(given: &[(&str, &str)], at_sandbox: bool) -> String {
        let places = Places { home: "/home/ada".into(), desktop: None, data: "/data".into() };
        let lookup =
            |name: &str| given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let config = Config::read(lookup, &places);
        let config = if at_sandbox { config.at_sandbox("http://127.0.0.1:9") } else { config };
        greeting(&config, &Access::new(&config.http), "http://127.0.0.1:8765")
    }

    #[test]
    fn the_greeting_has_the_address_the_key_the_callers_the_folder_and_the_line_for_a_client() {
        let token = "0123456789abcdef-token";
        let guarded = said(&[("MINIMAX_API_KEY", "sk-api-secret"), ("MINIMAX_MCP_TOKEN", token)], false);
        for part in [
            "http://127.0.0.1:8765/mcp\n",
            "pays from the balance, region global",
            "callers with a token",
            "minimax\n",
            "claude mcp add --transport http minimax http://127.0.0.1:8765/mcp --header \"Authorization: Bearer $MINIMAX_MCP_TOKEN\"",
        ] {
            assert!(guarded.contains(part), "{part}: {guarded}");
        }
        assert!(!guarded.contains(token) && !guarded.contains("sk-api"), "{guarded}");
        let open = said(&[("MINIMAX_REGION", "cn")], false);
        assert!(open.contains("NONE, region mainland China") && open.contains("without a token"), "{open}");
        assert!(!open.contains("--header"), "{open}");
        assert!(said(&[], true).contains("SANDBOX"));
        let own = said(&[("MINIMAX_MCP_CALLER_KEYS", "true"), ("MINIMAX_API_KEY", "sk-cp-x")], false);
        assert!(own.contains("of each caller") && own.contains("each sends a MiniMax key"), "{own}");
    }
}
