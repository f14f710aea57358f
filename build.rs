//! The list of tools without spaces, and options for the linker, which decide where the code of the program lies and how it
//! is loaded, and nothing else.

use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

/// The list of tools, with a field a line for those who review it.
const LIST: &str = "src/tools/list.json";

/// The functions that a server executes, in the order of their first use. Written by `bench/first_code.py`.
const FIRST: &str = "linker/first.txt";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={LIST}");
    println!("cargo:rerun-if-changed={FIRST}");
    let list = fs::read_to_string(Path::new(&given("CARGO_MANIFEST_DIR")).join(LIST))?;
    fs::write(Path::new(&given("OUT_DIR")).join("list.json"), without_spaces(&list))?;
    if !is_linked_as_usual() {
        return Ok(());
    }
    // The relocations of a program of this size take two megabytes, which every start reads. Packed, they take a tenth.
    if is_known_to_the_c_library() {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // Code that is used lies together, so the rest of the program is not loaded with it. Only a release has these functions.
    let order = Path::new(&given("CARGO_MANIFEST_DIR")).join(FIRST);
    if given("PROFILE") == "release" && order.exists() && has_linker_of_rust() {
        println!("cargo:rustc-link-arg-bins=-Wl,--symbol-ordering-file={}", order.display());
        // Names of another compiler or Cargo.lock mean nothing, and do no harm.
        println!("cargo:rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
    }
    Ok(())
}

/// JSON without the spaces between its values.
fn without_spaces(json: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let keep = |character: &char| {
        let ends = *character == '"' && !escaped;
        escaped = in_text && *character == '\\' && !escaped;
        in_text ^= ends;
        in_text || !character.is_ascii_whitespace()
    };
    json.chars().filter(keep).collect()
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

/// Whether the compiler brings LLD, which it uses by itself then. Compilers of distributions may use another linker, which
/// does not know all options.
fn has_linker_of_rust() -> bool {
    let Ok(output) = Command::new(given("RUSTC")).args(["--print", "sysroot"]).output() else { return false };
    let sysroot = String::from_utf8_lossy(&output.stdout);
    Path::new(sysroot.trim()).join("lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld/ld.lld").exists()
}

/// Whether the C library of this machine can load packed relocations: glibc 2.36 or later. The program needs that version
/// then, as it does for every function that it takes from there.
fn is_known_to_the_c_library() -> bool {
    let Ok(output) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return false };
    let version = String::from_utf8_lossy(&output.stdout);
    let minor = version.trim().strip_prefix("glibc 2.").and_then(|minor| minor.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= 36)
}
