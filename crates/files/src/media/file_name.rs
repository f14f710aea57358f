//! Names of files and folders that are legal on every system.

/// The greatest length of the readable part, in bytes.
const SLUG_MAX: usize = 48;
const ID_MAX: usize = 100;
const EXTENSION_MAX: usize = 10;
/// The greatest length of a folder's name, in bytes. Most file systems allow 255.
const COMPONENT_MAX: usize = 200;

/// The prefix of partial files. The dot hides them on Unix.
pub(crate) const PREFIX: &str = ".minimax-";
/// The suffix of partial files.
pub(crate) const SUFFIX: &str = ".part";

/// Prefixes of the program's own files, in any folder: the store, the remains of a damaged store, spools of earlier
/// versions, and all hidden files.
const OWN_STARTS: &[&str] = &[".", "jobs.sqlite", "jobs.lock", "salvage.", "unwritten-"];
/// Extensions of the program's own files.
const OWN_ENDS: &[&str] = &["part", "spool", "sqlite3", "lock"];

/// The file name of a result: description, job id and number, as in `a-red-fox-4f7k2q9m-2.jpg`.
///
/// Keeps letters and digits of any script in lower case, and replaces everything else by dashes. Equal arguments give
/// equal names, so a repeated delivery finds the file of the interrupted one. The name has at most 200 bytes, is not
/// reserved by Windows and is not hidden. `index` counts from 1 and appears only if there are `many` results.
pub fn file_name(hint: &str, id: &str, index: usize, many: bool, extension: &str) -> String {
    let slug = slug(hint, SLUG_MAX);
    let id = slug_of(id, ID_MAX, |c| c.is_ascii_alphanumeric() || c == '_');
    let number = if many { index.to_string() } else { String::new() };
    let parts: Vec<&str> =
        [slug.as_str(), &id, &number].into_iter().filter(|part| !part.is_empty()).collect();
    let stem = match parts.join("-") {
        nothing if nothing.is_empty() => "file".to_owned(),
        device if is_device(&device) => format!("file-{device}"),
        stem => stem,
    };
    let letters = extension.chars().filter(char::is_ascii_alphanumeric);
    let extension: String = letters.map(|c| c.to_ascii_lowercase()).take(EXTENSION_MAX).collect();
    if extension.is_empty() { stem } else { format!("{stem}.{extension}") }
}

/// The first part of the keys of a principal's files: the principal itself, if it is a plain word, or else a hash of it.
pub fn key_of(principal: &str) -> String {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
    if (1..=64).contains(&principal.len()) && principal.bytes().all(is_plain) {
        return principal.to_owned();
    }
    // A plain word has no dot, so it never equals a hash.
    let digest = data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(principal));
    format!("p.{}", digest.get(..32).unwrap_or_default())
}

fn slug(text: &str, max: usize) -> String {
    slug_of(&text.to_lowercase(), max, char::is_alphanumeric)
}

/// Joins words by single dashes. Cuts between characters.
fn slug_of(text: &str, max: usize, keep: impl Fn(char) -> bool) -> String {
    let mut slug = String::new();
    let mut gap = false;
    for c in text.chars() {
        if !keep(c) {
            gap = !slug.is_empty();
            continue;
        }
        let dash = usize::from(gap);
        if slug.len() + dash + c.len_utf8() > max {
            break;
        }
        if gap {
            slug.push('-');
            gap = false;
        }
        slug.push(c);
    }
    slug
}

/// True if the name is legal as one part of a path on every system, has no special meaning there and does not look
/// like another name.
pub(crate) fn is_plain(name: &str) -> bool {
    let forbidden = |c: char| {
        matches!(c, '/' | '\\' | '<' | '>' | ':' | '"' | '|' | '?' | '*') || c.is_control() || is_invisible(c)
    };
    !name.is_empty()
        && name.len() <= COMPONENT_MAX
        && !matches!(name, "." | "..")
        && !name.contains(forbidden)
        && !name.ends_with(['.', ' '])
        && !is_device(name)
}

/// True for invisible characters and characters that change the direction of writing. The joiners of emoji and
/// Persian are allowed.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}'
    ) || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
}

/// True for names such as `CON` and `com1.txt`. In any folder, Windows opens a device under these names.
pub(crate) fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    if matches!(stem.as_str(), "con" | "prn" | "aux" | "nul" | "conin$" | "conout$" | "clock$") {
        return true;
    }
    let number = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    number.is_some_and(|number| {
        let mut digits = number.chars();
        matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    })
}

/// Changes a name that could be one of the program's own files: hidden files, partial files, the store, spools. Names
/// of results come from callers, links and MiniMax, which must not be able to write files that the program reads.
pub(crate) fn apart(stem: &str, extension: &str) -> (String, String) {
    let name = joined(stem, extension).to_lowercase();
    let owned = OWN_STARTS.iter().any(|start| name.starts_with(start));
    let stem = if owned { format!("file-{}", stem.trim_start_matches('.')) } else { stem.to_owned() };
    if OWN_ENDS.iter().any(|end| extension.eq_ignore_ascii_case(end)) {
        return (format!("{stem}-{extension}"), "bin".to_owned());
    }
    (stem, extension.to_owned())
}

/// Splits `fox.jpg` into `fox` and `jpg`. The extension may be empty.
pub(crate) fn split(name: &str) -> (&str, &str) {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, extension),
        _ => (name, ""),
    }
}

/// The inverse of [`split`].
pub(crate) fn joined(stem: &str, extension: &str) -> String {
    if extension.is_empty() { stem.to_owned() } else { format!("{stem}.{extension}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_result_has_the_name_of_a_file_of_the_program() {
        for (stem, extension, becomes) in [
            ("unwritten-x", "jsonl", "file-unwritten-x.jsonl"),
            ("UNWRITTEN-X", "JSONL", "file-UNWRITTEN-X.JSONL"),
            (".minimax-unwritten-x", "jsonl", "file-minimax-unwritten-x.jsonl"),
            (".minimax-abc", "part", "file-minimax-abc-part.bin"),
            ("jobs", "sqlite3", "file-jobs-sqlite3.bin"),
            ("jobs", "sqlite3-wal", "file-jobs.sqlite3-wal"),
            ("jobs", "lock", "file-jobs-lock.bin"),
            ("salvage", "new", "file-salvage.new"),
            ("server-x", "Spool", "server-x-Spool.bin"),
            (".htaccess", "", "file-htaccess"),
            ("fox", "jpg", "fox.jpg"),
            ("jobs", "json", "jobs.json"),
            ("fox.part", "jpg", "fox.part.jpg"),
        ] {
            let (stem, extension) = apart(stem, extension);
            assert_eq!(joined(&stem, &extension), becomes);
        }
    }
}
