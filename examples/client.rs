//! A minimal MCP client that makes one image.
//!
//! Run `cargo run --example client -- minimax-mcp --sandbox`, or give another command that starts an MCP server.

use std::process::Stdio;

use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use tokio::process::Command;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().ok_or("which server? for example: minimax-mcp --sandbox")?;
    let mut child =
        Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let pipes = (child.stdout.take().ok_or("no stdout")?, child.stdin.take().ok_or("no stdin")?);
    let client = ().serve(pipes).await?;

    let arguments = serde_json::json!({ "prompt": "A lighthouse in fog", "aspect_ratio": "16:9" });
    let call = CallToolRequestParams::new("text_to_image")
        .with_arguments(arguments.as_object().cloned().unwrap_or_default());
    let result = client.call_tool(call).await?;
    if let Some(view) = &result.structured_content {
        eprintln!("{}", serde_json::to_string_pretty(view)?);
    }
    client.cancel().await?;
    child.wait().await?;
    Ok(())
}
