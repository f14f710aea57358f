//! Texts that try to forge log lines.

use serde_json::json;

use super::stage::{ADA, Process, get, on_stage, post, request};

/// The start of a real log line.
const FORGED: &str = "2001-02-03T04:05:06.789012Z  INFO forged: all is well";

#[test]
fn no_text_from_a_caller_or_minimax_forges_a_log_line_or_controls_a_terminal() {
    on_stage(|stage| {
        let dir = tempfile::tempdir().unwrap();
        for level in ["info", "debug", "trace"] {
            let folder = dir.path().join(level);
            std::fs::create_dir(&folder).unwrap();
            let program = Process::start(&stage.sandbox.url(), &folder, &[("MINIMAX_LOG", level)]);
            for end in [
                "\n",
                "\r\n",
                "\r",
                "\u{1b}[2K\r",
                "\u{1b}]0;title\u{7}\n",
                "\u{9b}31m\n",
                "\u{85}",
                "\u{2028}",
            ] {
                let word = format!("x{end}{FORGED}{end}\u{1b}[31m");
                forge(stage, &program, &word);
            }
            let log = program.log();
            assert!(log.lines().count() > 1);
            let line = log.lines().find(|line| line.trim_start().starts_with(FORGED));
            assert_eq!(line, None, "{level}");
            let control = log.chars().find(|c| c.is_control() && *c != '\n' && *c != '\t');
            assert_eq!(control, None, "{level}");
        }
    });
}

/// Sends a word in every place that a caller or MiniMax controls.
fn forge(stage: &super::stage::Stage, program: &Process, word: &str) {
    use minimax_mcp::sandbox::{Act, Rule};

    let encoded = percent_encoding::utf8_percent_encode(word, percent_encoding::NON_ALPHANUMERIC).to_string();
    for path in [format!("/{encoded}"), format!("/files/{encoded}/{encoded}?expires=1&signature={encoded}")] {
        program.ask(get(&path, &format!("Authorization: Bearer {ADA}\r\n")));
    }
    // An invalid header is refused, and its text must not be logged either.
    for name in
        ["User-Agent", "X-Request-Id", "Mcp-Name", "Mcp-Method", "traceparent", "X-Forwarded-For", "Referer"]
    {
        let raw = word.replace(['\r', '\n'], "\u{b}");
        program.ask(get("/healthz", &format!("{name}: {raw}\r\n")));
        program.ask(get("/healthz", &format!("{name}: {encoded}\r\n")));
    }
    let ask =
        |method: &str, params: serde_json::Value| program.ask(post("/mcp", ADA, &request(method, params)));
    let call = |tool: &str, arguments: serde_json::Value| {
        ask("tools/call", json!({ "name": tool, "arguments": arguments }));
    };
    call(word, json!({}));
    program.rpc(
        ADA,
        "tools/call",
        json!({ "name": "list_jobs", "arguments": { word: word, "query": word } }),
    );
    call("get_job", json!({ "job_id": word }));
    call("text_to_image", json!({ "prompt": word, "model": word, "idempotency_key": word }));
    let client = json!({ "protocolVersion": word, "capabilities": {}, "clientInfo": { "name": word, "version": word } });
    ask("initialize", client);
    ask("prompts/get", json!({ "name": word, "arguments": { word: word } }));
    ask("resources/read", json!({ "uri": format!("minimax://jobs/{word}") }));
    ask(word, json!({ word: word }));
    for act in [
        Act::Refuse { code: 2013, message: Some(word.to_owned()), retry_after: None },
        Act::Raw { body: json!({ "base_resp": { "status_code": 1026, "status_msg": word } }).to_string() },
        Act::Raw { body: format!("<html>{word}") },
        Act::Status { status: 500, body: word.to_owned(), content_type: None, headers: Default::default() },
    ] {
        stage.sandbox.script(vec![Rule::once("/v1/image_generation", act)]);
        call("text_to_image", json!({ "prompt": "A fox" }));
    }
    stage.sandbox.script(Vec::new());
}
