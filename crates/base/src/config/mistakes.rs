//! Tests of mistakes that people make in settings.

use std::path::Path;

use secrecy::ExposeSecret;

use super::of_pairs as read;
use super::*;
use crate::money::Money;

fn key(config: &Config) -> Option<&str> {
    config.key.as_ref().map(ExposeSecret::expose_secret)
}

#[test]
fn quotes_around_any_setting_change_nothing() {
    let values = [
        ("MINIMAX_API_KEY", "sk-api-x"),
        ("MINIMAX_REGION", "cn"),
        ("MINIMAX_BUDGET_DAY", "5 CNY"),
        ("MINIMAX_MCP_BASE_PATH", "/results"),
        ("MINIMAX_TOOLSETS", "image,video"),
        ("MINIMAX_READ_ONLY", "true"),
        ("MINIMAX_MCP_TOKEN", "0123456789abcdef"),
    ];
    for (open, close) in [("\"", "\""), ("'", "'"), ("“", "”"), (" '", "'\r\n")] {
        let quoted = values.map(|(name, value)| (name, format!("{open}{value}{close}")));
        let quoted: Vec<_> = quoted.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let config = read(&quoted);
        assert_eq!(
            (key(&config), config.region, config.budgets.day),
            (Some("sk-api-x"), Region::Cn, Some(Money::from_millionths(5_000_000, Currency::Cny)))
        );
        assert_eq!((config.base_path.as_path(), config.read_only), (Path::new("/results"), true));
        assert_eq!(config.toolsets, [Toolset::Image, Toolset::Video, Toolset::Jobs]);
        assert_eq!(config.http.token.as_ref().map(ExposeSecret::expose_secret), Some("0123456789abcdef"));
        assert!(config.problems.is_empty() && config.ignored.is_empty() && config.warnings.is_empty());
    }
    assert_eq!(read(&[("MINIMAX_TOOLSETS", "\"image\", 'video'")]).toolsets.len(), 3);
}

#[test]
fn quotes_around_paths_are_dropped() {
    for (open, close) in [("\"", "\""), ("'", "'"), (" \"", "\" ")] {
        let quoted = |path: &str| format!("{open}{path}{close}");
        let pairs = [
            ("MINIMAX_MCP_BASE_PATH", "/my results"),
            ("MINIMAX_DATA_DIR", "~/data"),
            ("MINIMAX_API_KEY_FILE", "/run/secrets/key"),
            ("MINIMAX_FACTS_FILE", "/facts.json"),
            ("MINIMAX_ALLOWED_DIRS", "/art"),
        ];
        let pairs = pairs.map(|(name, path)| (name, quoted(path)));
        let pairs: Vec<_> = pairs.iter().map(|(name, path)| (*name, path.as_str())).collect();
        let config = read(&pairs);
        assert_eq!(config.base_path, Path::new("/my results"));
        assert_eq!(config.data_dir, Path::new("/home/ada/data"));
        assert_eq!(config.key_file.as_deref(), Some(Path::new("/run/secrets/key")));
        assert_eq!(config.facts_file.as_deref(), Some(Path::new("/facts.json")));
        assert_eq!(config.allowed_dirs, [Path::new("/art")]);
        assert!(config.problems.is_empty(), "{:?}", config.problems);
    }
    let separator = if cfg!(windows) { ";" } else { ":" };
    let each = format!("\"/my art\"{separator}'~/b'{separator} \"/c\"");
    let dirs = read(&[("MINIMAX_ALLOWED_DIRS", &each)]).allowed_dirs;
    assert_eq!(dirs, [Path::new("/my art"), Path::new("/home/ada/b"), Path::new("/c")]);
}

#[test]
fn a_gateway_on_this_machine_is_asked_over_http_at_its_port() {
    for (given, host) in [
        ("localhost:4000", "http://localhost:4000"),
        ("localhost:4000/v1", "http://localhost:4000"),
        ("\"localhost:4000\"", "http://localhost:4000"),
        ("127.0.0.1:4000", "http://127.0.0.1:4000"),
        ("[::1]:4000", "http://[::1]:4000"),
        ("http://localhost:4000/", "http://localhost:4000"),
        ("localhost", "http://localhost"),
        ("gateway.example.com:4000", "https://gateway.example.com:4000"),
    ] {
        let config = read(&[("MINIMAX_API_HOST", given)]);
        assert_eq!((config.host.as_str(), config.problems.len()), (host, 0), "{given}");
        assert!(!config.sandbox, "{given}");
    }
}

#[test]
fn a_placeholder_and_an_empty_value_are_not_keys() {
    let config = read(&[("MINIMAX_API_KEY", "${user_config.api_key}"), ("MINIMAX_MCP_BASE_PATH", " ")]);
    assert_eq!(key(&config), None);
    assert!(config.key_note.unwrap().contains("placeholder `${user_config.api_key}`"));
    assert_eq!(config.base_path, Path::new("/home/ada/minimax"));
    let empty = read(&[("MINIMAX_API_KEY", "\"\"")]);
    assert_eq!((key(&empty), empty.key_note.as_deref(), empty.problems.len()), (None, None, 0));
}

#[test]
fn a_placeholder_of_another_setting_is_named_and_one_that_protects_refuses_calls() {
    let harmless = read(&[("MINIMAX_ALLOWED_DIRS", "${workspaceFolder}"), ("MINIMAX_TEXT_MODEL", "<model>")]);
    assert!(harmless.problems.is_empty() && harmless.defaults.text_model.is_none());
    let mut over_http = harmless.clone();
    over_http.judge_ignored(true);
    let mut elsewhere = harmless;
    elsewhere.judge_ignored(false);
    let problems: Vec<_> = over_http.problems.iter().map(ToString::to_string).collect();
    assert_eq!((problems.len(), &problems), (2, &elsewhere.warnings));
    assert!(over_http.warnings.is_empty() && elsewhere.problems.is_empty());
    assert!(problems.iter().any(|text| text.contains("MINIMAX_ALLOWED_DIRS is still the placeholder")));
    for name in ["MINIMAX_BUDGET_DAY", "MINIMAX_MCP_TOKEN", "MINIMAX_API_HOST", "MINIMAX_READ_ONLY"] {
        for value in ["${X}", "$X", "%X%", "<your-value>", "REPLACE_ME"] {
            let problems = read(&[(name, value)]).problems;
            assert_eq!(problems.iter().map(|problem| problem.name).collect::<Vec<_>>(), [name], "{value}");
        }
    }
    let left_empty = read(&[("MINIMAX_BUDGET_DAY", "${user_config.budget}")]);
    assert_eq!((left_empty.problems.len(), left_empty.warnings.len()), (0, 1));
}

#[test]
fn a_value_that_is_not_text_is_reported() {
    let config = read(&[("MINIMAX_BUDGET_DAY", "5\u{fffd}")]);
    assert!(config.problems.iter().any(|problem| problem.to_string().contains("not valid UTF-8")));
}

#[test]
fn a_key_file_gives_the_key_unless_the_environment_has_one() {
    let mut config = read(&[("MINIMAX_API_KEY_FILE", "/run/secrets/key")]);
    assert_eq!(config.key_file.as_deref(), Some(Path::new("/run/secrets/key")));
    config.take_key(Ok(" \"sk-api-of-the-file\"\n".to_owned()));
    assert_eq!(key(&config), Some("sk-api-of-the-file"));
    config.take_key(Ok("sk-cp-another".to_owned()));
    assert_eq!(config.key_kind(), KeyKind::PayAsYouGo);
    for (file, word) in [
        (Ok("\n".to_owned()), "is empty"),
        (Err(std::io::ErrorKind::NotFound.into()), "/k, which cannot be read"),
    ] {
        let mut config = read(&[("MINIMAX_API_KEY_FILE", "/k")]);
        config.take_key(file);
        assert!(config.key.is_none());
        assert!(config.problems.iter().any(|problem| problem.problem.contains(word)), "{word}");
    }
    let mut placeholder = read(&[("MINIMAX_API_KEY_FILE", "/k")]);
    placeholder.take_key(Ok("your-key\n".to_owned()));
    assert!(placeholder.key.is_none() && placeholder.key_note.unwrap().contains("`your-key`"));
}

#[test]
fn an_unknown_variable_is_warned_of_and_explains_a_missing_key() {
    let mut config = read(&[]);
    let names = ["MINIMAX_BUDGTE_DAY", "MINIMAX_API_KYE", "MINIMAX_GROUP_ID", "HOME"];
    config.warn_of_unknown(names.into_iter().map(str::to_owned));
    assert_eq!(
        config.warnings,
        [
            "MINIMAX_API_KYE is not a setting; did you mean MINIMAX_API_KEY?",
            "MINIMAX_BUDGTE_DAY is not a setting; did you mean MINIMAX_BUDGET_DAY?"
        ]
    );
    assert!(config.key_note.unwrap().contains("MINIMAX_API_KYE"));
    assert!(config.problems.is_empty(), "a warning refuses nothing");
}

#[test]
fn a_setting_that_only_http_uses_blocks_no_call_over_stdio() {
    let mut config = read(&[("MINIMAX_MCP_TOKEN", "short"), ("MINIMAX_REGION", "mars")]);
    config.reach_over_stdio();
    assert_eq!(config.problems.iter().map(|problem| problem.name).collect::<Vec<_>>(), ["MINIMAX_REGION"]);
    assert!(config.warnings.iter().any(|warning| warning.starts_with("MINIMAX_MCP_TOKEN must have")));
}

#[test]
fn the_sandbox_has_its_own_folders_and_reports_that_it_ignores_a_key() {
    let given =
        [("MINIMAX_DATA_DIR", "/d"), ("MINIMAX_MCP_BASE_PATH", "/f"), ("MINIMAX_API_KEY", "sk-api-real")];
    let config = read(&given).at_sandbox("http://127.0.0.1:1");
    assert_eq!(
        (config.data_dir.as_path(), config.base_path.as_path()),
        (Path::new("/d/sandbox"), Path::new("/f/sandbox"))
    );
    assert!(config.is_sandbox() && key(&config) == Some("sandbox-key"));
    assert!(config.warnings.iter().any(|warning| warning.starts_with("MINIMAX_API_KEY is ignored")));
    let rehearsing = read(&[("MINIMAX_API_KEY", "sandbox-2049")]).at_sandbox("http://127.0.0.1:1");
    assert_eq!((key(&rehearsing), rehearsing.warnings.len()), (Some("sandbox-2049"), 0));
    assert!(!read(&[("MINIMAX_API_HOST", "http://127.0.0.1:1")]).is_sandbox(), "a gateway on this machine");
}

#[test]
fn a_wrong_setting_that_the_sandbox_does_not_use_is_a_warning_there() {
    let config =
        read(&[("MINIMAX_REGION", "eu"), ("MINIMAX_BUDGET_DAY", "much")]).at_sandbox("http://127.0.0.1:1");
    assert_eq!(
        config.problems.iter().map(|problem| problem.name).collect::<Vec<_>>(),
        ["MINIMAX_BUDGET_DAY"]
    );
    assert!(
        config.warnings.iter().any(|warning| warning.contains("MINIMAX_REGION is `eu`")),
        "{:?}",
        config.warnings
    );
}
