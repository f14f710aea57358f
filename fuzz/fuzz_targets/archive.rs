//! The archives that results come in: whatever a header claims, what is read stays within the file.

#![no_main]

use std::io::Write as _;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use minimax_mcp::download::{Archive, Temporary};
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());

fuzz_target!(|bytes: &[u8]| {
    let mut file = Temporary::new().unwrap();
    file.write_all(&checked(bytes)).unwrap();
    RUNTIME.block_on(async {
        let Ok(archive) = Archive::open(file).await else { return };
        assert!(archive.entries().len() <= 1000);
        for entry in archive.entries() {
            assert!(entry.bytes <= bytes.len() as u64 && !entry.stem.contains(['/', '\\']));
            let content = archive.read(entry, 4096).await.unwrap();
            assert!(content.is_none_or(|content| content.len() as u64 == entry.bytes));
        }
    });
});

/// Makes the checksum of each block that could be a header right: no fuzzer finds it by itself.
fn checked(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for block in bytes.chunks_exact_mut(512).filter(|block| block[257..262] == *b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    bytes
}
