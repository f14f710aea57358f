//! Web search of the subscription plans. Not in the public documentation; used by MiniMax's own MCP server.

use serde::Deserialize;
use serde_json::json;

use super::{ApiError, Client, Endpoint};

const SEARCH: Endpoint = Endpoint::post("/v1/coding_plan/search", 60);

/// One page that was found.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those on the wire")]
pub struct Found {
    pub title: String,
    pub link: String,
    pub snippet: String,
    pub date: Option<String>,
}

/// What a search brought.
#[derive(Debug, Clone, Default)]
pub struct Searched {
    /// Best first, at most ten.
    pub organic: Vec<Found>,
    /// Other queries.
    pub related: Vec<String>,
}

impl Client {
    /// Searches the web.
    pub async fn search(&self, query: &str) -> Result<Searched, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            organic: Option<Vec<Found>>,
            related_searches: Option<Vec<Related>>,
        }
        #[derive(Deserialize)]
        struct Related {
            #[serde(default)]
            query: String,
        }
        let answer: Answer = self.post(&SEARCH, &json!({ "q": query })).await?;
        if answer.organic.is_none() && answer.related_searches.is_none() {
            let why = "a success without results, not even an empty list of them".to_owned();
            return Err(ApiError::Shape { path: SEARCH.path, why, trace_id: None });
        }
        let related = answer.related_searches.unwrap_or_default().into_iter().map(|related| related.query);
        Ok(Searched {
            organic: answer.organic.unwrap_or_default(),
            related: related.filter(|query| !query.is_empty()).collect(),
        })
    }
}
