//! Runs the server, a client and a sandbox in place of MiniMax in one process, without a key. Run
//! `cargo run --example demo`.

use minimax_mcp::config::{Config, Places};
use minimax_mcp::sandbox::{Options, Sandbox};
use minimax_mcp::tools;
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use tokio_util::task::TaskTracker;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?.keep();
    let places = Places { home: folder.clone(), desktop: None, data: folder.join("data") };
    let sandbox = Sandbox::start(Options::default()).await?;
    let server = tools::server(Config::read(|_| None, &places).at_sandbox(&sandbox.url()));

    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (serving, handler) = (TaskTracker::new(), server.clone());
    serving.spawn(async move {
        if let Ok(running) = handler.serve(ours).await {
            let _ = running.waiting().await;
        }
    });
    let client = ().serve(theirs).await?;

    let arguments = serde_json::json!({ "prompt": "A red fox in snow", "wait_seconds": 60 });
    let call = CallToolRequestParams::new("generate_video")
        .with_arguments(arguments.as_object().cloned().unwrap_or_default());
    for block in client.call_tool(call).await?.content {
        if let Some(text) = block.as_text() {
            eprintln!("{}", text.text);
        }
    }
    client.cancel().await?;
    server.jobs().shut_down(std::time::Duration::from_secs(1)).await;
    sandbox.stop().await;
    Ok(())
}
