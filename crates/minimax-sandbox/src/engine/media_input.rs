//! Media in requests: a data URL, a link to a file of the sandbox, or an uploaded file. Links to other hosts are accepted
//! without a check and never fetched.

use image::DynamicImage;

use crate::engine::errors::ApiError;
use crate::engine::state::AppState;

const MEGABYTE: usize = 1 << 20;

/// The rules of an endpoint for a media input.
#[derive(Debug)]
pub(crate) struct MediaRules {
    /// Canonical types, see [`canonical`].
    pub types: &'static [&'static str],
    /// The maximum size in bytes.
    pub largest: usize,
    /// For pictures: the minimum of the shorter side and the maximum of the longer side, in pixels.
    pub sides: (u32, u32),
    /// For pictures: the minimum and maximum of width / height.
    pub ratio: (f64, f64),
    /// Whether `mm_file://` is accepted.
    pub uploads: bool,
}

const STILL: &[&str] = &["image/jpeg", "image/png", "image/webp"];

/// "Image to video" > `first_frame_image`: under 20 MB, short edge over 300 px, 2:5 to 5:2.
pub(crate) const FRAME_V1: MediaRules = MediaRules {
    types: STILL,
    largest: 20 * MEGABYTE - 1,
    sides: (301, u32::MAX),
    ratio: (0.4, 2.5),
    uploads: false,
};
/// "Image generation" > `subject_reference`: JPG, PNG, under 10 MB.
pub(crate) const SUBJECT: MediaRules = MediaRules {
    types: &["image/jpeg", "image/png"],
    largest: 10 * MEGABYTE - 1,
    sides: (1, u32::MAX),
    ratio: (0.0, f64::MAX),
    uploads: false,
};
/// "Video templates" > `media_inputs`: under 20 MB.
pub(crate) const TEMPLATE: MediaRules = MediaRules {
    types: STILL,
    largest: 20 * MEGABYTE - 1,
    sides: (1, u32::MAX),
    ratio: (0.0, f64::MAX),
    uploads: false,
};
/// "Video generation V2" > `content`: up to 30 MB, sides 256 to 5760 px, 0.4 to 2.5.
pub(crate) const IMAGE_V2: MediaRules = MediaRules {
    types: &["image/jpeg", "image/png", "image/webp", "image/heif"],
    largest: 30 * MEGABYTE,
    sides: (256, 5760),
    ratio: (0.4, 2.5),
    uploads: true,
};
/// "Video generation V2" > `content`: MP4 and MOV up to 50 MB.
pub(crate) const VIDEO_V2: MediaRules = MediaRules {
    types: &["video/mp4", "video/quicktime"],
    largest: 50 * MEGABYTE,
    sides: (0, u32::MAX),
    ratio: (0.0, f64::MAX),
    uploads: true,
};
/// "Video generation V2" > `content`: WAV and MP3 up to 15 MB.
pub(crate) const AUDIO_V2: MediaRules = MediaRules {
    types: &["audio/wav", "audio/mpeg"],
    largest: 15 * MEGABYTE,
    sides: (0, u32::MAX),
    ratio: (0.0, f64::MAX),
    uploads: true,
};

/// Checks and decodes a picture. `None` if its pixels are not available: a link to another host, or HEIC.
pub(crate) fn picture(
    state: &AppState,
    field: &str,
    url: &str,
    rules: &MediaRules,
) -> Result<Option<DynamicImage>, ApiError> {
    match media(state, field, url, rules)? {
        Some(bytes) => {
            decoded(&bytes, rules).map_err(|problem| ApiError::invalid(format_args!("{field} {problem}")))
        }
        None => Ok(None),
    }
}

/// Checks type and size, and returns the bytes. `None` for a link to another host.
pub(crate) fn media(
    state: &AppState,
    field: &str,
    url: &str,
    rules: &MediaRules,
) -> Result<Option<Vec<u8>>, ApiError> {
    let found = resolve(state, url, rules.uploads).and_then(|bytes| match bytes {
        Some(bytes) => fits(&bytes, rules).map(|()| Some(bytes)),
        None => Ok(None),
    });
    found.map_err(|problem| ApiError::invalid(format_args!("{field} {problem}")))
}

/// Checks bytes against the rules, including the dimensions of pictures.
pub(crate) fn examine(bytes: &[u8], rules: &MediaRules) -> Result<(), String> {
    fits(bytes, rules)?;
    if sniffed(bytes).is_some_and(|kind| kind.starts_with("image/")) {
        decoded(bytes, rules)?;
    }
    Ok(())
}

fn resolve(state: &AppState, url: &str, uploads: bool) -> Result<Option<Vec<u8>>, String> {
    if let Some(data) = url.strip_prefix("data:") {
        return data_url(data).map(Some);
    }
    if let Some(id) = url.strip_prefix("mm_file://") {
        if !uploads {
            return Err("cannot be mm_file:// here".to_owned());
        }
        return uploaded(state, id).map(Some);
    }
    let parsed =
        url::Url::parse(url).map_err(|problem| format!("is neither a URL nor a data URL: {problem}"))?;
    match parsed.scheme() {
        "http" | "https" => local_link(state, &parsed),
        other => Err(format!("has the scheme {other}; it must be http, https or data")),
    }
}

fn data_url(data: &str) -> Result<Vec<u8>, String> {
    let (declared, base64) = data.split_once(";base64,").ok_or("is a data URL without ;base64,")?;
    let bytes = data_encoding::BASE64
        .decode(base64.as_bytes())
        .map_err(|problem| format!("is not valid base64: {problem}"))?;
    let real = sniffed(&bytes).ok_or("is a data URL of no known format")?;
    if canonical(declared) == real {
        Ok(bytes)
    } else {
        Err(format!("is declared as {declared:?} but its bytes are {real}"))
    }
}

fn uploaded(state: &AppState, id: &str) -> Result<Vec<u8>, String> {
    let file = id.parse().ok().and_then(|id| state.store.file(id));
    let file = file.ok_or_else(|| format!("names a file that does not exist: {id}"))?;
    if file.purpose != "video_generation_input" {
        return Err(format!("names a file for {}; it must be for video_generation_input", file.purpose));
    }
    read(state, &file.media)
}

/// The bytes that a link to a sandbox on this machine leads to; an error if the link is invalid. `None` for other links.
fn local_link(state: &AppState, url: &url::Url) -> Result<Option<Vec<u8>>, String> {
    let here = matches!(url.host_str(), Some("127.0.0.1" | "localhost"));
    let Some(name) = url.path().strip_prefix("/cdn/").filter(|_| here) else {
        return Ok(None);
    };
    match state.links.problem(name, url.query().unwrap_or_default()) {
        Some(problem) => Err(format!("cannot be downloaded: {problem}")),
        None => read(state, name).map(Some),
    }
}

fn read(state: &AppState, name: &str) -> Result<Vec<u8>, String> {
    let path = state.store.media(name).ok_or("names no file")?;
    std::fs::read(path).map_err(|problem| format!("cannot be read: {problem}"))
}

fn fits(bytes: &[u8], rules: &MediaRules) -> Result<(), String> {
    let kind = sniffed(bytes).unwrap_or("of no known format");
    if !rules.types.contains(&kind) {
        return Err(format!("is {kind}; it must be one of {}", rules.types.join(", ")));
    }
    if bytes.len() > rules.largest {
        return Err(format!("has {} bytes; the limit is {}", bytes.len(), rules.largest));
    }
    Ok(())
}

fn decoded(bytes: &[u8], rules: &MediaRules) -> Result<Option<DynamicImage>, String> {
    if sniffed(bytes) == Some("image/heif") {
        return Ok(None);
    }
    // Read the dimensions first: a small file can declare a picture larger than memory.
    let size = imagesize::blob_size(bytes).map_err(|problem| format!("is not a picture: {problem}"))?;
    let pixels = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let (width, height) = (pixels(size.width), pixels(size.height));
    let (shortest, longest) = rules.sides;
    if width.min(height) < shortest || width.max(height) > longest.min(20_000) {
        return Err(format!("is {width}x{height} px; sides must be {shortest} to {longest} px"));
    }
    let ratio = f64::from(width) / f64::from(height);
    if ratio < rules.ratio.0 || ratio > rules.ratio.1 {
        return Err(format!(
            "is {width}x{height} px; width / height must be {} to {}",
            rules.ratio.0, rules.ratio.1
        ));
    }
    image::load_from_memory(bytes).map(Some).map_err(|problem| format!("cannot be decoded: {problem}"))
}

/// The media type of the bytes.
pub(crate) fn sniffed(bytes: &[u8]) -> Option<&'static str> {
    infer::get(bytes).map(|kind| canonical(kind.mime_type()))
}

/// One name for types that have several. Only lower case is accepted ("Video generation V2" > `url`).
fn canonical(mime: &str) -> &'static str {
    const NAMES: &[(&str, &[&str])] = &[
        ("image/jpeg", &["image/jpeg", "image/jpg"]),
        ("image/png", &["image/png"]),
        ("image/webp", &["image/webp"]),
        ("image/gif", &["image/gif"]),
        ("image/heif", &["image/heif", "image/heic"]),
        ("video/mp4", &["video/mp4", "video/x-m4v"]),
        ("video/quicktime", &["video/quicktime", "video/mov"]),
        ("video/x-msvideo", &["video/x-msvideo"]),
        ("video/x-matroska", &["video/x-matroska"]),
        ("audio/wav", &["audio/wav", "audio/x-wav", "audio/wave"]),
        ("audio/mpeg", &["audio/mpeg", "audio/mp3"]),
        ("audio/mp4", &["audio/mp4", "audio/m4a", "audio/x-m4a"]),
        ("application/zip", &["application/zip"]),
    ];
    NAMES.iter().find(|(_, names)| names.contains(&mime)).map_or("something else", |(name, _)| name)
}
