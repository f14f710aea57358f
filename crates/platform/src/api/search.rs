//! Web search for the subscription plans. MiniMax does not document it, but its own MCP server uses it.

use serde::Deserialize;
use serde_json::json;

use super::exchange::{Beside, CUT};
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
        let body = json!({ "q": query });
        let read = |answer: Answer, beside: &mut Beside| {
            if beside.is_cut {
                return Err(CUT.to_owned());
            }
            if answer.organic.is_none() && answer.related_searches.is_none() {
                return Err("a success without a list of results".to_owned());
            }
            let related =
                answer.related_searches.unwrap_or_default().into_iter().map(|related| related.query);
            Ok(Searched {
                organic: answer.organic.unwrap_or_default(),
                related: related.filter(|query| !query.is_empty()).collect(),
            })
        };
        self.buy(&SEARCH, |request| request.json(&body), read).await
    }
}
