//! The server as it is over HTTP, with the tools, prompts and resources that the official conformance suite knows by
//! name. It uses the same transport, access checks and protocol.
//!
//!     cargo run --example conformance -- serve --http 127.0.0.1:8765 --sse

mod fixtures;

use std::error::Error;
use std::net::SocketAddr;

use minimax_mcp::config::{Config, Places};
use minimax_mcp::serve::http::access::Access;
use minimax_mcp::serve::http::{Options, bind, serve_around};
use minimax_mcp::tools;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--http").skip(1);
    let address: SocketAddr = arguments.next().ok_or("--http ADDRESS is missing")?.parse()?;
    let home = std::env::temp_dir();
    let places = Places { data: home.clone(), desktop: None, home };
    let mut config = Config::read(setting, &places);
    if let Some(problem) = config.problems.first() {
        return Err(problem.clone().into());
    }
    let access = Access::new(&config.http);
    let listener = bind(address, &access).await?;
    config.http.public_url = Some(format!("http://{}", listener.local_addr()?));
    config.reach_over_http();
    let (server, stop) = (tools::server(config), CancellationToken::new());
    serve_around(
        fixtures::Fixed,
        stop,
        server,
        listener,
        access,
        Options { sse: true, ..Options::default() },
    )
    .await;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
