//! Why a request to the bucket failed.

use std::error::Error as _;

/// What went wrong. The message is a sentence without a full stop, and names no address and no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketProblem {
    /// The credentials or the policy forbid it.
    #[error("the bucket refuses the request ({0})")]
    Refused(String),
    /// There is no object with this key, or no such upload.
    #[error("the object is not in the bucket")]
    Absent,
    /// There is no such bucket.
    #[error("there is no such bucket")]
    NoBucket,
    /// An object with other content has this key.
    #[error("another object in the bucket has this name")]
    Taken,
    /// The object was replaced since it was written.
    #[error("the object was replaced in the bucket")]
    Replaced,
    /// The server does not answer, or is temporarily unable to.
    #[error("the bucket is not available now ({0})")]
    Away(String),
    /// The settings cannot be used.
    #[error("the bucket cannot be used: {0}")]
    Setting(String),
}

impl From<object_store::Error> for BucketProblem {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error;

        let text = error.to_string();
        let code = code_of(&text);
        // Refused listings are generic errors, so the status is found in their text.
        let status =
            ["403", "401"].into_iter().find(|status| text.contains(&format!("status code: {status}")));
        match &error {
            Error::NotFound { .. } if code.as_deref() == Some("NoSuchBucket") => Self::NoBucket,
            Error::NotFound { .. } => Self::Absent,
            Error::AlreadyExists { .. } => Self::Taken,
            Error::Precondition { .. } => Self::Replaced,
            Error::PermissionDenied { .. } => Self::Refused(code.unwrap_or_else(|| "HTTP 403".to_owned())),
            Error::Unauthenticated { .. } => Self::Refused(code.unwrap_or_else(|| "HTTP 401".to_owned())),
            _ if code.as_deref() == Some("NoSuchBucket") => Self::NoBucket,
            Error::Generic { .. } if status.is_some() => {
                Self::Refused(code.unwrap_or_else(|| format!("HTTP {}", status.unwrap_or_default())))
            }
            error => Self::Away(code.unwrap_or_else(|| reason(error))),
        }
    }
}

/// The code in the XML of an answer: `<Code>SlowDown</Code>`.
fn code_of(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_word = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then(|| code.to_owned())
}

/// The innermost cause, such as "connection refused". The outer causes contain the address.
fn reason(error: &object_store::Error) -> String {
    let text = error.to_string();
    if let Some((_, status)) = text.split_once("status code: ") {
        return format!("HTTP {}", status.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default());
    }
    let mut cause = error.source();
    let mut said = "no answer".to_owned();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !text.contains("://") {
            said = text;
        }
        cause = inner.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_shows_its_code_and_never_the_address() {
        let source = |text: &str| text.to_owned().into();
        let path = "k".to_owned();
        let xml =
            |code: &str| format!("PUT http://h/b/k: <Error><Code>{code}</Code><Message>no</Message></Error>");
        for (error, problem) in [
            (
                object_store::Error::NotFound { path: path.clone(), source: source(&xml("NoSuchBucket")) },
                BucketProblem::NoBucket,
            ),
            (
                object_store::Error::NotFound { path: path.clone(), source: source(&xml("NoSuchKey")) },
                BucketProblem::Absent,
            ),
            (
                object_store::Error::PermissionDenied { path, source: source(&xml("AccessDenied")) },
                BucketProblem::Refused("AccessDenied".to_owned()),
            ),
            (
                object_store::Error::Generic { store: "S3", source: source(&xml("SlowDown")) },
                BucketProblem::Away("SlowDown".to_owned()),
            ),
            (
                object_store::Error::Generic {
                    store: "S3",
                    source: source(&format!(
                        "Server returned non-2xx status code: 403 Forbidden: {}",
                        xml("AccessDenied")
                    )),
                },
                BucketProblem::Refused("AccessDenied".to_owned()),
            ),
            (
                object_store::Error::Generic { store: "S3", source: source("GET http://secret/ failed") },
                BucketProblem::Away("no answer".to_owned()),
            ),
        ] {
            assert_eq!(BucketProblem::from(error), problem);
        }
    }
}
