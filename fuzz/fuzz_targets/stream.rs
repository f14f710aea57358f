//! Streamed answers of text models: wherever the pieces are cut, the answer is the same.

#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use minimax_mcp::api::{Client, entry_points};
use minimax_mcp::api::chat::{Delta, Protocol};
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().unwrap());
static CLIENT: LazyLock<Client> =
    LazyLock::new(|| Client::new("http://127.0.0.1:9", Some("sk-api-key".into())));

// The first byte says which protocol, the second where the body is cut.
fuzz_target!(|bytes: &[u8]| {
    let [which, cut, body @ ..] = bytes else { return };
    let protocol = [Protocol::OpenAi, Protocol::Anthropic, Protocol::Native, Protocol::Responses]
        [usize::from(*which) % 4];
    let kind = if which & 4 == 0 { "text/event-stream" } else { "application/json" };
    let size = usize::from(*cut).max(1);
    let pieces = body.chunks(size).map(Bytes::copy_from_slice).collect();
    let cut = RUNTIME.block_on(entry_points::stream(&CLIENT, protocol, kind, pieces));
    let whole =
        RUNTIME.block_on(entry_points::stream(&CLIENT, protocol, kind, vec![Bytes::copy_from_slice(body)]));
    match (cut, whole) {
        (Ok((cut, _)), Ok((whole, _))) => assert_eq!(said(&cut), said(&whole)),
        (Err(_), Err(_)) => {}
        (cut, whole) => panic!("{cut:?} when cut, {whole:?} when not"),
    }
});

fn said(deltas: &[Delta]) -> String {
    deltas.iter().map(|delta| format!("{delta:?}\n")).collect()
}
