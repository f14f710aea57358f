//! Options for the linker. They decide how the program is loaded, and nothing else.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The relocations of a program of this size take two megabytes, which every start reads. Packed, they take a tenth.
    if is_linked_as_usual() && is_known_to_the_c_library() {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

#[expect(clippy::disallowed_methods, reason = "not a setting of the program: Cargo sets it")]
fn given(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// Whether the program is linked on this machine for this machine, with the linker that Rust itself uses on Linux.
fn is_linked_as_usual() -> bool {
    let is_chosen = !given("CARGO_ENCODED_RUSTFLAGS").is_empty() || !given("RUSTC_LINKER").is_empty();
    given("TARGET") == "x86_64-unknown-linux-gnu" && given("HOST") == given("TARGET") && !is_chosen
}

/// Whether the C library of this machine can load packed relocations: glibc 2.36 or later. The program needs that version
/// then, as it does for every function that it takes from there.
fn is_known_to_the_c_library() -> bool {
    let Ok(output) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return false };
    let version = String::from_utf8_lossy(&output.stdout);
    let minor = version.trim().strip_prefix("glibc 2.").and_then(|minor| minor.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= 36)
}
