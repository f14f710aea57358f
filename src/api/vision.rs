//! Understanding an image, with the endpoint of the subscription plans or with a chat model that has vision.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Client, Endpoint};

const VLM: Endpoint = Endpoint::post("/v1/coding_plan/vlm", 180);
const CHAT: Endpoint = Endpoint::post("/v1/chat/completions", 600);

/// The longest answer about an image, in tokens.
pub const LONGEST_LOOK: u32 = 4096;

/// An image in the form that the endpoints accept.
#[derive(Debug, Clone)]
pub enum Picture {
    /// A data URL with the real MIME type. Links are not passed on for MiniMax to fetch.
    Data(String),
    /// The id of an uploaded file.
    Uploaded(String),
}

/// The answer about an image.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The model's text.
    pub text: String,
    /// Input and output tokens, if the endpoint counts them.
    pub tokens: Option<(u64, u64)>,
    /// `usage`, unchanged.
    pub usage: Option<Value>,
}

impl Client {
    /// Asks the endpoint of the subscription plans (`coding_plan/vlm`).
    pub async fn look(&self, prompt: &str, picture: &Picture) -> Result<Seen, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            content: String,
        }
        let body = match picture {
            Picture::Data(url) => json!({ "prompt": prompt, "image_url": url }),
            Picture::Uploaded(id) => json!({ "prompt": prompt, "file_id": id }),
        };
        let answer: Answer = self.post(&VLM, &body).await?;
        Ok(Seen { text: answer.content, tokens: None, usage: None })
    }

    /// Asks a chat model (OpenAI protocol, not streamed, without thinking).
    pub async fn look_by_chat(&self, model: &str, prompt: &str, picture: &Picture) -> Result<Seen, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            choices: Vec<Choice>,
            usage: Option<Value>,
        }
        #[derive(Deserialize)]
        struct Choice {
            message: Message,
        }
        #[derive(Deserialize)]
        struct Message {
            content: Option<String>,
        }
        let url = match picture {
            Picture::Data(url) => url.clone(),
            Picture::Uploaded(id) => format!("mm_file://{id}"),
        };
        let content = json!([
            { "type": "text", "text": prompt },
            { "type": "image_url", "image_url": { "url": url } },
        ]);
        let body = json!({
            "model": model,
            "messages": [{ "role": "user", "content": content }],
            "thinking": { "type": "disabled" },
            "max_completion_tokens": LONGEST_LOOK,
        });
        let answer: Answer = self.post(&CHAT, &body).await?;
        let text = answer.choices.into_iter().next().and_then(|choice| choice.message.content);
        let text = without_thought(text.as_deref().unwrap_or_default());
        if text.is_empty() {
            let why = "an answer without words".to_owned();
            return Err(ApiError::Shape { path: CHAT.path, why, trace_id: None });
        }
        let count = |name: &str| answer.usage.as_ref()?.get(name)?.as_u64();
        let tokens = count("prompt_tokens").zip(count("completion_tokens"));
        Ok(Seen { text: text.to_owned(), tokens, usage: answer.usage })
    }
}

/// Removes a `<think>` block, which may come although thinking is disabled.
fn without_thought(text: &str) -> &str {
    let text = text.trim_start();
    let rest = text.strip_prefix("<think>").and_then(|thought| thought.split_once("</think>"));
    rest.map_or(text, |(_, rest)| rest).trim()
}
