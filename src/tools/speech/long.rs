//! Long texts for `text_to_audio`, which MiniMax speaks as a task.

use sha2::{Digest, Sha256};

use crate::api::speech::VoiceSetting;
use crate::api::speech_long::{LongAudio, LongSpeech};
use crate::jobs::SpeechOrder;
use crate::mcp::inputs::{Given, Uploaded};
use crate::mcp::{Server, ToolError};
use crate::media::{self, Blob, Limits, Opened};
use crate::speech::rules::{Characters, check_pauses};
use crate::telemetry::is_blank;
use crate::tools::speech::input::SpeechInput;

/// File upload > t2a_async_input: below 1,000,000 characters.
const FILE_LIMIT: usize = 999_999;
const PURPOSE: &str = "t2a_async_input";
const FILES: Limits = Limits::new(&["text/plain", "application/zip"], 20 * 1024 * 1024);

/// A long text, read and counted.
#[derive(Debug)]
pub(crate) struct LongText {
    inline: Option<String>,
    file_id: Option<i64>,
    content: Option<String>,
    /// A file that has to be uploaded before the order.
    waiting: Option<Opened>,
    /// The billed characters. Unknown for archives and for earlier uploads.
    pub(crate) billed: Option<Characters>,
    /// The beginning of the text, if it could be read.
    pub(crate) beginning: Option<String>,
    /// The job's description.
    pub(crate) prompt: String,
}

impl LongText {
    pub(crate) fn inline(text: &str) -> Self {
        Self {
            inline: Some(text.to_owned()),
            file_id: None,
            content: None,
            waiting: None,
            billed: Some(Characters::of(text)),
            beginning: Some(text.to_owned()),
            prompt: text.to_owned(),
        }
    }

    /// Reads a file. Blocking, because it hashes and counts up to a million characters.
    fn of_file(blob: Blob, name: String) -> Result<Self, ToolError> {
        let wrong = |problem: String| ToolError::argument("text_file", problem);
        let content = Some(data_encoding::HEXLOWER.encode(&Sha256::digest(&blob.bytes)));
        let (billed, prompt, beginning, ending) = if blob.mime == "text/plain" {
            let text = std::str::from_utf8(&blob.bytes).map_err(|error| {
                wrong(format!("is not UTF-8 text: byte {} is none; save it as UTF-8", error.valid_up_to()))
            })?;
            let length = text.chars().count();
            if is_blank(text) || length > FILE_LIMIT {
                return Err(wrong(format!("has {length} characters; it needs 1 to {FILE_LIMIT}")));
            }
            check_pauses("text_file", text)?;
            let beginning: String = text.chars().take(2000).collect();
            (Some(Characters::of(text)), beginning.chars().take(200).collect(), Some(beginning), "txt")
        } else {
            (None, name, None, "zip")
        };
        let waiting = Some(Opened { name: format!("text.{ending}"), ..Opened::of(blob) });
        Ok(Self { inline: None, file_id: None, content, waiting, billed, beginning, prompt })
    }

    /// The order for this text.
    pub(crate) fn order(self, input: &SpeechInput, model: String, voice: VoiceSetting) -> SpeechOrder {
        let submit = LongSpeech {
            model,
            text: self.inline,
            text_file_id: self.file_id,
            voice_setting: VoiceSetting { english_normalization: input.text_normalization, ..voice },
            audio_setting: LongAudio {
                audio_sample_rate: input.rate(true),
                bitrate: input.bitrate(),
                format: input.format,
                channel: input.channel,
            },
            pronunciation_dict: input.pronunciations(),
            language_boost: input.language_boost.clone(),
            voice_modify: input.effects(),
            aigc_watermark: input.watermark(),
        };
        SpeechOrder::Long { submit, subtitles: input.subtitles.format(), content: self.content }
    }
}

/// Reads `text_file`, and counts its characters if that is possible.
pub(super) async fn text_file(server: &Server, given: &str) -> Result<LongText, ToolError> {
    let blob = match server.inputs.load("text_file", given, &FILES).await? {
        Given::Uploaded(id) => {
            let uploaded = Uploaded { file_id: id.to_string(), is_new: false, what: String::new() };
            let file_id = Some(uploaded.number("text_file")?);
            let (content, prompt) = (Some(media::file_uri(id)), format!("upload {id}"));
            return Ok(LongText {
                inline: None,
                file_id,
                content,
                waiting: None,
                billed: None,
                beginning: None,
                prompt,
            });
        }
        Given::Bytes(blob) => blob,
    };
    let name = given.rsplit(['/', '\\']).next().unwrap_or_default().chars().take(200).collect();
    server.inputs.work.on_input("text_file", move || LongText::of_file(blob, name)).await?
}

/// Uploads the file, if there is one. Free.
pub(super) async fn hand_in(server: &Server, text: &mut LongText) -> Result<(), ToolError> {
    if let Some(opened) = text.waiting.take() {
        let file_id = server.inputs.upload_opened(PURPOSE, opened).await?.file_id;
        let uploaded = Uploaded { file_id, is_new: true, what: String::new() };
        text.file_id = Some(uploaded.number("text_file")?);
    }
    Ok(())
}
