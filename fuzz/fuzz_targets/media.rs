//! Files and words of others: what they are, how large, how they are shown, what they are called.

#![no_main]

use std::path::Path;
use std::sync::Once;

use libfuzzer_sys::fuzz_target;
use minimax_mcp::media::{Blob, Limits, check_now, file_name, parse, preview};

const ALL: Limits =
    Limits::new(&["image/png", "image/jpeg", "audio/mpeg", "text/plain", "video/mp4"], 1 << 20);

// Panics inside of foreign decoders are caught where they are called and are no finding; what comes out is.
static QUIET: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let blob = Blob::new(bytes.to_vec().into());
    assert!(blob.width != Some(0) && blob.duration_ms != Some(0));
    if check_now(&blob, &ALL).is_ok() {
        assert!(ALL.mimes.contains(&blob.mime));
    }
    if let Ok(shown) = preview(&blob.bytes, 64, 20_000) {
        assert!(shown.size.0 <= 64 && shown.size.1 <= 64 && shown.jpeg.len() <= 20_000);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = parse(text, Some(Path::new("/home/ann")));
    let name = file_name(text, "4f7k", 2, true, "png");
    assert!(name.len() <= 200 && !name.contains(['/', '\\', '\0']), "{name}");
});
