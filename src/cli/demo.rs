//! `minimax-mcp demo`: shows the results of calls as a client sees them, without a key.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use minimax_sandbox::{Options, Sandbox};
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, Implementation,
    ProgressNotificationParam,
};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::checks::at;
use super::outcome::Outcome;
use crate::config::{Config, Places};
use crate::tools;

/// A client that prints progress notes as they arrive.
#[derive(Debug)]
struct Viewer;

impl ClientHandler for Viewer {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(
            ClientCapabilities::default(),
            Implementation::new("minimax-demo", env!("CARGO_PKG_VERSION")),
        )
    }

    async fn on_progress(&self, note: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        let _ = writeln!(io::stdout(), "  … {}", note.message.unwrap_or_default());
    }
}

/// Starts a sandbox and a server in front of it, in this process. Then makes an image, a spoken sentence and a video.
pub(super) async fn run(out: &Path, places: &Places) -> Outcome {
    let folder = tokio::fs::create_dir_all(out).await;
    folder
        .map_err(|error| format!("--out {}; choose a folder in which files can be made", at(out, &error)))?;
    let out = std::path::absolute(out)?;
    let records = tempfile::tempdir().map_err(|error| {
        format!("the folder for temporary files cannot be used: {}", at(&std::env::temp_dir(), &error))
    })?;
    let sandbox = Sandbox::start(Options::default()).await?;
    say("No key, no cost: this program starts a simulator of MiniMax, an MCP server in front of it,")?;
    say("and calls three tools as an MCP client would. Files are saved in")?;
    say(&format!("{}\n", out.display()))?;
    let mut config = Config::read(|_| None, places).at_sandbox(&sandbox.url());
    config.base_path.clone_from(&out);
    // A subfolder that does not exist yet, because a new folder is made private without a warning.
    config.data_dir = records.path().join("records");
    let server = tools::server(config);
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (serving, handler) = (TaskTracker::new(), server.clone());
    serving.spawn(async move {
        if let Ok(running) = handler.serve(ours).await {
            let _ = running.waiting().await;
        }
    });
    let client = Viewer.serve(theirs).await?;
    let made = make(&client, &sandbox.url()).await;
    client.cancel().await?;
    server.jobs().shut_down(Duration::from_secs(5)).await;
    sandbox.stop().await;
    made?;
    let program = std::env::current_exe()?;
    let program = program.display();
    say(&format!("Open {}\n", out.display()))?;
    say("To use the simulator in a client, for example in Claude Code:")?;
    say(&format!("  claude mcp add minimax -- \"{program}\" --sandbox"))?;
    say("To use MiniMax itself, with your key:")?;
    say(&format!("  claude mcp add minimax -e MINIMAX_API_KEY=YOUR_KEY -- \"{program}\""))?;
    Ok(())
}

type Client = RunningService<RoleClient, Viewer>;

/// Calls the tools. `host` is the simulator's address, whose links end with the demo.
async fn make(client: &Client, host: &str) -> Outcome {
    let tools = client.list_all_tools().await?;
    say(&format!("The server has {} tools. Three of them:\n", tools.len()))?;

    let prompt = "A red fox crossing a snowy clearing at dawn, watercolour";
    let image =
        call(client, host, "text_to_image", json!({ "prompt": prompt, "aspect_ratio": "16:9" })).await?;
    call(
        client,
        host,
        "text_to_audio",
        json!({ "text": "The fox stops, listens, and is gone.", "voice_id": "English_expressive_narrator" }),
    )
    .await?;
    let frame = image.pointer("/files/0/uri").and_then(Value::as_str).unwrap_or_default();
    let arguments =
        json!({ "prompt": "The fox walks on [Push in]", "first_frame_image": frame, "wait_seconds": 120 });
    call(client, host, "generate_video", arguments).await?;
    Ok(())
}

/// Calls a tool, prints the result, and returns its structured content.
async fn call(
    client: &Client,
    host: &str,
    tool: &'static str,
    arguments: Value,
) -> Result<Value, Box<dyn std::error::Error>> {
    say(&format!("{tool} {arguments}"))?;
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    let result: CallToolResult =
        client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await?;
    for block in &result.content {
        if let Some(text) = block.as_text() {
            for line in text.text.lines().filter(|line| !line.contains(host)) {
                say(&format!("  {line}"))?;
            }
        } else if let Some(link) = block.as_resource_link() {
            say(&format!("  link: {}", link.uri))?;
        }
    }
    say("")?;
    if result.is_error == Some(true) {
        return Err(format!("{tool} failed").into());
    }
    Ok(result.structured_content.unwrap_or_default())
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
