//! Posts small messages to an address that the operator chose.

use std::time::Duration;

use reqwest::redirect::Policy;
use url::Url;

use crate::download::guard::{Guard, Refused};

/// How long posting a message may take in all.
const LIMIT: Duration = Duration::from_secs(10);

/// Posts messages to one address, under the rules of its guard. Follows no redirect.
#[derive(Debug)]
pub struct Poster {
    client: reqwest::Client,
    url: Url,
}

/// Why a message was not taken. The text never contains the address, because its path may contain a token.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// The receiver answered with another status than 2xx.
    #[error("the receiver answered with status {0}")]
    Status(u16),
    /// There was no answer.
    #[error("{0}")]
    NoAnswer(String),
}

impl Poster {
    /// A poster for an address, which may be private if `private` is true. The error is a sentence without a subject.
    pub fn new(url: &Url, private: bool) -> Result<Self, String> {
        let guard = Guard { private, ..Guard::default() };
        guard.check(url.as_str()).map_err(|refused: Refused| refused.to_string())?;
        let client = guard.client_with(Policy::none()).map_err(|error| error.without_url().to_string())?;
        Ok(Self { client, url: url.clone() })
    }

    /// Posts JSON. The message is taken if the receiver answers 2xx within the limit. The body of the answer is not
    /// read.
    pub async fn post(&self, headers: &[(&'static str, String)], json: String) -> Result<(), NotTaken> {
        let request =
            self.client.post(self.url.clone()).timeout(LIMIT).header("content-type", "application/json");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, value.as_str()));
        let answer = request.body(json).send().await;
        let answer = answer.map_err(|error| NotTaken::NoAnswer(said(&error.without_url())))?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(NotTaken::Status(status.as_u16())) }
    }
}

/// The last cause of an error, which says the most.
fn said(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("the receiver did not answer within {} s", LIMIT.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    format!("the receiver cannot be reached: {cause}")
}
