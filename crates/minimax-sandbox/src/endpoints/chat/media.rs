//! Images and videos in chat messages.

use crate::engine::errors::ApiError;
use crate::engine::media_input::{MediaRules, media};
use crate::engine::state::AppState;

/// "OpenAI API > image_url": JPEG, PNG, GIF, WEBP up to 10 MB.
const IMAGE: MediaRules = MediaRules {
    types: &["image/jpeg", "image/png", "image/gif", "image/webp"],
    largest: 10 << 20,
    sides: (1, u32::MAX),
    ratio: (0.0, f64::MAX),
    uploads: false,
};
/// "OpenAI API > video_url": MP4, AVI, MOV, MKV up to 50 MB by URL or base64.
const VIDEO: MediaRules = MediaRules {
    types: &["video/mp4", "video/x-msvideo", "video/quicktime", "video/x-matroska"],
    largest: 50 << 20,
    sides: (0, u32::MAX),
    ratio: (0.0, f64::MAX),
    uploads: false,
};

/// Describes an image by its dimensions, if its bytes are available.
pub(crate) fn image(state: &AppState, field: &str, url: &str) -> Result<String, ApiError> {
    let Some(bytes) = media(state, field, url, &IMAGE)? else {
        return Ok("an image from elsewhere".to_owned());
    };
    let size = imagesize::blob_size(&bytes);
    let size =
        size.map_err(|problem| ApiError::invalid(format_args!("{field} is not a picture: {problem}")))?;
    Ok(format!("an image of {}x{} pixels", size.width, size.height))
}

/// Describes a video by its size in bytes, if they are available.
pub(crate) fn video(state: &AppState, field: &str, url: &str) -> Result<String, ApiError> {
    if let Some(id) = url.strip_prefix("mm_file://") {
        let file = id.parse().ok().and_then(|id| state.store.file(id));
        return match file {
            Some(file) if file.purpose == "video_understanding" => {
                Ok(format!("a video of {} bytes", file.bytes))
            }
            Some(file) => Err(ApiError::invalid(format_args!(
                "{field} names a file for {}; it must be for video_understanding",
                file.purpose
            ))),
            None => Err(ApiError::invalid(format_args!("{field} names a file that does not exist: {id}"))),
        };
    }
    match media(state, field, url, &VIDEO)? {
        Some(bytes) => Ok(format!("a video of {} bytes", bytes.len())),
        None => Ok("a video from elsewhere".to_owned()),
    }
}
