//! One order for each tool that buys something.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::voice::wav;

/// A call of a tool that buys something.
#[derive(Clone, Debug)]
pub struct Order {
    pub name: &'static str,
    pub tool: &'static str,
    pub arguments: Value,
    /// The path of the paid request, if the sandbox can hold its response back.
    pub path: Option<&'static str>,
    /// Whether an input is uploaded first.
    pub uploads: bool,
}

impl Order {
    /// Whether the order has an idempotency key. `speak` has none, so a repeated call speaks again.
    pub fn is_keyed(&self) -> bool {
        self.tool != "speak"
    }
}

const PICTURE: &str = "https://example.com/a.png";
const SONG: &str = "https://example.com/song.mp3";

/// A folder for inputs. It is not hidden, because nothing is read from hidden folders.
pub fn inputs() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("inputs-").tempdir().unwrap()
}

/// One order of each kind. Inputs are files in `inputs`.
pub fn orders(inputs: &Path) -> Vec<Order> {
    let talk = wav(&inputs.join("talk.wav"), 40);
    let me = wav(&inputs.join("me.wav"), 12);
    let sentences = |count: usize| "The quick brown fox jumps over the lazy dog. ".repeat(count);
    let book = inputs.join("book.txt");
    fs::write(&book, sentences(20)).unwrap();
    let order = |name, tool, path: &'static str, arguments| Order {
        name,
        tool,
        arguments,
        path: (!path.is_empty()).then_some(path),
        uploads: false,
    };
    let film = "https://example.com/a.mp4";
    vec![
        order(
            "image",
            "text_to_image",
            "/v1/image_generation",
            json!({ "prompt": "A fox", "width": 512, "height": 512 }),
        ),
        order("speech", "text_to_audio", "/v1/t2a_v2", json!({ "text": "Good morning." })),
        order(
            "subtitled",
            "text_to_audio",
            "/v1/t2a_v2",
            json!({ "text": "Good morning.", "subtitles": "srt" }),
        ),
        order(
            "streamed",
            "text_to_audio",
            "/v1/t2a_v2",
            json!({ "text": sentences(67), "speed": 2, "sample_rate": 8000 }),
        ),
        order(
            "long",
            "text_to_audio",
            "/v1/t2a_async_v2",
            json!({ "text": sentences(230), "speed": 2, "sample_rate": 8000 }),
        ),
        Order {
            uploads: true,
            ..order(
                "book",
                "text_to_audio",
                "/v1/t2a_async_v2",
                json!({ "text_file": book.display().to_string() }),
            )
        },
        order("aloud", "speak", "", json!({ "text": "Good morning. How are you?" })),
        order("transcript", "speech_to_text", "/v1/speech_to_text", json!({ "file": talk })),
        Order {
            uploads: true,
            ..order(
                "clone",
                "voice_clone",
                "/v1/voice_clone",
                json!({ "voice_id": "MyVoice001", "file": me, "text": "A gentle breeze." }),
            )
        },
        order(
            "design",
            "voice_design",
            "/v1/voice_design",
            json!({ "prompt": "An old sailor", "preview_text": "Ahoy there." }),
        ),
        order("video", "generate_video", "/v1/video_generation", json!({ "prompt": "A fox" })),
        order(
            "video V2",
            "generate_video",
            "/v2/video_generation",
            json!({ "prompt": "A fox", "model": "h3", "duration": 4, "ratio": "1:1" }),
        ),
        order(
            "template",
            "generate_video_from_template",
            "/v1/video_template_generation",
            json!({ "template_id": "Run for Life", "media": [PICTURE], "texts": ["lion"] }),
        ),
        order(
            "prompt",
            "enhance_video_prompt",
            "/v2/h3_context_ir",
            json!({ "prompt": "A fox", "duration": 8 }),
        ),
        order(
            "again",
            "regenerate_video",
            "/v2/video_regeneration",
            json!({ "prompt": "A fox", "video": film, "first_frame_image": PICTURE }),
        ),
        order(
            "music",
            "music_generation",
            "/v1/music_generation",
            json!({ "prompt": "Indie folk", "lyrics": "[Verse]\nStreetlights glow" }),
        ),
        order(
            "cover",
            "music_generation",
            "/v1/music_generation",
            json!({ "prompt": "Jazz with a warm bass", "reference_audio": SONG }),
        ),
        order(
            "cover with words",
            "music_generation",
            "/v1/music_generation",
            json!({ "prompt": "Jazz with a warm bass", "reference_audio": SONG, "lyrics": "[Verse]\nStreetlights glow" }),
        ),
    ]
}

/// The arguments of an order with an idempotency key.
pub fn keyed(order: &Order, key: &str) -> Value {
    let mut arguments = order.arguments.clone();
    if !order.is_keyed() {
        return arguments;
    }
    arguments["idempotency_key"] = json!(key);
    arguments["wait_seconds"] = json!(240);
    arguments
}
