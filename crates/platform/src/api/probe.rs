//! One request that shows whether a host can be reached and accepts the key.

use std::time::{Duration, SystemTime};

use reqwest::header;
use secrecy::ExposeSecret as _;

use super::exchange::{header_text, retry_after};
use super::{ApiError, Client, USUAL, Unread, read};

/// The list of models, which is free and which every kind of key may read (platform docs > Models).
const PATH: &str = "/v1/models";

/// The answer of a host that was reached.
#[derive(Debug)]
pub struct Probe {
    /// The time that the host's `Date` header gives.
    pub host_time: Option<SystemTime>,
    /// How the host refused the request, if it did.
    pub refusal: Option<ApiError>,
}

impl Client {
    /// Sends one free request, without the queue and without a retry. Without a key it shows whether the host can be
    /// reached.
    pub async fn probe(&self, patience: Duration) -> Result<Probe, ApiError> {
        let request = self.http()?.get(format!("{}{PATH}", self.host)).timeout(patience);
        let request = request.header(header::ACCEPT, "application/json");
        let request = match self.keys.current() {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        };
        let response = request.send().await.map_err(|error| self.lost(PATH, error))?;
        let date = header_text(&response, "date");
        let host_time = date.and_then(|date| httpdate::parse_http_date(&date).ok());
        let (status, trace, pause) =
            (response.status(), header_text(&response, "trace-id"), retry_after(&response));
        let refusal = match read(response, USUAL).await {
            Ok(body) => self.judge(PATH, status, trace, pause, &body).err(),
            Err(Unread::Broken(error, ..)) => return Err(self.lost(PATH, error)),
            Err(Unread::Endless(_)) => {
                let why = format!("the answer is larger than {USUAL} bytes");
                Some(ApiError::Shape { at: self.at(PATH), why, trace_id: trace, answer: None })
            }
        };
        Ok(Probe { host_time, refusal })
    }
}
