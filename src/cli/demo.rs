//! `minimax-mcp demo`: shows what a client sees, without a key.

use std::io::{self, Write};
use std::path::Path;
use std::process::Stdio;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, Implementation,
    ProgressNotificationParam,
};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::{Value, json};
use tokio::process::Command;

use super::outcome::{Outcome, about};
use minimax_sandbox::{Options, Sandbox};

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

/// Starts a sandbox, and this program as a server in front of it. Then makes an image, a spoken sentence and a video.
pub(super) async fn run(out: &Path) -> Outcome {
    let problem = about(format!("--out {} cannot be used as a folder", out.display()));
    tokio::fs::create_dir_all(out).await.map_err(problem)?;
    let out = std::path::absolute(out)?;
    let records = tempfile::tempdir().map_err(about("no folder for records in the temporary folder"))?;
    let sandbox = Sandbox::start(Options::default()).await.map_err(about("the sandbox cannot start"))?;
    say(
        "No key, no cost: a MiniMax imitation runs inside this program, and the server in front of it is started",
    )?;
    say("as any MCP client would start it. Files go to")?;
    say(&format!("{}\n", out.display()))?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("serve")
        .env("MINIMAX_API_HOST", sandbox.url())
        .env("MINIMAX_API_KEY", "demo")
        .env("MINIMAX_MCP_BASE_PATH", &out)
        .env("MINIMAX_DATA_DIR", records.path())
        .env("MINIMAX_API_RESOURCE_MODE", "local")
        .env("MINIMAX_LOG", "warn")
        .env_remove("MINIMAX_TOOLSETS")
        .env_remove("MINIMAX_READ_ONLY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) else {
        return Err("the server has no stdin and stdout".into());
    };
    let client = Viewer.serve((output, input)).await?;
    let made = make(&client).await;
    client.cancel().await?;
    let _ = child.wait().await;
    sandbox.stop().await;
    made?;
    say("With a key, the same server does the same with the real MiniMax: see README.md.")?;
    Ok(())
}

type Client = RunningService<RoleClient, Viewer>;

async fn make(client: &Client) -> Outcome {
    let tools = client.list_all_tools().await?;
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    say(&format!("tools: {}\n", names.join(", ")))?;

    let prompt = "A red fox crossing a snowy clearing at dawn, watercolour";
    let image = call(client, "text_to_image", json!({ "prompt": prompt, "aspect_ratio": "16:9" })).await?;
    call(
        client,
        "text_to_audio",
        json!({ "text": "The fox stops, listens, and is gone.", "voice_id": "English_expressive_narrator" }),
    )
    .await?;
    let frame = image.pointer("/files/0/uri").and_then(Value::as_str).unwrap_or_default();
    let arguments =
        json!({ "prompt": "The fox walks on [Push in]", "first_frame_image": frame, "wait_seconds": 120 });
    call(client, "generate_video", arguments).await?;
    Ok(())
}

/// Calls a tool, prints the result, and returns its structured content.
async fn call(
    client: &Client,
    tool: &'static str,
    arguments: Value,
) -> Result<Value, Box<dyn std::error::Error>> {
    say(&format!("{tool} {arguments}"))?;
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    let result: CallToolResult =
        client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await?;
    for block in &result.content {
        if let Some(text) = block.as_text() {
            let indented = text.text.replace('\n', "\n  ");
            say(&format!("  {indented}"))?;
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
