//! Fetches small documents that the operator configured, or that such a document names: the metadata and keys of an
//! identity provider. Callers cannot choose the URL, so private hosts are allowed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use reqwest::redirect::Policy;
use url::{Host, Url};

use crate::download::link::broken;

/// The time limit of the whole request, including the connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Fetches a document of at most `longest` bytes, over `https`, or over `http` from this machine. Follows no
/// redirects and sends no cookies or credentials. The error is a sentence without a subject.
pub async fn document(url: &str, longest: usize) -> Result<Bytes, String> {
    let url = Url::parse(url).map_err(|_| "is not a URL".to_owned())?;
    let here = is_here(&url);
    let bare = url.username().is_empty() && url.password().is_none();
    if !(url.scheme() == "https" || (url.scheme() == "http" && here)) || !bare {
        return Err("must be an https:// URL without credentials (http only for this machine)".to_owned());
    }
    let gone = |error: reqwest::Error| format!("cannot be fetched: {}", broken(error));
    let response = client(here).and_then(|client| client.get(url).build().map(|request| (client, request)));
    let (client, request) = response.map_err(gone)?;
    let response = client.execute(request).await.map_err(gone)?;
    let status = response.status();
    if status.is_redirection() {
        return Err(format!("is a redirect (HTTP {}), which is not followed", status.as_u16()));
    }
    if status != reqwest::StatusCode::OK {
        return Err(format!("is answered with HTTP {}", status.as_u16()));
    }
    let mut chunks = response.bytes_stream();
    let mut body = BytesMut::new();
    while let Some(chunk) = chunks.try_next().await.map_err(gone)? {
        if body.len().saturating_add(chunk.len()) > longest {
            return Err(format!("is longer than {longest} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn client(here: bool) -> reqwest::Result<reqwest::Client> {
    // reqwest is built without its own TLS provider. A second installation fails, which does no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .user_agent(concat!("minimax-mcp/", env!("CARGO_PKG_VERSION")))
        .timeout(PATIENCE)
        .redirect(Policy::none())
        .referer(false);
    // A proxy cannot reach ports on this machine.
    let client = if here { client.no_proxy() } else { client };
    client.build()
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
