//! Video V1: the modes, lengths and resolutions of each model.

use serde_json::json;

use super::text::with;
use super::{PICTURE, Row};

pub fn rows() -> Vec<Row> {
    [v1(), v1_matrix()].concat()
}

/// "Video Generation": modes and inputs.
fn v1() -> Vec<Row> {
    let tool = "generate_video";
    let first = |file: &str| json!({ "first_frame_image": file });
    let last = |file: &str| json!({ "last_frame_image": file });
    let face = |file: &str| json!({ "prompt": "x", "subject_reference": file });
    vec![
        ("v1: a text needs a prompt", tool, json!({ "model": "hailuo-2.3" }), "prompt", "1 to 2000"),
        ("v1: prompt", tool, json!({ "prompt": "x".repeat(2001) }), "prompt", "1 to 2000"),
        (
            "v1: prompt beside a frame",
            tool,
            with(first(PICTURE), json!({ "prompt": "x".repeat(2001) })),
            "prompt",
            "0 to 2000",
        ),
        ("v1: 300 px is too short", tool, first("@300x400.png"), "first_frame_image", "301"),
        ("v1: 2:5 to 5:2", tool, first("@900x300.png"), "first_frame_image", "301"),
        ("v1: 2:5 to 5:2", tool, first("@2600x1000.png"), "first_frame_image", "2.5"),
        ("v1: below 20 MB", tool, first("@20mib.png"), "first_frame_image", "20,971,519"),
        ("v1: type", tool, first("@face.gif"), "first_frame_image", "JPEG, PNG or WebP"),
        ("v1: last frame", tool, last("@300x400.png"), "last_frame_image", "301"),
        ("v1: last frame", tool, last("@2600x1000.png"), "last_frame_image", "2.5"),
        ("v1: last frame", tool, last("@20mib.png"), "last_frame_image", "20,971,519"),
        ("v1: face", tool, face("@300x400.png"), "subject_reference", "301"),
        ("v1: face", tool, face("@20mib.png"), "subject_reference", "20,971,519"),
        ("v1: face", tool, face("@face.gif"), "subject_reference", "JPEG, PNG or WebP"),
        (
            "v1: exactly one face",
            tool,
            json!({ "prompt": "x", "subject_reference": [PICTURE, PICTURE] }),
            "subject_reference",
            "must be a text",
        ),
        (
            "v1: a face and no frame",
            tool,
            json!({ "subject_reference": PICTURE, "first_frame_image": PICTURE }),
            "subject_reference",
            "reference_images",
        ),
        ("v1: no uploads", tool, first("mm_file://123"), "first_frame_image", "give a URL or a path"),
        (
            "v1: no ratio",
            tool,
            json!({ "prompt": "x", "ratio": "1:1", "model": "hailuo-2.3" }),
            "ratio",
            "H3",
        ),
        (
            "v1: no expansion",
            tool,
            json!({ "prompt": "x", "prompt_expansion": "quality", "model": "hailuo-2.3" }),
            "prompt_expansion",
            "H3",
        ),
        (
            "v1: fast_pretreatment",
            tool,
            json!({ "prompt": "x", "model": "T2V-01", "fast_pretreatment": true }),
            "fast_pretreatment",
            "Hailuo-2.3",
        ),
        (
            "v1: callback",
            tool,
            json!({ "prompt": "x", "callback_url": "http://example.com/" }),
            "callback_url",
            "https",
        ),
        (
            "v1: callback",
            tool,
            json!({ "prompt": "x", "callback_url": "https://10.0.0.1/" }),
            "callback_url",
            "public",
        ),
    ]
}

/// "Video Generation": the modes, lengths and resolutions of each model.
fn v1_matrix() -> Vec<Row> {
    let tool = "generate_video";
    let text = json!({ "prompt": "x" });
    let first = json!({ "first_frame_image": PICTURE });
    let last = json!({ "last_frame_image": PICTURE });
    let face = json!({ "subject_reference": PICTURE });
    let mut rows: Vec<Row> = Vec::new();
    // A mode that a model lacks, and a model that has it.
    for (mode, able, models) in [
        (
            &text,
            "MiniMax-Hailuo-2.3",
            &["MiniMax-Hailuo-2.3-Fast", "I2V-01-Director", "I2V-01-live", "I2V-01", "S2V-01"][..],
        ),
        (&first, "MiniMax-Hailuo-2.3-Fast", &["T2V-01-Director", "T2V-01", "S2V-01"]),
        (
            &last,
            "MiniMax-Hailuo-02",
            &["MiniMax-Hailuo-2.3", "MiniMax-Hailuo-2.3-Fast", "T2V-01", "I2V-01", "I2V-01-live", "S2V-01"],
        ),
        (
            &face,
            "S2V-01",
            &["MiniMax-Hailuo-2.3", "MiniMax-Hailuo-2.3-Fast", "MiniMax-Hailuo-02", "T2V-01", "I2V-01"],
        ),
    ] {
        for model in models {
            let arguments = with(mode.clone(), json!({ "model": model }));
            rows.push(("v1: model and mode", tool, arguments, "model", able));
        }
    }
    // Resolutions that a model lacks, and those that it has.
    for (model, mode, wrong, legal) in [
        ("MiniMax-Hailuo-2.3", &text, "512P", "768P with 6 s or 10 s, 1080P with 6 s"),
        ("MiniMax-Hailuo-2.3", &text, "720P", "768P with 6 s or 10 s, 1080P with 6 s"),
        ("MiniMax-Hailuo-2.3", &first, "512P", "768P with 6 s or 10 s, 1080P with 6 s"),
        ("MiniMax-Hailuo-2.3-Fast", &first, "720P", "768P with 6 s or 10 s, 1080P with 6 s"),
        ("MiniMax-Hailuo-2.3-Fast", &first, "512P", "768P with 6 s or 10 s, 1080P with 6 s"),
        ("MiniMax-Hailuo-02", &text, "512P", "768P with 6 s or 10 s, 1080P with 6 s"),
        ("MiniMax-Hailuo-02", &first, "720P", "512P with 6 s or 10 s"),
        ("MiniMax-Hailuo-02", &last, "512P", "768P with 6 s or 10 s, 1080P with 6 s"),
        ("T2V-01", &text, "768P", "720P with 6 s"),
        ("T2V-01-Director", &text, "1080P", "720P with 6 s"),
        ("I2V-01", &first, "768P", "720P with 6 s"),
        ("I2V-01-live", &first, "512P", "720P with 6 s"),
        ("S2V-01", &face, "1080P", "720P with 6 s"),
    ] {
        let arguments = with(mode.clone(), json!({ "model": model, "resolution": wrong }));
        rows.push(("v1: resolution", tool, arguments, "resolution", legal));
    }
    // Lengths that a resolution does not allow.
    for (model, mode, resolution, wrong, legal) in [
        ("MiniMax-Hailuo-2.3", &text, "1080P", 10, "1080P with 6 s"),
        ("MiniMax-Hailuo-2.3", &text, "768P", 7, "768P with 6 s or 10 s"),
        ("MiniMax-Hailuo-2.3", &first, "1080P", 10, "1080P with 6 s"),
        ("MiniMax-Hailuo-2.3-Fast", &first, "1080P", 10, "1080P with 6 s"),
        ("MiniMax-Hailuo-02", &text, "1080P", 10, "1080P with 6 s"),
        ("MiniMax-Hailuo-02", &first, "512P", 5, "512P with 6 s or 10 s"),
        ("MiniMax-Hailuo-02", &last, "1080P", 10, "1080P with 6 s"),
        ("T2V-01", &text, "720P", 10, "720P with 6 s"),
        ("I2V-01-Director", &first, "720P", 10, "720P with 6 s"),
        ("S2V-01", &face, "720P", 10, "720P with 6 s"),
    ] {
        let arguments =
            with(mode.clone(), json!({ "model": model, "resolution": resolution, "duration": wrong }));
        rows.push(("v1: duration", tool, arguments, "duration", legal));
    }
    rows
}
