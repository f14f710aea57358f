//! Understanding an image, with the endpoint of the subscription plans or with a chat model that has vision.

use serde::Deserialize;
use serde_json::{Value, json};

use super::chat::{answer_text, usage_cost};
use super::exchange::{Beside, CUT};
use super::{ApiError, Client, Endpoint, or_default};
use crate::money::Money;
use crate::response::envelope::count;

const VLM: Endpoint = Endpoint::post("/v1/coding_plan/vlm", 180);
static CHAT: Endpoint = Endpoint::post("/v1/chat/completions", 600);

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
    /// The cost that a gateway reports, in US dollars.
    pub cost: Option<Money>,
}

impl Client {
    /// Asks the endpoint of the subscription plans (`coding_plan/vlm`).
    pub async fn look(&self, prompt: &str, picture: &Picture) -> Result<Seen, ApiError> {
        let body = match picture {
            Picture::Data(url) => json!({ "prompt": prompt, "image_url": url }),
            Picture::Uploaded(id) => json!({ "prompt": prompt, "file_id": id }),
        };
        let read = |answer: Value, beside: &mut Beside| {
            let text = ["/content", "/data/content", "/text"]
                .iter()
                .find_map(|place| answer.pointer(place)?.as_str());
            match text.filter(|text| !text.trim().is_empty()) {
                _ if beside.is_cut => Err(CUT.to_owned()),
                Some(text) => Ok(Seen { text: text.to_owned(), tokens: None, usage: None, cost: None }),
                None => Err("an answer without text".to_owned()),
            }
        };
        self.buy(&VLM, |request| request.json(&body), read).await
    }

    /// Asks a chat model (OpenAI protocol, not streamed).
    pub async fn look_by_chat(&self, model: &str, prompt: &str, picture: &Picture) -> Result<Seen, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            choices: Vec<Choice>,
            usage: Option<Value>,
        }
        #[derive(Deserialize)]
        struct Choice {
            message: Message,
            #[serde(default, deserialize_with = "or_default")]
            finish_reason: Option<String>,
        }
        #[derive(Deserialize)]
        struct Message {
            content: Option<String>,
            #[serde(default, deserialize_with = "or_default")]
            reasoning_content: Option<String>,
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
            "max_completion_tokens": LONGEST_LOOK,
        });
        let asked = self.exchange(&CHAT, CHAT.path, |request| request.json(&body));
        let success = self.observed(CHAT.path, asked).await?;
        let reported = success.cost;
        let read = |answer: Answer, beside: &mut Beside| {
            if beside.is_cut {
                return Err(CUT.to_owned());
            }
            let Some(Choice { message, finish_reason }) = answer.choices.into_iter().next() else {
                return Err("an answer without choices".to_owned());
            };
            let thought = message.reasoning_content.unwrap_or_default();
            let text = answer_text(&message.content.unwrap_or_default(), &thought);
            if text.is_empty() {
                return Err(match finish_reason.as_deref() {
                    Some("length") => {
                        format!("max_tokens ({LONGEST_LOOK}) was used up by reasoning, so there is no answer")
                    }
                    _ => "an answer without text".to_owned(),
                });
            }
            let count = |name: &str| count(answer.usage.as_ref()?.get(name)?)?.try_into().ok();
            let tokens = count("prompt_tokens").zip(count("completion_tokens"));
            let cost = reported.or_else(|| usage_cost(answer.usage.as_ref()?));
            Ok(Seen { text, tokens, usage: answer.usage, cost })
        };
        self.bought(CHAT.path, success, read)
    }
}
