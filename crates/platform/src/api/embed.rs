//! Embeddings, which MiniMax no longer documents.

use reqwest::RequestBuilder;
use serde::{Deserialize, Serialize};

use super::exchange::Beside;
use super::{ApiError, Client, Endpoint, or_default};

const EMBEDDINGS: Endpoint = Endpoint::post("/v1/embeddings", 120);

/// The body of `POST /v1/embeddings`.
#[derive(Debug, Clone, Serialize)]
pub struct Embed {
    /// `embo-01`.
    pub model: String,
    /// `db` for texts to be searched, `query` for a search query.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Each text gets one vector.
    pub texts: Vec<String>,
}

/// One vector for each text, in the same order.
#[derive(Debug, Clone, Deserialize)]
pub struct Embedded {
    /// All of the same length.
    pub vectors: Vec<Vec<f64>>,
    /// The billed tokens.
    #[serde(default, deserialize_with = "or_default")]
    pub total_tokens: Option<u64>,
}

impl Client {
    /// Turns texts into vectors.
    pub async fn embed(&self, embed: &Embed) -> Result<Embedded, ApiError> {
        let fill = |request: RequestBuilder| request.json(embed);
        let read = |answer: Embedded, beside: &mut Beside| {
            let lengths = answer.vectors.iter().map(Vec::len);
            let even = lengths.clone().max() == lengths.min();
            if answer.vectors.len() != embed.texts.len() || !even || beside.is_cut {
                return Err(format!("{} vectors for {} texts", answer.vectors.len(), embed.texts.len()));
            }
            Ok(answer)
        };
        self.buy(&EMBEDDINGS, fill, read).await
    }
}
