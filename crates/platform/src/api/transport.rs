//! Failures of the connection, in words. Only the log has the chain of causes.

use std::error::Error;
use std::io::ErrorKind;

use hyper_util::client::proxy::matcher::Matcher;

use super::target::Target;
use super::{ApiError, Client};
use crate::telemetry::causes;

/// What broke, as far as the causes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Name,
    Refused,
    Unreachable,
    Tls,
    Tunnel,
    Timeout,
    Closed,
    Request,
    Other,
}

impl Fault {
    fn of(error: &reqwest::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = error.source();
        while let Some(this) = cause {
            if let Some(fault) = Self::of_cause(this) {
                return fault;
            }
            cause = this.source();
        }
        match error {
            error if error.is_timeout() => Self::Timeout,
            error if error.is_builder() => Self::Request,
            _ => Self::Other,
        }
    }

    fn of_cause(cause: &(dyn Error + 'static)) -> Option<Self> {
        if is_tls(cause) {
            return Some(Self::Tls);
        }
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            let fault = match io.kind() {
                ErrorKind::ConnectionRefused => Self::Refused,
                ErrorKind::NetworkUnreachable
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkDown
                | ErrorKind::AddrNotAvailable => Self::Unreachable,
                ErrorKind::TimedOut => Self::Timeout,
                ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof => Self::Closed,
                _ => return None,
            };
            return Some(fault);
        }
        // These types are private, so only their words tell them apart.
        let words = cause.to_string();
        if words.starts_with("dns error") {
            return Some(Self::Name);
        }
        if words.contains("tunnel") || words.contains("proxy auth") || words.starts_with("socks") {
            return Some(Self::Tunnel);
        }
        let closed = words.starts_with("connection closed before") || words.contains("unexpected EOF");
        closed.then_some(Self::Closed)
    }
}

impl Client {
    /// The error of a request without a complete response. Without a connection, MiniMax has not seen the request.
    pub(super) fn lost(&self, path: &'static str, error: reqwest::Error) -> ApiError {
        let unsent = error.is_connect() || error.is_builder();
        let error = error.without_url();
        let fault = Fault::of(&error);
        tracing::info!(path, causes = self.clean(&causes(&error)), "no connection to the API");
        let at = self.at(path);
        if unsent {
            let why = unsent_words(fault, &at, self.proxy().as_deref());
            ApiError::Unsent { at, why }
        } else {
            ApiError::Lost { at, why: lost_words(fault).to_owned(), answer: None }
        }
    }

    /// Host and port of the proxy between this machine and the API.
    fn proxy(&self) -> Option<String> {
        if self.is_local() {
            return None;
        }
        let proxy = Matcher::from_system().intercept(&self.host.parse().ok()?)?;
        Some(proxy.uri().authority()?.as_str().rsplit('@').next()?.to_owned())
    }
}

/// Whether a cause is a TLS error. I/O errors may be wrapped around it, and their `source` skips what they wrap.
fn is_tls(cause: &(dyn Error + 'static)) -> bool {
    let wrapped = || cause.downcast_ref::<std::io::Error>()?.get_ref();
    cause.is::<rustls::Error>() || wrapped().is_some_and(|inner| is_tls(inner))
}

/// Why no connection was made, as a sentence.
fn unsent_words(fault: Fault, at: &Target, proxy: Option<&str>) -> String {
    let host = at.host().unwrap_or("the API host");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if let Some(proxy) = proxy.filter(|_| fault != Fault::Tls && fault != Fault::Request) {
        return match fault {
            Fault::Tunnel => format!("The proxy {proxy} did not connect to {name}"),
            Fault::Name => format!("Cannot resolve the proxy {proxy}"),
            Fault::Refused => format!("The proxy {proxy} refused the connection"),
            Fault::Timeout => format!("The proxy {proxy} did not answer in time"),
            _ => format!("Cannot reach {name} through the proxy {proxy}"),
        };
    }
    match fault {
        Fault::Name => format!("Cannot resolve {name}"),
        Fault::Refused => format!("{host} refused the connection"),
        Fault::Unreachable => format!("There is no route to {host}"),
        Fault::Tls => format!(
            "Cannot make a secure connection to {host}: its certificate or TLS version is not accepted"
        ),
        Fault::Timeout => format!("{host} did not accept a connection in time"),
        Fault::Closed => format!("{host} closed the connection before it was set up"),
        Fault::Request => format!("The request to {host} cannot be built"),
        Fault::Tunnel | Fault::Other => format!("Cannot connect to {host}"),
    }
}

/// Why no complete response came, as the end of a sentence.
fn lost_words(fault: Fault) -> &'static str {
    match fault {
        Fault::Timeout => "the time limit passed",
        Fault::Closed => "it was closed",
        Fault::Tls => "the secure connection broke",
        _ => "it broke",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ALL: [Fault; 9] = [
        Fault::Name,
        Fault::Refused,
        Fault::Unreachable,
        Fault::Tls,
        Fault::Tunnel,
        Fault::Timeout,
        Fault::Closed,
        Fault::Request,
        Fault::Other,
    ];

    /// Checks that a text has none of the libraries' phrases, which mean nothing to a person.
    fn is_plain(text: &str) {
        for word in [
            "error sending request",
            "client error",
            "dns error",
            "hyper",
            "os error",
            "tunnel error",
            "tcp connect",
        ] {
            assert!(!text.contains(word), "{text}");
        }
    }

    #[test]
    fn every_transport_failure_is_a_plain_sentence_that_names_the_host() {
        let client = Client::new("https://api.minimax.io", None);
        let at = client.at("/v1/image_generation");
        for fault in ALL {
            for proxy in [None, Some("proxy.corp:3128")] {
                let error = ApiError::Unsent { at: at.clone(), why: unsent_words(fault, &at, proxy) };
                let said = error.to_string();
                assert!(said.contains("api.minimax.io") || said.contains("proxy.corp:3128"), "{said}");
                is_plain(&said);
                assert!(error.advice().contains("HTTPS_PROXY"), "{}", error.advice());
            }
            let said = ApiError::Lost { at: at.clone(), why: lost_words(fault).to_owned(), answer: None }
                .to_string();
            assert!(said.contains("api.minimax.io"), "{said}");
            is_plain(&said);
        }
    }

    async fn failure(host: &str) -> ApiError {
        let client = Client::new(host, Some("sk-api-secret".into()));
        let endpoint = crate::api::Endpoint::get("/account/query_balance");
        client.send::<serde_json::Value>(&endpoint, endpoint.path, |request| request).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_real_failure_is_recognized() {
        let name = failure("https://no-such-host.invalid").await.to_string();
        assert!(name.contains("Cannot resolve no-such-host.invalid") || name.contains("proxy"), "{name}");
        let refused = failure("http://127.0.0.1:1").await.to_string();
        assert_eq!(refused, "127.0.0.1:1 refused the connection");
        // A server without TLS, and one that closes the connection once it has the request.
        for (scheme, words) in [("https", "secure connection"), ("http", "it was closed")] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let host = format!("{scheme}://{}", listener.local_addr().unwrap());
            let serving = async {
                use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
                let (mut stream, _) = listener.accept().await.unwrap();
                // Unread bytes would make the close a reset.
                let mut head = [0; 16 * 1024];
                let _ = stream.read(&mut head).await;
                if scheme == "https" {
                    let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
                }
            };
            let (said, ()) = tokio::join!(failure(&host), serving);
            assert!(said.to_string().contains(words), "{scheme}: {said}");
            is_plain(&said.to_string());
        }
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_millis(50)).build().unwrap();
        let error = http.get(format!("http://{}", silent.local_addr().unwrap())).send().await.unwrap_err();
        assert_eq!(Fault::of(&error), Fault::Timeout);
    }
}
