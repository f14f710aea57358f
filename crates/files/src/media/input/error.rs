//! Why a media input cannot be used.

use std::path::PathBuf;

use crate::media::units::above;

/// Why an input cannot be used. Each message is a sentence without its subject, so that the caller can put the name
/// of the argument in front. No message repeats the content of a file.
#[derive(Debug, thiserror::Error)]
pub enum InputProblem {
    /// The input is empty.
    #[error("is empty; {FORMS}")]
    Empty,
    /// A relative path, and no project folder is known.
    #[error("is a relative path, and no project folder is known; give the absolute path")]
    Relative,
    /// Base64 without a data URI.
    #[error(
        "looks like bare base64; write it as a data URI (data:image/png;base64,...) or give an absolute path"
    )]
    BareBase64,
    /// An unknown scheme.
    #[error("starts with `{scheme}:`, which cannot be read here; {FORMS}")]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// A known form with a mistake.
    #[error("is not complete; write it as {form}")]
    Form {
        /// The form, with placeholders.
        form: &'static str,
    },
    /// `~/` on a machine without a known home directory.
    #[error("starts with ~/, and the home directory is not known; give the absolute path")]
    NoHome,
    /// An absolute path of another operating system.
    #[error("{} is not an absolute path on the system that this server runs on", path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
    },
    /// The file is outside the folders that may be read.
    #[error(
        "{} is outside the folders this server may read: {folders}. Copy the file there{}",
        path.display(), or_allow(allow.as_deref())
    )]
    Outside {
        /// The path.
        path: PathBuf,
        /// The folders, separated by commas.
        folders: String,
        /// The line of the client's configuration that would allow it.
        allow: Option<String>,
    },
    /// The file is in an allowed folder, but hidden.
    #[error(
        "{} is hidden by `{part}`, and hidden files and folders are not read: they hold keys and settings. Copy the \
         file elsewhere, or add its own folder to MINIMAX_ALLOWED_DIRS",
        path.display()
    )]
    Hidden {
        /// The path.
        path: PathBuf,
        /// The name that hides it: one with a leading dot, or `Library` or `AppData`.
        part: String,
    },
    /// The file contains a secret.
    #[error(
        "contains what looks like {what} (rule `{rule}`{place}), and nothing of it was sent. Give a file without it. If it \
         is not a secret, change that line"
    )]
    Secret {
        /// The kind of secret with its article, without its content.
        what: &'static str,
        /// The rule that matched.
        rule: &'static str,
        /// The place, with a leading comma. May be empty.
        place: String,
    },
    /// The file does not exist.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// A folder, pipe, socket or device.
    #[error("{} is not an ordinary file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The system refused to read the file.
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The error message of the system.
        reason: String,
    },
    /// The file is empty.
    #[error("has no content (0 bytes)")]
    NoContent,
    /// The file is larger than the endpoint accepts.
    #[error("is {}", above(*bytes, *limit))]
    TooLarge {
        /// The actual size.
        bytes: u64,
        /// The size limit.
        limit: u64,
    },
    /// The endpoint does not accept this type.
    #[error("is {found}; must be {allowed}")]
    Type {
        /// The real type, with an article.
        found: String,
        /// The accepted types.
        allowed: String,
    },
    /// The dimensions, the ratio or the duration are out of range.
    #[error("{measured}; {rule}")]
    Measure {
        /// The actual value.
        measured: String,
        /// The limit.
        rule: String,
    },
    /// The header lacks a value that must be checked.
    #[error("is damaged: its header has no width and height")]
    Damaged,
}

impl InputProblem {
    /// True if the message contains a path on this machine.
    pub fn names_a_path(&self) -> bool {
        matches!(
            self,
            Self::Foreign { .. }
                | Self::Outside { .. }
                | Self::Hidden { .. }
                | Self::Missing { .. }
                | Self::NotAFile { .. }
                | Self::Unreadable { .. }
        )
    }
}

const FORMS: &str = "give an absolute path, an https:// link, a data: URI, mm_file://ID, or the minimax:// URI \
                     of an earlier result";

/// Continues a refusal with the line of configuration that would allow a path.
pub(crate) fn or_allow(line: Option<&str>) -> String {
    line.map(|line| {
        format!(
            ", or let the user allow it: put {line} into the \"env\" of this server in the client's configuration, and \
             restart the server"
        )
    })
    .unwrap_or_default()
}
