//! Parses media inputs as models write them: a link, a path, a data URI, or the address of a file that MiniMax or an
//! earlier job has.

use std::path::{Path, PathBuf};

use data_url::DataUrl;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::media::input::content::Blob;
use crate::media::input::error::InputProblem;

/// The longest data URI that is decoded. Longer ones would not fit into a request body of 64 MB.
pub const DATA_URI_MAX: usize = 64 * 1024 * 1024;

/// A parsed media input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// An `http` or `https` link, unchanged. Not checked yet: see [`crate::download::Guard::check`].
    Url(String),
    /// The id of a file that was uploaded to MiniMax. [`file_uri`] gives the form for MiniMax.
    Uploaded(u64),
    /// A file that an earlier job made: `minimax://files/{job}/{name}`.
    Made {
        /// The id of the job.
        job: String,
        /// The name of the file, decoded.
        name: String,
    },
    /// The bytes of a data URI, with their real type. Not checked against limits yet: see [`crate::media::check`].
    Data(Blob),
    /// An absolute path on this machine. Not checked yet: see [`crate::media::load`].
    Path(PathBuf),
}

/// Parses a media input. `home` replaces `~`.
///
/// Reads only the text, neither the disk nor the network. Decodes a data URI of at most [`DATA_URI_MAX`] bytes.
pub fn parse(text: &str, home: Option<&Path>) -> Result<Reference, InputProblem> {
    let text = unquoted(text.trim());
    if text.is_empty() {
        return Err(InputProblem::Empty);
    }
    if is_drive(text) {
        return Ok(Reference::Path(PathBuf::from(text)));
    }
    match scheme(text) {
        Some((scheme, rest)) => parse_uri(text, scheme, rest),
        None => parse_path(text, home).map(Reference::Path),
    }
}

/// The text without the quotes that some file managers put around a path they copy.
fn unquoted(text: &str) -> &str {
    let inner = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    ['"', '\''].into_iter().find_map(inner).map_or(text, str::trim)
}

/// Recognises `C:\` and `C:/`, which look like a scheme of one letter.
fn is_drive(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic())
}

/// Splits off the scheme. Not done by the `url` crate, because `mm_file` is not a legal scheme.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '.'));
    let known = ["data", "file", "blob", "http", "https", "mm_file", "minimax"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    (named && (known || rest.starts_with("//"))).then_some((scheme, rest))
}

fn parse_uri(text: &str, scheme: &str, rest: &str) -> Result<Reference, InputProblem> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => match Url::parse(text) {
            Ok(url) if url.has_host() && rest.starts_with("//") => Ok(Reference::Url(text.to_owned())),
            _ => Err(InputProblem::Form { form: "https://host/path" }),
        },
        "data" => parse_data(text).map(Reference::Data),
        "mm_file" => file_id(text)
            .map(Reference::Uploaded)
            .ok_or(InputProblem::Form { form: "mm_file://ID with the number that the upload returned" }),
        "minimax" => parse_made(rest)
            .ok_or(InputProblem::Form { form: "minimax://files/{job}/{name}, as a result shows it" }),
        "file" if rest.starts_with("//") => parse_file_url(text).map(Reference::Path),
        "file" => Err(InputProblem::Form { form: FILE }),
        _ => Err(InputProblem::Scheme { scheme: scheme.to_owned() }),
    }
}

/// Parses the id of a file at MiniMax, given as `297990555456911` or as `mm_file://297990555456911`.
///
/// Only ASCII digits may follow the scheme. MiniMax might ignore other characters there (a sign, a query, a `.0`),
/// and then the ownership check would have seen another id. Leading zeros are dropped.
pub fn file_id(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = match text.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("mm_file") => rest.strip_prefix("//")?,
        _ => text,
    };
    // `parse` would accept a sign.
    let is_number = (1..=64).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

/// The form in which the id of a file is sent to MiniMax.
pub fn file_uri(id: u64) -> String {
    format!("mm_file://{id}")
}

fn parse_made(rest: &str) -> Option<Reference> {
    let (job, name) = rest.strip_prefix("//files/")?.split_once('/')?;
    let name = percent_decode_str(name).decode_utf8().ok()?;
    let plain = !name.is_empty()
        && !matches!(name.as_ref(), "." | "..")
        && !name.contains(|c: char| matches!(c, '/' | '\\') || c.is_control());
    (is_id(job) && plain).then(|| Reference::Made { job: job.to_owned(), name: name.into_owned() })
}

fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= 200
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'))
}

const FILE: &str = "file:///absolute/path";

fn parse_file_url(text: &str) -> Result<PathBuf, InputProblem> {
    let url = Url::parse(text).ok();
    let path = url.and_then(|url| url.to_file_path().ok()).filter(|path| is_clean(path));
    path.ok_or(InputProblem::Form { form: FILE })
}

fn parse_path(text: &str, home: Option<&Path>) -> Result<PathBuf, InputProblem> {
    if is_base64(text) {
        return Err(InputProblem::BareBase64);
    }
    if let Some(rest) = text.strip_prefix("~/").or_else(|| text.strip_prefix("~\\")) {
        let home = home.ok_or(InputProblem::NoHome)?;
        return Ok(home.join(rest.trim_start_matches(['/', '\\'])));
    }
    let path = PathBuf::from(text);
    if path.is_absolute() && is_clean(&path) { Ok(path) } else { Err(InputProblem::Relative) }
}

fn is_clean(path: &Path) -> bool {
    !path.to_string_lossy().contains(char::is_control)
}

/// True for text that only contains base64 characters and is too long for a path. A JPEG in base64 starts with
/// `/9j/`, like an absolute path.
fn is_base64(text: &str) -> bool {
    let letters =
        || text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '\r' | '\n'));
    text.len() >= 64 && (!text.starts_with('/') || text.starts_with("/9j/")) && letters()
}

fn parse_data(text: &str) -> Result<Blob, InputProblem> {
    const FORM: InputProblem =
        InputProblem::Form { form: "data:image/png;base64,... with the whole file in base64" };
    if text.len() > DATA_URI_MAX {
        return Err(InputProblem::TooLarge { bytes: text.len() as u64, limit: DATA_URI_MAX as u64 });
    }
    let uri = DataUrl::process(text).map_err(|_| FORM)?;
    let (bytes, _) = uri.decode_to_vec().map_err(|_| FORM)?;
    if bytes.is_empty() {
        return Err(InputProblem::NoContent);
    }
    let blob = Blob::new(bytes.into());
    let declared = uri.mime_type();
    if !blob.mime.eq_ignore_ascii_case(&format!("{}/{}", declared.type_, declared.subtype)) {
        tracing::debug!(real = blob.mime, "a data URI declares another type than its bytes have");
    }
    Ok(blob)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Addresses of files, and strings that look similar.
    fn near_address() -> impl Strategy<Value = String> {
        let scheme = prop::sample::select(vec![
            "mm_file:", "MM_FILE:", "mm_FILE:", "", "mm_file", "file:", "mm-file:",
        ]);
        let slashes = prop::sample::select(vec!["//", "", "/", "///", "//./", "//x@"]);
        let number = prop_oneof![
            "[0-9]{1,21}",
            "0{1,70}[0-9]{0,20}",
            "[-+ 0-9.eExX_%/?#\\u{0660}-\\u{0669}]{0,12}",
            any::<u64>().prop_map(|id| id.to_string())
        ];
        let edge = prop::sample::select(vec!["", " ", "\t", "\u{a0}", "\u{200b}", "\0", "/", ".0"]);
        (edge.clone(), scheme, slashes, number, edge).prop_map(|(before, scheme, slashes, number, after)| {
            format!("{before}{scheme}{slashes}{number}{after}")
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        /// Whatever a caller writes, only the checked number is sent, and in one form.
        #[test]
        fn the_address_of_a_file_is_read_as_one_number_or_not_at_all(text in near_address()) {
            if let Ok(Reference::Uploaded(id)) = parse(&text, None) {
                let plain = text.trim().get("mm_file://".len()..).unwrap_or_default();
                prop_assert!(plain.bytes().all(|byte| byte.is_ascii_digit()), "{text:?}");
                let shown = id.to_string();
                let digits = plain.trim_start_matches('0');
                prop_assert_eq!(if digits.is_empty() { "0" } else { digits }, shown.as_str());
                prop_assert_eq!(parse(&file_uri(id), None).ok(), Some(Reference::Uploaded(id)));
            }
        }

        #[test]
        fn every_number_has_an_address(id: u64) {
            prop_assert_eq!(file_id(&file_uri(id)), Some(id));
            prop_assert_eq!(file_id(&id.to_string()), Some(id));
        }
    }
}
