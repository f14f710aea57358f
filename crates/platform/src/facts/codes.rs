//! The meaning of MiniMax's error codes and HTTP statuses.

use serde::Deserialize;

use super::Facts;

/// The kind of failure that a code stands for. It decides who must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Key, permission or region.
    Auth,
    /// Balance or plan.
    Quota,
    /// An argument.
    Input,
    /// The content was refused.
    Content,
    /// Too many requests. MiniMax did not accept this one.
    Rate,
    /// A fault at MiniMax. Whether it accepted the request is unknown.
    Server,
    /// This program sent a request that MiniMax does not understand.
    Crate,
}

/// A `base_resp.status_code` (platform docs > error codes).
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the columns of a table")]
#[serde(deny_unknown_fields)]
pub struct Code {
    pub code: i64,
    pub meaning: String,
    /// What happened, as the beginning of a sentence.
    #[serde(default)]
    pub what: Option<String>,
    /// If true, the key may be one of another region.
    #[serde(default)]
    pub key: bool,
    pub class: Class,
    pub advice: String,
}

/// The meaning of an HTTP status when the body has no code.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the columns of a table")]
pub struct HttpStatus {
    pub status: u16,
    /// A text that the message must contain, for a status with more than one meaning.
    #[serde(default)]
    pub says: Option<String>,
    /// What happened, as the beginning of a sentence.
    #[serde(default)]
    pub what: Option<String>,
    /// If true, the key may be one of another region.
    #[serde(default)]
    pub key: bool,
    pub class: Class,
    pub advice: String,
}

impl Facts {
    /// The row of a `base_resp` code.
    pub fn code(&self, code: i64) -> Option<&Code> {
        self.codes.iter().find(|row| row.code == code)
    }

    /// Every known `base_resp` code.
    pub fn codes(&self) -> &[Code] {
        &self.codes
    }

    /// The row of an HTTP status, for this message.
    pub fn http(&self, status: u16, message: &str) -> Option<&HttpStatus> {
        let said = |row: &&HttpStatus| row.says.as_ref().is_none_or(|word| message.contains(word.as_str()));
        self.http.iter().filter(|row| row.status == status).find(said)
    }
}
