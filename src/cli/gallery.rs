//! `gallery`: the gallery for the person at this machine.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use super::outcome::Outcome;
use crate::config::Config;
use crate::gallery;
use crate::serve::http;
use crate::serve::http::access::Access;
use crate::tools;

/// Serves the gallery on a local port until a signal arrives. With `opens`, the browser opens it.
pub(super) async fn run(mut config: Config, port: u16, opens: bool) -> Outcome {
    config.reach_over_stdio();
    // At the shell, the user has chosen the current folder.
    if let Some(folder) = config.start_dir.clone().filter(|folder| folder.parent().is_some()) {
        config.allowed_dirs.push(folder);
    }
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.map_err(
        |error| match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("port {port} is taken by another program; choose another with --port")
            }
            _ => format!("port {port}: {error}"),
        },
    )?;
    let base = format!("http://{}", listener.local_addr()?);
    let access = Access::new(&config.http);
    let server = tools::server(config);
    let (pages, link) = gallery::for_owner(server.clone(), &base);
    if !opens || opener::open_browser(&link).is_err() {
        writeln!(io::stdout(), "{link}")?;
        writeln!(
            io::stderr(),
            "minimax-mcp: open this link in a browser; it works once. Ctrl-C ends the gallery."
        )?;
    } else {
        writeln!(
            io::stderr(),
            "minimax-mcp: the gallery is at {base}/gallery, in your browser. Ctrl-C ends it."
        )?;
    }
    http::serve_pages(http::at_signal(), server, listener, access, pages).await;
    Ok(())
}
