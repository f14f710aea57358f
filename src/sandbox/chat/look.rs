//! Pictures and films that come with a question.

use super::super::answer::Refusal;
use super::super::input::{Rules, media};
use super::super::platform::Platform;

/// "OpenAI API > image_url": JPEG, PNG, GIF, WEBP up to 10 MB.
const IMAGE: Rules = Rules {
    types: &["image/jpeg", "image/png", "image/gif", "image/webp"],
    largest: 10 << 20,
    sides: (1, u32::MAX),
    ratio: (0.0, f64::MAX),
    uploads: false,
};
/// "OpenAI API > video_url": MP4, AVI, MOV, MKV up to 50 MB by URL or base64.
const VIDEO: Rules = Rules {
    types: &["video/mp4", "video/x-msvideo", "video/quicktime", "video/x-matroska"],
    largest: 50 << 20,
    sides: (0, u32::MAX),
    ratio: (0.0, f64::MAX),
    uploads: false,
};

/// A picture in words: its size, if its bytes are in reach.
pub(super) fn image(platform: &Platform, field: &str, url: &str) -> Result<String, Refusal> {
    let Some(bytes) = media(platform, field, url, &IMAGE)? else {
        return Ok("an image from elsewhere".to_owned());
    };
    let size = imagesize::blob_size(&bytes);
    let size =
        size.map_err(|problem| Refusal::invalid(format_args!("{field} is not a picture: {problem}")))?;
    Ok(format!("an image of {}x{} pixels", size.width, size.height))
}

/// A film in words: its bytes, if they are in reach.
pub(super) fn video(platform: &Platform, field: &str, url: &str) -> Result<String, Refusal> {
    if let Some(id) = url.strip_prefix("mm_file://") {
        let file = id.parse().ok().and_then(|id| platform.store.file(id));
        return match file {
            Some(file) if file.purpose == "video_understanding" => {
                Ok(format!("a video of {} bytes", file.bytes))
            }
            Some(file) => Err(Refusal::invalid(format_args!(
                "{field} names a file for {}; it must be for video_understanding",
                file.purpose
            ))),
            None => Err(Refusal::invalid(format_args!("{field} names a file that does not exist: {id}"))),
        };
    }
    match media(platform, field, url, &VIDEO)? {
        Some(bytes) => Ok(format!("a video of {} bytes", bytes.len())),
        None => Ok("a video from elsewhere".to_owned()),
    }
}
