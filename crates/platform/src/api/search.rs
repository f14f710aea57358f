//! Web search for the subscription plans. MiniMax does not document it, but its own MCP server uses it.

use serde::Deserialize;
use serde_json::json;

use super::{ApiError, Client, Endpoint, or_default};

const SEARCH: Endpoint = Endpoint::post("/v1/coding_plan/search", 60);

/// One search result.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those on the wire")]
pub struct Found {
    #[serde(deserialize_with = "or_default")]
    pub title: String,
    #[serde(deserialize_with = "or_default")]
    pub link: String,
    #[serde(deserialize_with = "or_default")]
    pub snippet: String,
    #[serde(deserialize_with = "or_default")]
    pub date: Option<String>,
}

/// The results of a search.
#[derive(Debug, Clone, Default)]
pub struct Searched {
    /// Best first, at most ten.
    pub organic: Vec<Found>,
    /// Related queries.
    pub related: Vec<String>,
}

impl Client {
    /// Searches the web.
    pub async fn search(&self, query: &str) -> Result<Searched, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            organic: Option<Vec<Found>>,
            #[serde(default, deserialize_with = "or_default")]
            related_searches: Option<Vec<Related>>,
        }
        #[derive(Default, Deserialize)]
        struct Related {
            #[serde(default, deserialize_with = "or_default")]
            query: String,
        }
        let answer: Answer = self.post(&SEARCH, &json!({ "q": query })).await?;
        if answer.organic.is_none() && answer.related_searches.is_none() {
            let why = "a success without a list of results".to_owned();
            return Err(ApiError::Shape { at: self.at(SEARCH.path), why, trace_id: None });
        }
        let related = answer.related_searches.unwrap_or_default().into_iter().map(|related| related.query);
        Ok(Searched {
            organic: answer.organic.unwrap_or_default(),
            related: related.filter(|query| !query.is_empty()).collect(),
        })
    }
}
