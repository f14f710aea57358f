//! Lists the text models that a key can use (platform docs > Models).

use serde::Deserialize;

use super::{ApiError, Client, Endpoint};

const MODELS: Endpoint = Endpoint::get("/v1/models");
const ANTHROPIC: Endpoint = Endpoint::get("/anthropic/v1/models");

/// The most pages that are read.
const PAGES: usize = 10;

#[derive(Debug, Deserialize)]
struct Model {
    id: String,
}

impl Client {
    /// The ids of the text models, in MiniMax's order.
    ///
    /// Falls back to the Anthropic list for a host, such as a gateway, that has only the Anthropic protocol.
    pub async fn text_models(&self) -> Result<Vec<String>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            data: Vec<Model>,
        }
        match self.get::<Answer>(&MODELS, &[]).await {
            Err(ApiError::Refused { status: 404 | 405, .. }) => self.anthropic_models().await,
            answer => Ok(answer?.data.into_iter().map(|model| model.id).collect()),
        }
    }

    async fn anthropic_models(&self) -> Result<Vec<String>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            data: Vec<Model>,
            #[serde(default)]
            has_more: bool,
            last_id: Option<String>,
        }
        let mut ids: Vec<String> = Vec::new();
        for _ in 0..PAGES {
            let after = ids.last().cloned();
            let mut query = vec![("limit", "100")];
            query.extend(after.as_deref().map(|id| ("after_id", id)));
            let page: Answer = self.get(&ANTHROPIC, &query).await?;
            let last = page.last_id.or_else(|| page.data.last().map(|model| model.id.clone()));
            ids.extend(page.data.into_iter().map(|model| model.id));
            if !page.has_more || last == after {
                break;
            }
        }
        Ok(ids)
    }
}
