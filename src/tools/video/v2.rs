//! `generate_video` for the H3 family (platform docs > Video Generation V2).

use crate::api::video_v2::{Content, Extra, MediaUrl, Role, VideoV2Submit};
use crate::facts::Mode;
use crate::jobs::Order;
use crate::mcp::inputs::Takes;
use crate::mcp::{Server, ToolError};
use crate::media::Limits;
use crate::media::units::size;
use crate::telemetry::is_blank;
use crate::tools::video::input::{VideoChoice, VideoInput};

/// Video Generation V2 > content > text.
const PROMPT_LIMIT: usize = 7000;

/// File Upload > purpose.
pub(crate) const UPLOADS: &str = "video_generation_input";

/// Video Generation V2 > content > media limits.
const IMAGE: Takes = Takes {
    limits: Limits {
        min_edge: Some(256),
        max_edge: Some(5760),
        ratio: Some((0.4, 2.5)),
        ..Limits::new(
            &["image/jpeg", "image/png", "image/webp", "image/heic", "image/heif"],
            30 * 1024 * 1024,
        )
    },
    uploads: Some(UPLOADS),
};
const VIDEO: Takes = Takes {
    limits: Limits {
        min_edge: Some(256),
        max_edge: Some(5760),
        ratio: Some((0.4, 2.5)),
        duration_ms: Some((2_000, 15_000)),
        ..Limits::new(&["video/mp4", "video/quicktime"], 50 * 1024 * 1024)
    },
    uploads: Some(UPLOADS),
};
const AUDIO: Takes = Takes {
    limits: Limits {
        duration_ms: Some((2_000, 15_000)),
        ..Limits::new(&["audio/mpeg", "audio/wav"], 15 * 1024 * 1024)
    },
    uploads: Some(UPLOADS),
};

/// Video Generation V2 > guide: files in one request.
const MOST_REFERENCES: usize = 12;

/// Video Generation V2 > content > media limits: seconds of all reference videos, and of all sounds.
const LONGEST: f64 = 15.0;

/// A request body is at most 64 MB. The difference is for everything but media.
const MOST_BYTES: usize = 60 * 1024 * 1024;

/// Builds the request of V2, and reads its media.
pub(crate) async fn request(
    server: &Server,
    input: &VideoInput,
    choice: &VideoChoice,
) -> Result<Box<dyn Order>, ToolError> {
    Ok(Box::new(submit(server, input, choice).await?))
}

/// The body of [`request`].
pub(crate) async fn submit(
    server: &Server,
    input: &VideoInput,
    choice: &VideoChoice,
) -> Result<VideoV2Submit, ToolError> {
    check(input, choice, PROMPT_LIMIT)?;
    let (ratio, callback_url) =
        (ratio(input, choice)?, server.inputs.callback(input.callback_url.as_deref())?);
    let content = content(server, input).await?;
    check_bytes(&content)?;
    Ok(VideoV2Submit {
        model: choice.model.clone(),
        content,
        // The defaults of an unknown model are unknown; MiniMax refuses what it does not accept.
        resolution: choice.resolution.clone().unwrap_or_else(|| "768P".to_owned()),
        duration: choice.duration.unwrap_or(5),
        ratio: Some(ratio),
        extra: input.prompt_expansion.map(|prompt_expansion_mode| Extra { prompt_expansion_mode }),
        callback_url,
        aigc_watermark: input.watermark.then_some(true),
    })
}

/// Prompt and media in the form of V2. Reads the media.
pub(crate) async fn content(server: &Server, input: &VideoInput) -> Result<Vec<Content>, ToolError> {
    check_lengths(server, input).await?;
    let mut content = vec![Content::Text { text: input.prompt.clone().unwrap_or_default() }];
    let frames = [
        ("first_frame_image", &input.first_frame_image, Role::FirstFrame),
        ("last_frame_image", &input.last_frame_image, Role::LastFrame),
    ];
    for (field, text, role) in frames {
        if let Some(text) = text {
            let url = server.inputs.resolve(field, text, &IMAGE, input.is_dry()).await?;
            content.push(Content::ImageUrl { image_url: MediaUrl { url }, role });
        }
    }
    for (index, text) in input.reference_images.iter().flatten().enumerate() {
        let url = server
            .inputs
            .resolve(&format!("reference_images[{index}]"), text, &IMAGE, input.is_dry())
            .await?;
        content.push(Content::ImageUrl { image_url: MediaUrl { url }, role: Role::ReferenceImage });
    }
    for (index, text) in input.reference_videos.iter().flatten().enumerate() {
        let url = server
            .inputs
            .resolve(&format!("reference_videos[{index}]"), text, &VIDEO, input.is_dry())
            .await?;
        content.push(Content::VideoUrl { video_url: MediaUrl { url }, role: Role::ReferenceVideo });
    }
    for (index, text) in input.reference_audios.iter().flatten().enumerate() {
        let url = server
            .inputs
            .resolve(&format!("reference_audios[{index}]"), text, &AUDIO, input.is_dry())
            .await?;
        content.push(Content::AudioUrl { audio_url: MediaUrl { url }, role: Role::ReferenceAudio });
    }
    Ok(content)
}

/// Checks the total length of several videos or sounds, as far as it is known here.
async fn check_lengths(server: &Server, input: &VideoInput) -> Result<(), ToolError> {
    let lists = [
        ("reference_videos", &input.reference_videos, &VIDEO.limits),
        ("reference_audios", &input.reference_audios, &AUDIO.limits),
    ];
    for (field, list, limits) in lists {
        let Some(list) = list.as_ref().filter(|list| list.len() > 1) else { continue };
        let mut all = 0.0;
        for text in list {
            all += server.inputs.length_of(text, limits).await.unwrap_or_default();
        }
        if all > LONGEST {
            let problem = format!("are {all:.1} s long together; at most {LONGEST} s are allowed");
            return Err(ToolError::argument(field, problem));
        }
    }
    Ok(())
}

/// The checks that need no media.
pub(crate) fn check(input: &VideoInput, choice: &VideoChoice, prompt_limit: usize) -> Result<(), ToolError> {
    let prompt = input.prompt.as_deref().unwrap_or_default();
    let length = prompt.chars().count();
    if is_blank(prompt) || length > prompt_limit {
        let problem = format!("has {length} characters; {} needs 1 to {prompt_limit}", choice.model);
        return Err(ToolError::argument("prompt", problem));
    }
    let hailuo_only = [
        ("prompt_optimizer", input.prompt_optimizer.is_some()),
        ("fast_pretreatment", input.fast_pretreatment.is_some()),
    ];
    VideoInput::refuse(&choice.model, &hailuo_only, "only the Hailuo models take it")?;
    let expansion = input.prompt_expansion.is_some() && choice.row.is_some_and(|row| !row.prompt_expansion);
    VideoInput::refuse(&choice.model, &[("prompt_expansion", expansion)], "only MiniMax-H3-Max takes it")?;
    let subject = [("subject_reference", input.subject_reference.is_some())];
    VideoInput::refuse(&choice.model, &subject, "give the face in reference_images")?;
    let count = |list: &Option<Vec<String>>| list.as_ref().map_or(0, Vec::len);
    let (images, videos, audios) =
        (count(&input.reference_images), count(&input.reference_videos), count(&input.reference_audios));
    let lists =
        [("reference_images", images, 9), ("reference_videos", videos, 3), ("reference_audios", audios, 3)];
    if let Some((field, has, most)) = lists.into_iter().find(|(_, has, most)| has > most) {
        return Err(ToolError::argument(field, format!("has {has} items; at most {most} are allowed")));
    }
    if audios > 0 && images + videos == 0 {
        return Err(ToolError::argument(
            "reference_audios",
            "need at least one reference image or video beside them",
        ));
    }
    let all = images + videos + audios;
    if all > MOST_REFERENCES {
        let problem =
            format!("and the other references are {all} files; at most {MOST_REFERENCES} are allowed");
        return Err(ToolError::argument("reference_images", problem));
    }
    Ok(())
}

/// A text needs a ratio, frames have one, and references may go either way (Video Generation V2 > ratio).
fn ratio(input: &VideoInput, choice: &VideoChoice) -> Result<String, ToolError> {
    let adaptive = "adaptive".to_owned();
    let given = input.ratio.clone();
    let explicit = choice.mode == Mode::Reference && choice.row.is_some_and(|row| row.explicit_ratio);
    match (choice.mode, given) {
        (Mode::FirstFrame | Mode::LastFrame, Some(ratio)) if ratio != adaptive => {
            let problem =
                format!("is {ratio}; a video with frames has their shape: leave it out or give adaptive");
            Err(ToolError::argument("ratio", problem))
        }
        (Mode::FirstFrame | Mode::LastFrame, _) => Ok(adaptive),
        (_, Some(ratio)) if ratio == adaptive && (choice.mode == Mode::Text || explicit) => {
            let problem =
                format!("is adaptive; {} needs one of 21:9, 16:9, 4:3, 1:1, 3:4, 9:16 here", choice.model);
            Err(ToolError::argument("ratio", problem))
        }
        (_, Some(ratio)) => Ok(ratio),
        (Mode::Text, None) => Ok("16:9".to_owned()),
        (_, None) if explicit => Ok("16:9".to_owned()),
        (_, None) => Ok(adaptive),
    }
}

/// Checks that the media fit into one request.
pub(crate) fn check_bytes(content: &[Content]) -> Result<(), ToolError> {
    let length = |item: &Content| match item {
        Content::Text { text } => text.len(),
        Content::ImageUrl { image_url: medium, .. }
        | Content::VideoUrl { video_url: medium, .. }
        | Content::AudioUrl { audio_url: medium, .. } => medium.url.len(),
    };
    let all: usize = content.iter().map(length).sum();
    if all > MOST_BYTES {
        let problem = format!(
            "and the other media come to {} in the request; at most {} fit. Give large ones as URLs",
            size(all as u64),
            size(MOST_BYTES as u64)
        );
        return Err(ToolError::argument("reference_videos", problem));
    }
    Ok(())
}
