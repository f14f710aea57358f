//! Images, and files at MiniMax.

use serde_json::json;

use super::Row;
use super::text::with;

pub fn rows() -> Vec<Row> {
    [images(), files()].concat()
}

/// "Image Generation".
fn images() -> Vec<Row> {
    let tool = "text_to_image";
    let fox = |more| with(json!({ "prompt": "A fox" }), more);
    let live = |more| with(json!({ "prompt": "A fox", "model": "image-01-live" }), more);
    vec![
        ("image: prompt", tool, json!({ "prompt": "" }), "prompt", "1 to 1500"),
        ("image: prompt", tool, json!({ "prompt": "x".repeat(1501) }), "prompt", "1 to 1500"),
        ("image: n", tool, fox(json!({ "n": 0 })), "n", "1 to 9"),
        ("image: n", tool, fox(json!({ "n": 10 })), "n", "1 to 9"),
        ("image: a pair", tool, fox(json!({ "width": 512 })), "height", "width"),
        ("image: a pair", tool, fox(json!({ "height": 512 })), "width", "height"),
        ("image: width", tool, fox(json!({ "width": 504, "height": 512 })), "width", "512 to 2048"),
        ("image: width", tool, fox(json!({ "width": 2056, "height": 512 })), "width", "512 to 2048"),
        ("image: by 8", tool, fox(json!({ "width": 516, "height": 512 })), "width", "multiple of 8"),
        ("image: by 8", tool, fox(json!({ "width": 512, "height": 1023 })), "height", "multiple of 8"),
        ("image: height", tool, fox(json!({ "width": 512, "height": 504 })), "height", "512 to 2048"),
        ("image: sizes of 01", tool, live(json!({ "width": 512, "height": 512 })), "width", "image-01"),
        (
            "image: one way to say it",
            tool,
            fox(json!({ "width": 512, "height": 512, "aspect_ratio": "1:1" })),
            "aspect_ratio",
            "one of the two",
        ),
        ("image: ratio", tool, fox(json!({ "aspect_ratio": "5:4" })), "aspect_ratio", "21:9"),
        ("image: 21:9 of 01", tool, live(json!({ "aspect_ratio": "21:9" })), "aspect_ratio", "9:16"),
        (
            "image: style of live",
            tool,
            fox(json!({ "style": "comic", "model": "image-01" })),
            "style",
            "image-01-live",
        ),
        ("image: style", tool, live(json!({ "style": "cubist" })), "style", "watercolour"),
        (
            "image: style_weight",
            tool,
            live(json!({ "style": "comic", "style_weight": 0 })),
            "style_weight",
            "1",
        ),
        (
            "image: style_weight",
            tool,
            live(json!({ "style": "comic", "style_weight": 1.1 })),
            "style_weight",
            "1",
        ),
        ("image: weight of a style", tool, live(json!({ "style_weight": 0.5 })), "style_weight", "style"),
        (
            "image: person below 10 MB",
            tool,
            fox(json!({ "subject_reference": "@10mib.png" })),
            "subject_reference",
            "10,485,7",
        ),
        (
            "image: person's type",
            tool,
            fox(json!({ "subject_reference": "@face.gif" })),
            "subject_reference",
            "JPEG or PNG",
        ),
        (
            "image: person's type",
            tool,
            fox(json!({ "subject_reference": "@key.wav" })),
            "subject_reference",
            "JPEG or PNG",
        ),
        (
            "image: one person",
            tool,
            fox(json!({ "subject_reference": ["@face.jpg", "@face.jpg"] })),
            "subject_reference",
            "must be a text",
        ),
        (
            "vision: type",
            "understand_image",
            json!({ "prompt": "x", "image_url": "@face.gif" }),
            "image_url",
            "WebP",
        ),
        (
            "vision: size",
            "understand_image",
            json!({ "prompt": "x", "image_url": "@20mib.png" }),
            "image_url",
            "20,971,520",
        ),
        (
            "vision: question",
            "understand_image",
            json!({ "prompt": " ", "image_url": "@face.jpg" }),
            "prompt",
            "empty",
        ),
    ]
}

/// "File Upload" and the other file endpoints.
fn files() -> Vec<Row> {
    let tool = "upload_file";
    let up = |file: &str, purpose: &str| json!({ "file": file, "purpose": purpose });
    let clip = "video_generation_input";
    vec![
        ("files: purpose", tool, up("@notes.txt", "retrieval"), "purpose", "voice_clone"),
        ("files: purpose", "list_files", json!({ "purpose": "assistants" }), "purpose", "t2a_async_input"),
        (
            "files: purpose",
            "delete_file",
            json!({ "file_id": "1", "purpose": "x" }),
            "purpose",
            "voice_clone",
        ),
        ("files: id", "get_file", json!({ "file_id": "one" }), "file_id", "number"),
        ("files: id", "delete_file", json!({ "file_id": "../1" }), "file_id", "number"),
        ("files: id or link", "download_file", json!({}), "file_id", "url"),
        (
            "files: id or link",
            "download_file",
            json!({ "file_id": "1", "url": "https://example.com/" }),
            "url",
            "one of the two",
        ),
        ("clone source: type", tool, up("@notes.txt", "voice_clone"), "file", "MP3, M4A or WAV"),
        ("clone source: length", tool, up("@9s.wav", "voice_clone"), "file", "10 to 300"),
        ("clone source: size", tool, up("@20mib.wav", "voice_clone"), "file", "20,971,520"),
        ("clone prompt: length", tool, up("@8s.wav", "prompt_audio"), "file", "0 to 7.9"),
        ("clone prompt: size", tool, up("@20mib.wav", "prompt_audio"), "file", "20,971,520"),
        ("long text: length", tool, up("@million.txt", "t2a_async_input"), "file", "999999"),
        ("long text: type", tool, up("@face.jpg", "t2a_async_input"), "file", "text"),
        ("films to see: type", tool, up("@face.jpg", "video_understanding"), "file", "MP4"),
        ("films to see: size", tool, up("@513mib.mp4", "video_understanding"), "file", "the limit is 512 MB"),
        ("inputs: type", tool, up("@notes.txt", clip), "file", "MP4 or MOV"),
        ("inputs: image's sides", tool, up("@255x400.png", clip), "file", "256"),
        ("inputs: image's shape", tool, up("@2600x1000.png", clip), "file", "2.5"),
        ("inputs: image's size", tool, up("@30mib.png", clip), "file", "31,457,280"),
        ("inputs: film's length", tool, up("@16s.mp4", clip), "file", "2 to 15"),
        ("inputs: film's size", tool, up("@50mib.mp4", clip), "file", "52,428,800"),
        ("inputs: sound's length", tool, up("@1s.wav", clip), "file", "2 to 15"),
        ("inputs: sound's size", tool, up("@15mib.wav", clip), "file", "15,728,640"),
    ]
}
