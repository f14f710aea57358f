//! Video V2 with prompt enrichment and regeneration, and templates.

use serde_json::{Value, json};

use super::text::with;
use super::{PICTURE, Row};

const FILM: &str = "https://example.com/a.mp4";
const SOUND: &str = "https://example.com/a.mp3";

pub fn rows() -> Vec<Row> {
    [v2(), v2_references(), v2_media(), others(), regeneration()].concat()
}

fn h3(more: Value) -> Value {
    with(json!({ "prompt": "x", "model": "MiniMax-H3" }), more)
}

/// "Video Generation V2": models, sizes, ratios, options.
fn v2() -> Vec<Row> {
    let tool = "generate_video";
    let references = json!({ "reference_images": [PICTURE] });
    let mut rows: Vec<Row> = vec![
        ("v2: prompt", tool, json!({ "model": "h3" }), "prompt", "1 to 7000"),
        ("v2: prompt", tool, json!({ "model": "h3", "prompt": "x".repeat(7001) }), "prompt", "1 to 7000"),
        (
            "v2: a frame needs a prompt too",
            tool,
            json!({ "model": "h3", "first_frame_image": PICTURE }),
            "prompt",
            "1 to 7000",
        ),
        ("v2: duration is an integer", tool, h3(json!({ "duration": 5.5 })), "duration", "whole number"),
        ("v2: a text has a shape", tool, h3(json!({ "ratio": "adaptive" })), "ratio", "21:9"),
        ("v2: ratio", tool, h3(json!({ "ratio": "3:2" })), "ratio", "9:16"),
        (
            "v2: frames have their own",
            tool,
            h3(json!({ "first_frame_image": PICTURE, "ratio": "1:1" })),
            "ratio",
            "adaptive",
        ),
        (
            "v2: frames have their own",
            tool,
            h3(json!({ "last_frame_image": PICTURE, "ratio": "1:1" })),
            "ratio",
            "adaptive",
        ),
        (
            "v2: Lite wants one",
            tool,
            with(references, json!({ "prompt": "x", "model": "MiniMax-H3-Lite", "ratio": "adaptive" })),
            "ratio",
            "21:9",
        ),
        ("v2: no subject", tool, h3(json!({ "subject_reference": PICTURE })), "model", "S2V-01"),
        ("v2: no optimizer", tool, h3(json!({ "prompt_optimizer": true })), "prompt_optimizer", "Hailuo"),
        (
            "v2: no pretreatment",
            tool,
            h3(json!({ "fast_pretreatment": true })),
            "fast_pretreatment",
            "Hailuo",
        ),
        (
            "v2: expansion of Max",
            tool,
            h3(json!({ "prompt_expansion": "quality" })),
            "prompt_expansion",
            "MiniMax-H3-Max",
        ),
        (
            "v2: expansion",
            tool,
            json!({ "prompt": "x", "model": "MiniMax-H3-Max", "prompt_expansion": "much" }),
            "prompt_expansion",
            "balanced",
        ),
        ("v2: callback", tool, h3(json!({ "callback_url": "http://example.com/" })), "callback_url", "https"),
    ];
    for (model, wrong, legal) in [
        ("MiniMax-H3", "480P", "768P with 4-15 s, 2K with 4-15 s"),
        ("MiniMax-H3", "1080P", "768P with 4-15 s, 2K with 4-15 s"),
        ("MiniMax-H3-Max", "2K", "480P with 5-15 s"),
        ("MiniMax-H3-Highspeed", "480P", "768P with 4-15 s"),
        ("MiniMax-H3-Highspeed", "2K", "768P with 4-15 s"),
        ("MiniMax-H3-Lite", "2K", "480P with 4-15 s"),
    ] {
        let arguments = json!({ "prompt": "x", "model": model, "resolution": wrong });
        rows.push(("v2: resolution", tool, arguments, "resolution", legal));
    }
    for (model, wrong, legal) in [
        ("MiniMax-H3", 3, "4-15 s"),
        ("MiniMax-H3", 16, "4-15 s"),
        ("MiniMax-H3-Max", 4, "5-15 s"),
        ("MiniMax-H3-Max", 16, "5-15 s"),
        ("MiniMax-H3-Highspeed", 3, "4-15 s"),
        ("MiniMax-H3-Lite", 3, "4-15 s"),
    ] {
        let arguments = json!({ "prompt": "x", "model": model, "duration": wrong });
        rows.push(("v2: duration", tool, arguments, "duration", legal));
    }
    rows
}

/// "Video Generation V2 > content": allowed combinations and numbers.
fn v2_references() -> Vec<Row> {
    let tool = "generate_video";
    let frames = |more| with(json!({ "prompt": "x", "first_frame_image": PICTURE }), more);
    vec![
        (
            "v2: frames or references",
            tool,
            frames(json!({ "reference_images": [PICTURE] })),
            "reference_images",
            "exclude",
        ),
        (
            "v2: frames or references",
            tool,
            frames(json!({ "reference_videos": [FILM] })),
            "reference_images",
            "exclude",
        ),
        (
            "v2: frames or references",
            tool,
            frames(json!({ "reference_audios": [SOUND] })),
            "reference_images",
            "exclude",
        ),
        (
            "v2: frames or references",
            tool,
            h3(json!({ "last_frame_image": PICTURE, "reference_videos": [FILM] })),
            "reference_images",
            "exclude",
        ),
        (
            "v2: sound goes with sight",
            tool,
            h3(json!({ "reference_audios": [SOUND] })),
            "reference_audios",
            "image or video",
        ),
        (
            "v2: 9 images",
            tool,
            h3(json!({ "reference_images": vec![PICTURE; 10] })),
            "reference_images",
            "at most 9",
        ),
        (
            "v2: 3 videos",
            tool,
            h3(json!({ "reference_videos": vec![FILM; 4] })),
            "reference_videos",
            "at most 3",
        ),
        (
            "v2: 3 sounds",
            tool,
            h3(json!({ "reference_images": [PICTURE], "reference_audios": vec![SOUND; 4] })),
            "reference_audios",
            "at most 3",
        ),
        (
            "v2: 12 files",
            tool,
            h3(
                json!({ "reference_images": vec![PICTURE; 9], "reference_videos": vec![FILM; 3], "reference_audios": [SOUND] }),
            ),
            "reference_images",
            "at most 12",
        ),
        (
            "v2: 15 s of videos",
            tool,
            h3(json!({ "reference_videos": ["@9s.mp4", "@9s.mp4"] })),
            "reference_videos",
            "at most 15 s",
        ),
        (
            "v2: 15 s of sounds",
            tool,
            h3(json!({ "reference_images": [PICTURE], "reference_audios": ["@9s.wav", "@8s.wav"] })),
            "reference_audios",
            "at most 15 s",
        ),
        (
            "v2: one first frame",
            tool,
            h3(json!({ "first_frame_image": [PICTURE, PICTURE] })),
            "first_frame_image",
            "must be a text",
        ),
    ]
}

/// "Video Generation V2 > content": the limits of each file.
fn v2_media() -> Vec<Row> {
    let tool = "generate_video";
    let mut rows: Vec<Row> = Vec::new();
    for (file, legal) in [
        ("@255x400.png", "256"),
        ("@6000x3000.png", "5,760"),
        ("@2600x1000.png", "2.5"),
        ("@30mib.png", "31,457,280"),
        ("@face.gif", "HEIC"),
        ("@key.wav", "HEIC"),
    ] {
        rows.push((
            "v2: first frame",
            tool,
            h3(json!({ "first_frame_image": file })),
            "first_frame_image",
            legal,
        ));
        rows.push((
            "v2: last frame",
            tool,
            h3(json!({ "last_frame_image": file })),
            "last_frame_image",
            legal,
        ));
        let arguments = h3(json!({ "reference_images": [PICTURE, file] }));
        rows.push(("v2: reference image", tool, arguments, "reference_images[1]", legal));
    }
    for (file, legal) in [
        ("@1s.mp4", "2 to 15"),
        ("@16s.mp4", "2 to 15"),
        ("@200x400.mp4", "256"),
        ("@1280x300.mp4", "2.5"),
        ("@50mib.mp4", "52,428,800"),
        ("@face.jpg", "MP4 or MOV"),
    ] {
        let arguments = h3(json!({ "reference_videos": [file] }));
        rows.push(("v2: reference video", tool, arguments, "reference_videos[0]", legal));
    }
    for (file, legal) in [
        ("@1s.wav", "2 to 15"),
        ("@16s.wav", "2 to 15"),
        ("@15mib.wav", "15,728,640"),
        ("@song.flac", "MP3 or WAV"),
    ] {
        let arguments = h3(json!({ "reference_images": [PICTURE], "reference_audios": [file] }));
        rows.push(("v2: reference sound", tool, arguments, "reference_audios[0]", legal));
    }
    rows
}

/// "H3 Context-IR", templates, lists.
fn others() -> Vec<Row> {
    let tool = "enhance_video_prompt";
    let prompt = |more| with(json!({ "prompt": "x" }), more);
    let template = "generate_video_from_template";
    vec![
        ("ir: prompt", tool, json!({ "prompt": "x".repeat(7001) }), "prompt", "1 to 7000"),
        ("ir: model", tool, prompt(json!({ "model": "MiniMax-H3-Max" })), "model", "MiniMax-H3"),
        ("ir: duration", tool, prompt(json!({ "duration": 16 })), "duration", "4 to 15"),
        ("ir: ratio", tool, prompt(json!({ "ratio": "adaptive" })), "ratio", "21:9"),
        ("ir: no resolution", tool, prompt(json!({ "resolution": "2K" })), "resolution", "no parameter"),
        (
            "ir: content",
            tool,
            prompt(json!({ "reference_audios": [SOUND] })),
            "reference_audios",
            "image or video",
        ),
        (
            "ir: content",
            tool,
            prompt(json!({ "reference_videos": ["@1s.mp4"] })),
            "reference_videos[0]",
            "2 to 15",
        ),
        ("template: id", template, json!({ "template_id": "x" }), "template_id", "diving"),
        ("template: picture", template, json!({ "template_id": "diving" }), "media", "image"),
        ("template: words", template, json!({ "template_id": "anime life" }), "texts", "whose life"),
        ("tasks: status", "list_video_tasks", json!({ "status": "done" }), "status", "succeeded"),
        (
            "tasks: id",
            "query_video_generation",
            json!({ "task_id": "../files" }),
            "task_id",
            "letters and digits",
        ),
    ]
}

/// "Video Regeneration".
fn regeneration() -> Vec<Row> {
    let tool = "regenerate_video";
    let base = |file: &str| json!({ "prompt": "x", "video": file });
    vec![
        ("2K: a task or content", tool, json!({}), "job_id", "task_id"),
        ("2K: not both", tool, json!({ "job_id": "video-x", "task_id": "1" }), "task_id", "one of the two"),
        (
            "2K: not both",
            tool,
            json!({ "task_id": "1", "prompt": "x" }),
            "prompt",
            "excludes job_id and task_id",
        ),
        (
            "2K: not both",
            tool,
            json!({ "task_id": "1", "video": FILM }),
            "video",
            "excludes job_id and task_id",
        ),
        ("2K: a base video", tool, json!({ "prompt": "x" }), "video", "768P"),
        (
            "2K: one base video",
            tool,
            json!({ "prompt": "x", "video": [FILM, FILM] }),
            "video",
            "must be a text",
        ),
        ("2K: its prompt", tool, json!({ "video": FILM }), "prompt", "1 to 40000"),
        (
            "2K: its prompt",
            tool,
            json!({ "video": FILM, "prompt": "x".repeat(40_001) }),
            "prompt",
            "1 to 40000",
        ),
        (
            "2K and nothing else",
            tool,
            json!({ "task_id": "1", "resolution": "1080P" }),
            "resolution",
            "no parameter",
        ),
        ("2K: base by 32", tool, base("@odd.mp4"), "video", "32"),
        ("2K: base is large enough", tool, base("@small.mp4"), "video", "589,824"),
        ("2K: base is small enough", tool, base("@large.mp4"), "video", "1,032,192"),
        ("2K: base is long enough", tool, base("@brief.mp4"), "video", "4.4"),
        ("2K: base is short enough", tool, base("@16s.mp4"), "video", "1"),
        ("2K: base is 50 MB at most", tool, base("@50mib.mp4"), "video", "52,428,800"),
        ("2K: base is a film", tool, base("@face.jpg"), "video", "MP4 or MOV"),
        (
            "2K: inputs as before",
            tool,
            with(base("@base.mp4"), json!({ "reference_images": [PICTURE], "first_frame_image": PICTURE })),
            "reference_images",
            "exclude",
        ),
    ]
}
