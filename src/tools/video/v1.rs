//! `generate_video` for Hailuo and the 01 series (platform docs > Video Generation).

use crate::api::video::{SubjectReference, VideoSubmit};
use crate::facts::Mode;
use crate::jobs::Order;
use crate::mcp::inputs::Takes;
use crate::mcp::{Server, ToolError};
use crate::media::Limits;
use crate::tools::video::input::{VideoChoice, VideoInput};

/// Video Generation > prompt.
const PROMPT_LIMIT: usize = 2000;

/// Video Generation > first_frame_image: below 20 MB, short edge above 300 px, 2:5 to 5:2.
const FRAME: Takes = Takes {
    limits: Limits {
        min_edge: Some(301),
        ratio: Some((0.4, 2.5)),
        ..Limits::new(&["image/jpeg", "image/png", "image/webp"], 20 * 1024 * 1024 - 1)
    },
    uploads: None,
};

/// Builds the request of V1, and reads its media.
pub(crate) async fn request(
    server: &Server,
    input: &VideoInput,
    choice: &VideoChoice,
) -> Result<Box<dyn Order>, ToolError> {
    check(input, choice)?;
    let mut submit = VideoSubmit {
        model: choice.model.clone(),
        prompt: input.prompt.clone(),
        first_frame_image: None,
        last_frame_image: None,
        subject_reference: None,
        prompt_optimizer: input.prompt_optimizer,
        fast_pretreatment: input.fast_pretreatment,
        duration: choice.duration,
        resolution: choice.resolution.clone(),
        callback_url: server.inputs.callback(input.callback_url.as_deref())?,
        aigc_watermark: input.watermark.then_some(true),
    };
    if let Some(text) = &input.first_frame_image {
        submit.first_frame_image =
            Some(server.inputs.resolve("first_frame_image", text, &FRAME, input.is_dry()).await?);
    }
    if let Some(text) = &input.last_frame_image {
        submit.last_frame_image =
            Some(server.inputs.resolve("last_frame_image", text, &FRAME, input.is_dry()).await?);
    }
    if let Some(text) = &input.subject_reference {
        let image = vec![server.inputs.resolve("subject_reference", text, &FRAME, input.is_dry()).await?];
        submit.subject_reference = Some(vec![SubjectReference { kind: "character", image }]);
    }
    Ok(Box::new(submit))
}

fn check(input: &VideoInput, choice: &VideoChoice) -> Result<(), ToolError> {
    let length = input.prompt.as_ref().map_or(0, |prompt| prompt.chars().count());
    let needed = choice.mode == Mode::Text;
    if length > PROMPT_LIMIT || (needed && length == 0) {
        let least = u8::from(needed);
        let problem = format!("has {length} characters; {} takes {least} to {PROMPT_LIMIT}", choice.model);
        return Err(ToolError::argument("prompt", problem));
    }
    let h3_only = [("ratio", input.ratio.is_some()), ("prompt_expansion", input.prompt_expansion.is_some())];
    VideoInput::refuse(
        &choice.model,
        &h3_only,
        "the video has the first frame's shape; only the H3 models take it",
    )?;
    let fast = input.fast_pretreatment.is_some() && choice.row.is_some_and(|row| !row.fast_pretreatment);
    VideoInput::refuse(
        &choice.model,
        &[("fast_pretreatment", fast)],
        "only the Hailuo-2.3 and -02 models take it",
    )
}
