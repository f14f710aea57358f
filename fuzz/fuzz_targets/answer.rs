//! What MiniMax, or a machine in between, answers to a plain request: never a panic, and no paid request is sent
//! again that may have been taken.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use minimax_mcp::api::{Client, entry_points};

static CLIENT: LazyLock<Client> =
    LazyLock::new(|| Client::new("http://127.0.0.1:9", Some("sk-api-key".into())));

const STATUSES: &[u16] = &[
    200, 200, 200, 201, 204, 301, 400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529, 599,
    999,
];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, body)) = bytes.split_first() else { return };
    entry_points::answer(&CLIENT, STATUSES[usize::from(*first) % STATUSES.len()], body);
});
