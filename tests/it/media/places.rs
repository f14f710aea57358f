//! The folders and names of results.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, SystemTime};

use minimax_mcp::download::{folder, prepare};
use minimax_mcp::media::file_name;
use proptest::prelude::*;

use super::world::{House, names};

#[test]
fn a_folder_for_results_lies_below_the_base_or_in_an_allowed_one() {
    let house = House::new();
    let base = house.allowed.parent().unwrap().join("results");
    let find = |requested: Option<&str>| folder(&base, requested, &house.roots);
    assert_eq!(find(None).unwrap(), base);
    assert_eq!(find(Some("./clips//füchse")).unwrap(), base.join("clips").join("füchse"));
    assert_eq!(find(Some(r"clips\2026")).unwrap(), base.join("clips").join("2026"));
    assert_eq!(find(Some(house.allowed.join("new").to_str().unwrap())).unwrap(), house.allowed.join("new"));
    assert_eq!(find(Some("~/Pictures/x")).unwrap(), house.allowed.join("x"));
    assert_eq!(find(Some(base.join("a").to_str().unwrap())).unwrap(), base.join("a"));
    let secret = house.secret.to_str().unwrap();
    let sideways = format!("{}/../private", house.allowed.display());
    let behind = format!("{}/nothing/../../../private", base.display());
    for requested in [
        "..",
        "a/../..",
        r"a\..\..",
        r"\windows",
        "con",
        "a/NUL.txt",
        "com1",
        "LPT9.x",
        "COM¹",
        "a.",
        "a /b",
        "a:b",
        "C:x",
        r"C:\x",
        "a\0b",
        "a*",
        "~",
        "~bob/x",
        secret,
        &sideways,
        &behind,
        "~/private",
        "~/../x",
    ] {
        assert!(find(Some(requested)).is_err(), "{requested}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_below_the_base_does_not_lead_results_out() {
    let house = House::new();
    let base = house.allowed.parent().unwrap().join("results");
    fs::create_dir(&base).unwrap();
    std::os::unix::fs::symlink(&house.secret, base.join("out")).unwrap();
    std::os::unix::fs::symlink(house.secret.join("later"), base.join("dangling")).unwrap();
    std::os::unix::fs::symlink(&house.allowed, base.join("in")).unwrap();
    for requested in ["out", "out/deeper", "dangling", "dangling/x"] {
        folder(&base, Some(requested), &house.roots).unwrap_err();
    }
    assert_eq!(folder(&base, Some("in/x"), &house.roots).unwrap(), house.allowed.join("x"));
}

#[tokio::test]
async fn a_folder_is_created_and_tested_before_anything_is_bought() {
    let all = tempfile::tempdir().unwrap();
    let path = all.path().join("a").join("b");
    prepare(&path).await.unwrap();
    assert_eq!(names(&path), BTreeSet::new());
    let old = SystemTime::now() - Duration::from_hours(48);
    for name in [".minimax-dead.part", ".minimax-alive.part", ".minimax-notes.txt", "my.part"] {
        let file = fs::File::create(path.join(name)).unwrap();
        if !name.contains("alive") {
            file.set_modified(old).unwrap();
        }
    }
    prepare(&path).await.unwrap();
    assert_eq!(
        names(&path),
        [".minimax-alive.part", ".minimax-notes.txt", "my.part"].map(str::to_owned).into()
    );
    fs::write(all.path().join("file"), "").unwrap();
    prepare(&all.path().join("file").join("below")).await.unwrap_err();
}

#[test]
fn names_are_readable_and_the_same_each_time() {
    assert_eq!(file_name("A red fox!", "4f7k2q9m", 2, true, "jpg"), "a-red-fox-4f7k2q9m-2.jpg");
    assert_eq!(file_name("A red fox!", "4f7k2q9m", 1, false, ".MP4"), "a-red-fox-4f7k2q9m.mp4");
    assert_eq!(file_name("ein Fuchs über  Bäche", "x", 1, false, "png"), "ein-fuchs-über-bäche-x.png");
    assert_eq!(file_name("一只红色的狐狸。", "x", 1, false, "png"), "一只红色的狐狸-x.png");
    assert_eq!(file_name("🦊🦊", "x", 1, false, "png"), "x.png");
    assert_eq!(file_name("🦊 fox 🦊", "x", 3, true, "png"), "fox-x-3.png");
    assert_eq!(file_name("", "", 1, false, ""), "file");
    assert_eq!(file_name("con", "", 1, false, "txt"), "file-con.txt");
    assert_eq!(file_name(&"狐".repeat(99), "x", 1, false, "png"), format!("{}-x.png", "狐".repeat(16)));
}

#[test]
fn no_hint_makes_a_name_that_a_system_cannot_hold() {
    let disk = tempfile::tempdir().unwrap();
    let long = "x".repeat(255);
    let hints = [
        "",
        ".",
        "..",
        "...",
        "../../etc/passwd",
        r"..\..\x",
        "/etc/passwd",
        r"C:\con",
        "con",
        "NUL",
        "aux.txt",
        "com1",
        "-rf",
        "--",
        ".hidden",
        "a\0b",
        "a\nb",
        "tab\there",
        "a/b",
        "a:b",
        "a*b?",
        "<>|\"",
        "trailing.",
        "trailing ",
        "🦊",
        "👩‍👩‍👧",
        "e\u{301}",
        "\u{202e}gnp.exe",
        "\u{feff}",
        "İstanbul",
        "ﬀ",
        "ß",
        "שלום",
        "مرحبا",
        "हिन्दी",
        "日本語",
        "%2e%2e%2f",
        "$(rm)",
        "~",
        "~root",
        "\u{7f}",
        "\u{fffd}",
        long.as_str(),
    ];
    for (hint, id, extension) in hints.iter().flat_map(|hint| {
        let ids = ["4f7k", "", "../x", "con", long.as_str(), "🦊"];
        ids.into_iter().flat_map(move |id| {
            ["png", "", "../sh", "PNG ", "🦊"].map(move |extension| (*hint, id, extension))
        })
    }) {
        let name = file_name(hint, id, 7, id.is_empty(), extension);
        assert_eq!(name, file_name(hint, id, 7, id.is_empty(), extension));
        let fine = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        assert!(name.len() <= 200 && name.chars().all(fine), "{name:?}");
        assert!(!name.starts_with(['.', '-']) && !name.ends_with(['.', '-']), "{name:?}");
        let stem = name.split('.').next().unwrap();
        assert!(!["con", "nul", "aux", "prn", "com1"].contains(&stem), "{name:?}");
        fs::write(disk.path().join(&name), "").unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn any_prompt_gives_a_name_that_every_system_can_hold(
        prompt in prop_oneof![any::<String>(), "(con|NUL|aux|com[0-9¹]|[. ~/\\\\:-]|\u{202e}|\u{301}|🦊|é){0,6}"],
        id in prop_oneof![Just(String::new()), any::<String>(), "[a-z0-9]{8}"],
        index in any::<usize>(),
        many in any::<bool>(),
        extension in prop_oneof![Just("png".to_owned()), any::<String>()],
    ) {
        let name = file_name(&prompt, &id, index, many, &extension);
        prop_assert!(!name.is_empty() && name.len() <= 200, "{name:?}");
        // The limit is 255 UTF-16 units on Windows, and 255 bytes on macOS and Linux.
        prop_assert!(name.encode_utf16().count() <= 255);
        prop_assert!(name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')), "{name:?}");
        prop_assert!(!name.starts_with(['.', '-']) && !name.ends_with(['.', ' ', '-']), "{name:?}");
        let stem = name.split('.').next().unwrap().to_lowercase();
        let devices = ["con", "prn", "aux", "nul", "conin", "conout", "clock"];
        prop_assert!(!devices.contains(&stem.as_str()), "{name:?}");
        let numbered = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
        let ports = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³"];
        prop_assert!(numbered.is_none_or(|number| !ports.contains(&number)), "{name:?}");
    }
}
