//! Interprets a text as a Windows path. It only looks at the text, so it works and can be tested on every system.

use crate::media::file_name;

/// The start of a Windows path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// `C:\`, also after `\\?\`.
    Drive,
    /// `\\host\share`, also after `\\?\UNC\`. Host and share are in lower case. Accessing it sends the user's
    /// credentials to the host.
    Share(String, String),
    /// `\\.\`, `\\?\Volume{…}` or `\??\`, interpreted by a driver.
    Device,
    /// A path that depends on the current folder or drive: `x`, `\x`, `C:x`.
    Relative,
}

/// Parses the start of a path. Both kinds of slash are separators.
pub(crate) fn start(text: &str) -> Start {
    let text = text.replace('/', "\\");
    if let Some(rest) = text.strip_prefix(r"\\?\") {
        return match rest.get(..4).filter(|unc| unc.eq_ignore_ascii_case(r"UNC\")) {
            Some(_) => share(rest.get(4..).unwrap_or_default()),
            None if is_drive(rest) => Start::Drive,
            None => Start::Device,
        };
    }
    if text.starts_with(r"\\.") || text.starts_with(r"\??\") {
        return Start::Device;
    }
    match text.strip_prefix(r"\\") {
        Some(rest) => share(rest),
        None if is_drive(&text) => Start::Drive,
        None => Start::Relative,
    }
}

fn share(rest: &str) -> Start {
    let mut parts = rest.split('\\').map(str::to_lowercase);
    Start::Share(parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

fn is_drive(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, b':', b'\\', ..] if letter.is_ascii_alphabetic())
}

/// True if the path names something other than an ordinary file: a device, which exists in every folder
/// (`C:\x\NUL.png`), or an alternate stream of a file (`cat.png:other`).
pub(crate) fn is_special(text: &str) -> bool {
    let text = text.replace('/', "\\");
    let behind = match start(&text) {
        Start::Device => return true,
        Start::Drive => text.split_once(':').map_or("", |(_, rest)| rest),
        Start::Share(..) | Start::Relative => text.trim_start_matches(r"\\?\"),
    };
    behind.split('\\').any(|part| part.contains(':') || file_name::is_device(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_of_a_windows_path_is_recognised() {
        let shared = |host: &str, share: &str| Start::Share(host.into(), share.into());
        for (text, begins) in [
            (r"C:\Users\ann\cat.png", Start::Drive),
            ("c:/Users/ann/cat.png", Start::Drive),
            (r"\\?\C:\Users\ann\cat.png", Start::Drive),
            ("//?/C:/Users", Start::Drive),
            (r"\\Host\Share\cat.png", shared("host", "share")),
            ("//host/share/cat.png", shared("host", "share")),
            (r"\/host\share", shared("host", "share")),
            (r"\\?\UNC\host\share\cat.png", shared("host", "share")),
            (r"\\?\unc\host\share", shared("host", "share")),
            (r"\\host@SSL\DavWWWRoot\x", shared("host@ssl", "davwwwroot")),
            (r"\\127.0.0.1\c$\x", shared("127.0.0.1", "c$")),
            (r"\\host", shared("host", "")),
            (r"\\.\PhysicalDrive0", Start::Device),
            (r"\\.\pipe\x", Start::Device),
            (r"\\.\C:\x", Start::Device),
            (r"\\?\GLOBALROOT\Device\HarddiskVolume1\x", Start::Device),
            (r"\\?\Volume{0}\x", Start::Device),
            (r"\??\C:\x", Start::Device),
            ("C:x", Start::Relative),
            (r"\x", Start::Relative),
            ("x", Start::Relative),
            ("", Start::Relative),
            (r"\\?\UNÇ\x", Start::Device),
        ] {
            assert_eq!(start(text), begins, "{text}");
        }
    }

    #[test]
    fn devices_and_streams_are_not_files() {
        for special in [
            r"C:\x\NUL",
            r"C:\x\nul.png",
            "C:/x/CON",
            r"C:\x\COM1.txt",
            r"C:\lpt9\x",
            r"C:\x\cat.png:secret",
            r"C:\x\cat.png::$DATA",
            r"\\.\pipe\x",
            r"\\host\share\aux.png",
            r"C:\x\con .png",
            r"\\?\C:\x\PRN",
        ] {
            assert!(is_special(special), "{special}");
        }
        for file in [
            r"C:\x\cat.png",
            r"\\host\share\cat.png",
            r"\\?\C:\x\cat.png",
            "C:/console/nulls.png",
            r"C:\com10.png",
        ] {
            assert!(!is_special(file), "{file}");
        }
    }
}
