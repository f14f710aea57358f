//! The sandbox against the documentation of MiniMax, over HTTP, with nothing of this crate's client in between.

use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use minimax_mcp::sandbox::{Act, Options, Pace, Rule, Sandbox};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

const KEY: &str = "sk-api-a-key-for-tests";

/// A sandbox and somebody who talks to it.
struct World {
    sandbox: Sandbox,
    client: Client,
}

/// Tasks that are done when they are asked for the first time.
fn at_once() -> Pace {
    Pace { polls: 0, seconds: 0.0, ..Pace::default() }
}

impl World {
    async fn new() -> Self {
        Self::with(Options { pace: at_once(), ..Options::default() }).await
    }

    async fn with(options: Options) -> Self {
        static CRYPTO: Once = Once::new();
        CRYPTO.call_once(|| {
            // It is already there when another test module came first.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        Self { sandbox: Sandbox::start(options).await.unwrap(), client }
    }

    async fn at(dir: &Path) -> Self {
        Self::with(Options { dir: Some(dir.to_owned()), pace: at_once(), ..Options::default() }).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.sandbox.url())).bearer_auth(KEY)
    }

    async fn try_post(&self, path: &str, body: &Value) -> reqwest::Result<Response> {
        self.request(Method::POST, path).json(body).send().await
    }

    /// The status and the body of the answer.
    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        read(self.try_post(path, &body).await.unwrap()).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        read(self.request(Method::GET, path).send().await.unwrap()).await
    }

    /// A link, fetched as it should be: without a key.
    async fn fetch(&self, link: &Value) -> Response {
        self.client.get(link.as_str().unwrap()).send().await.unwrap()
    }

    async fn bytes(&self, link: &Value) -> Vec<u8> {
        let response = self.fetch(link).await;
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap().to_vec()
    }

    fn fault(&self, path: &str, act: Act) {
        self.sandbox.script(vec![Rule::once(path, act)]);
    }

    async fn upload(&self, purpose: &str, name: &str, bytes: Vec<u8>) -> (u16, Value) {
        let part = Part::bytes(bytes).file_name(name.to_owned());
        let form = Form::new().text("purpose", purpose.to_owned()).part("file", part);
        read(self.request(Method::POST, "/v1/files/upload").multipart(form).send().await.unwrap()).await
    }

    /// Refused by a V1 endpoint as invalid, in words that name the field, and not billed.
    async fn refuses(&self, path: &str, body: Value, named: &str) {
        let (status, answer) = self.post(path, body.clone()).await;
        assert_eq!((status, &answer["base_resp"]["status_code"]), (200, &json!(2013)), "{body} got {answer}");
        let message = answer["base_resp"]["status_msg"].as_str().unwrap();
        assert!(message.starts_with("invalid params, ") && message.contains(named), "{body} got {message}");
        assert!(self.sandbox.paid().is_empty(), "{body} was billed");
    }

    /// Refused by a V2 endpoint as invalid.
    async fn refuses_v2(&self, body: Value, named: &str) {
        let (status, answer) = self.post("/v2/video_generation", body.clone()).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(status, 400, "{body} got {answer}");
        assert!(message.contains(named) && message.ends_with("(2013)"), "{body} got {message}");
        assert!(self.sandbox.paid().is_empty(), "{body} was billed");
    }
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// `base` with some fields replaced or added.
fn with(base: &Value, fields: Value) -> Value {
    let mut body = base.clone();
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn data_url(mime: &str, bytes: &[u8]) -> String {
    format!("data:{mime};base64,{}", BASE64.encode(bytes))
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(width, height, image::Rgb([200, 30, 30]))
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

fn picture(width: u32, height: u32) -> String {
    data_url("image/png", &png(width, height))
}

fn four(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn little(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn find(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).position(|window| window == needle).unwrap()
}

/// What an MP4 file says of itself: its length in seconds and the size of its pictures.
fn film(bytes: &[u8]) -> (f64, (u16, u16)) {
    assert_eq!(&bytes[4..8], b"ftyp");
    // Version, flags, two times; then timescale and duration. Version 1 has longer times.
    let head = find(bytes, b"mvhd") + 4;
    let (scale, length) = match bytes[head] {
        0 => (four(bytes, head + 12), f64::from(four(bytes, head + 16))),
        _ => (four(bytes, head + 20), f64::from(four(bytes, head + 28))),
    };
    let entry = find(bytes, b"avc1\0\0\0\0\0\0") + 4;
    let two = |at: usize| u16::from_be_bytes(bytes[at..at + 2].try_into().unwrap());
    (length / f64::from(scale), (two(entry + 24), two(entry + 26)))
}

fn image() -> Value {
    json!({"model": "image-01", "prompt": "a lighthouse"})
}

fn speech() -> Value {
    json!({"model": "speech-2.8-hd", "text": "Good morning, world.", "voice_setting": {"voice_id": "narrator"}})
}

fn video() -> Value {
    json!({"model": "MiniMax-Hailuo-2.3", "prompt": "a glacier"})
}

fn video_v2() -> Value {
    json!({
        "model": "MiniMax-H3-Lite",
        "content": [{"type": "text", "text": "a glacier"}],
        "resolution": "480P",
        "duration": 4,
        "ratio": "1:1",
    })
}

#[tokio::test]
async fn a_picture_has_the_size_of_its_ratio() {
    let world = World::new().await;
    for (ratio, size) in [("1:1", (1024, 1024)), ("21:9", (1344, 576)), ("2:3", (832, 1248))] {
        let (status, answer) =
            world.post("/v1/image_generation", with(&image(), json!({"aspect_ratio": ratio}))).await;
        assert_eq!(status, 200);
        assert_eq!(answer["base_resp"], json!({"status_code": 0, "status_msg": "success"}));
        assert_eq!(answer["metadata"], json!({"failed_count": "0", "success_count": "1"}));
        let response = world.fetch(&answer["data"]["image_urls"][0]).await;
        assert_eq!(response.headers()["content-type"], "image/jpeg");
        let bytes = response.bytes().await.unwrap();
        let picture = image::load_from_memory_with_format(&bytes, image::ImageFormat::Jpeg).unwrap();
        assert_eq!((picture.width(), picture.height()), size);
    }
}

#[tokio::test]
async fn the_same_seed_draws_the_same_picture_and_another_one_does_not() {
    let world = World::new().await;
    let mut drawn = Vec::new();
    for seed in [7, 7, 8] {
        let body =
            with(&image(), json!({"seed": seed, "response_format": "base64", "width": 512, "height": 520}));
        let (_, answer) = world.post("/v1/image_generation", body).await;
        drawn.push(BASE64.decode(answer["data"]["image_base64"][0].as_str().unwrap().as_bytes()).unwrap());
    }
    assert_eq!(image::load_from_memory(&drawn[0]).unwrap().height(), 520);
    assert!(drawn[0] == drawn[1] && drawn[0] != drawn[2]);
}

#[tokio::test]
async fn a_blocked_picture_is_missing_from_the_links() {
    let world = World::new().await;
    let body = with(&image(), json!({"prompt": "three cats #partial", "n": 3}));
    let (_, answer) = world.post("/v1/image_generation", body).await;
    assert_eq!(answer["data"]["image_urls"].as_array().unwrap().len(), 2);
    assert_eq!(answer["metadata"], json!({"failed_count": "1", "success_count": "2"}));
    assert_eq!(answer["base_resp"]["status_code"], 0);
}

#[tokio::test]
async fn a_wrong_picture_request_is_refused_by_the_name_of_the_field() {
    let world = World::new().await;
    let character = |url: &str| json!({"subject_reference": [{"type": "character", "image_file": url}]});
    let style = json!({"style_type": "漫画"});
    for (fields, named) in [
        (json!({"model": "image-02"}), "model"),
        (json!({"prompt": ""}), "prompt"),
        (json!({"prompt": "x".repeat(1501)}), "prompt"),
        (json!({"size": "1024x1024"}), "unknown field size"),
        (json!({"aspect_ratio": "5:4"}), "aspect_ratio"),
        (json!({"n": 10}), "n must be"),
        (json!({"n": "2"}), "n must be"),
        (json!({"seed": 1.5}), "seed"),
        (json!({"prompt_optimizer": null}), "prompt_optimizer"),
        (json!({"width": 512}), "together"),
        (json!({"width": 513, "height": 512}), "multiples of 8"),
        (json!({"style": style}), "style"),
        (
            json!({"model": "image-01-live", "style": {"style_type": "水彩", "style_weight": 0}}),
            "style_weight",
        ),
        (json!({"model": "image-01-live", "width": 512, "height": 512}), "width"),
        (json!({"model": "image-01-live", "aspect_ratio": "21:9"}), "21:9"),
        (json!({"subject_reference": "https://example.com/a.jpg"}), "subject_reference"),
        (json!({"subject_reference": [{"type": "character", "image_url": "x"}]}), "image_url"),
        (character("a.jpg"), "image_file"),
        (character(&data_url("image/jpeg", &png(64, 64))), "its bytes are image/png"),
        (character(&data_url("image/png", &png(64, 64)[..60])), "decoded"),
    ] {
        world.refuses("/v1/image_generation", with(&image(), fields), named).await;
    }
    let good = with(&image(), character(&picture(64, 64)));
    assert_eq!(world.post("/v1/image_generation", good).await.1["base_resp"]["status_code"], 0);
    let live = with(&image(), json!({"model": "image-01-live", "style": style}));
    assert_eq!(world.post("/v1/image_generation", live).await.1["base_resp"]["status_code"], 0);
}

#[tokio::test]
async fn speech_is_mp3_in_hex_and_its_description_is_true() {
    let world = World::new().await;
    let (_, answer) = world.post("/v1/t2a_v2", speech()).await;
    let sound = HEXLOWER.decode(answer["data"]["audio"].as_str().unwrap().as_bytes()).unwrap();
    // MPEG-1 layer III; 128 kbit/s at 32 kHz; mono.
    assert_eq!((sound[0], sound[1] & 0xfe), (0xff, 0xfa));
    assert_eq!((sound[2] & 0xfc, sound[3] >> 6), (0x98, 3));
    let extra = &answer["extra_info"];
    assert_eq!(extra["audio_size"], sound.len());
    assert_eq!(extra["usage_characters"], 20);
    assert_eq!(extra["word_count"], 16);
    assert_eq!((&extra["audio_format"], &extra["bitrate"]), (&json!("mp3"), &json!(128_000)));
    let seconds = extra["audio_length"].as_f64().unwrap() / 1000.0;
    assert!((1.2..1.5).contains(&seconds), "20 letters took {seconds} s");
    let by_size = f64::from(u32::try_from(sound.len()).unwrap()) * 8.0 / 128_000.0;
    assert!((by_size - seconds).abs() < 0.15, "{by_size} s of MP3 for {seconds} s");
    assert_eq!(answer["data"]["status"], 2);
    assert!(answer["trace_id"].is_string());
}

#[tokio::test]
async fn every_format_is_what_it_is_called() {
    let world = World::new().await;
    for (format, magic, rate_at) in [
        ("wav", &b"RIFF"[..], Some(24)),
        ("pcmu_wav", b"RIFF", Some(24)),
        ("flac", b"fLaC", None),
        ("opus", b"OggS", Some(40)),
        ("mp3", b"\xff\xf3", None),
    ] {
        let audio = json!({"audio_setting": {"format": format, "sample_rate": 24_000, "channel": 2}});
        let (_, answer) = world.post("/v1/t2a_v2", with(&speech(), audio)).await;
        let sound = HEXLOWER.decode(answer["data"]["audio"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(&sound[..magic.len()], magic, "{format}");
        if let Some(at) = rate_at {
            assert_eq!(little(&sound, at), 24_000, "{format}");
        }
        assert_eq!(answer["extra_info"]["audio_channel"], 2);
    }
    for (format, frame) in [("pcm", 4), ("pcmu_raw", 2)] {
        let audio = json!({"audio_setting": {"format": format, "sample_rate": 8000, "channel": 2}});
        let (_, answer) = world.post("/v1/t2a_v2", with(&speech(), audio)).await;
        let bytes = answer["data"]["audio"].as_str().unwrap().len() / 2;
        let milliseconds = answer["extra_info"]["audio_length"].as_u64().unwrap();
        assert!((bytes as u64 / frame / 8).abs_diff(milliseconds) <= 1, "{format}");
    }
}

#[tokio::test]
async fn speech_takes_as_long_as_its_text() {
    let world = World::new().await;
    let length = async |text: &str, speed: f64| {
        let body = json!({"text": text, "voice_setting": {"voice_id": "a", "speed": speed}});
        let (_, answer) = world.post("/v1/t2a_v2", with(&speech(), body)).await;
        answer["extra_info"]["audio_length"].as_u64().unwrap()
    };
    let sixty = "a".repeat(60);
    assert_eq!(length(&sixty, 1.0).await, 4000);
    assert_eq!(length(&sixty, 2.0).await, 2000);
    assert_eq!(length(&format!("{sixty}<#1.5#>{sixty}"), 1.0).await, 9500);
    assert_eq!(length("你好你好你", 1.0).await, 1000);
    assert_eq!(length("a", 1.0).await, 300);
}

#[tokio::test]
async fn speech_by_link_comes_with_subtitles() {
    let world = World::new().await;
    let fields = json!({"output_format": "url", "subtitle_enable": true, "text": "One. Two."});
    let (_, answer) = world.post("/v1/t2a_v2", with(&speech(), fields)).await;
    let sound = world.bytes(&answer["data"]["audio"]).await;
    assert_eq!(answer["extra_info"]["audio_size"], sound.len());
    let lines: Value = world.fetch(&answer["data"]["subtitle_file"]).await.json().await.unwrap();
    assert_eq!((&lines[0]["text"], &lines[1]["text"]), (&json!("One."), &json!("Two.")));
    assert_eq!(lines[0]["time_end"], lines[1]["time_begin"]);
    assert_eq!(lines[1]["time_end"], answer["extra_info"]["audio_length"]);
}

#[tokio::test]
async fn streamed_speech_comes_in_pieces_and_once_more_in_whole() {
    let world = World::new().await;
    for (exclude, repeats) in [(false, true), (true, false)] {
        let fields = json!({"stream": true, "stream_options": {"exclude_aggregated_audio": exclude}});
        let response = world.try_post("/v1/t2a_v2", &with(&speech(), fields)).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let text = response.text().await.unwrap();
        let events: Vec<Value> = text
            .split_terminator("\n\n")
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect();
        let (last, pieces) = events.split_last().unwrap();
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece["data"]["status"] == 1));
        let joined: String = pieces.iter().map(|piece| piece["data"]["audio"].as_str().unwrap()).collect();
        assert_eq!(last["data"]["status"], 2);
        assert_eq!(last["data"]["audio"], if repeats { joined.as_str() } else { "" });
        assert_eq!(last["extra_info"]["audio_size"], joined.len() / 2);
    }
}

#[tokio::test]
async fn a_wrong_speech_request_is_refused_by_the_name_of_the_field() {
    let world = World::new().await;
    let voice = |fields: Value| json!({"voice_setting": with(&json!({"voice_id": "a"}), fields)});
    let mix = json!([{"voice_id": "a", "weight": 1}]);
    for (fields, named) in [
        (json!({"model": "speech-3"}), "model"),
        (json!({"text": "x".repeat(10_000)}), "text"),
        (json!({"voice": "a"}), "unknown field voice"),
        (voice(json!({"speed": 2.5})), "voice_setting.speed"),
        (voice(json!({"vol": 0})), "voice_setting.vol"),
        (voice(json!({"pitch": 1.5})), "voice_setting.pitch"),
        (voice(json!({"emotion": "neutral"})), "voice_setting.emotion"),
        (voice(json!({"emotion": "whisper"})), "speech-2.6"),
        (voice(json!({"english_normalization": true})), "english_normalization"),
        (json!({"voice_setting": {}}), "voice_id is required"),
        (json!({"timbre_weights": mix}), "voice_id must be empty"),
        (json!({"timber_weights": mix}), "timber_weights"),
        (json!({"audio_setting": {"sample_rate": 48_000}}), "audio_setting.sample_rate"),
        (json!({"audio_setting": {"bitrate": 128}}), "audio_setting.bitrate"),
        (json!({"audio_setting": {"format": "ogg"}}), "audio_setting.format"),
        (json!({"language_boost": "english"}), "language_boost"),
        (json!({"model": "speech-02-hd", "language_boost": "Tamil"}), "Tamil"),
        (json!({"voice_modify": {"pitch": 5}, "audio_setting": {"format": "opus"}}), "voice_modify"),
        (json!({"stream": true, "audio_setting": {"format": "wav"}}), "wav"),
        (json!({"stream": true, "output_format": "url"}), "output_format"),
        (json!({"text": "a<#100#>b"}), "pause"),
        (json!({"text": "a<#1#><#1#>b"}), "pause"),
        (json!({"text": "a<#1#>"}), "pause"),
    ] {
        world.refuses("/v1/t2a_v2", with(&speech(), fields), named).await;
    }
}

#[tokio::test]
async fn chinese_counts_double_and_invisible_text_is_refused() {
    let world = World::new().await;
    let (_, answer) = world.post("/v1/t2a_v2", with(&speech(), json!({"text": "你好, ok"}))).await;
    assert_eq!(answer["extra_info"]["usage_characters"], 8);
    let (status, answer) =
        world.post("/v1/t2a_v2", with(&speech(), json!({"text": "a\u{200b}\u{200b}b"}))).await;
    assert_eq!((status, &answer["base_resp"]["status_code"]), (200, &json!(1042)));
    assert_eq!(answer.get("data"), Some(&Value::Null));
}

#[tokio::test]
async fn a_video_takes_three_steps() {
    let world = World::with(Options {
        pace: Pace { polls: 3, seconds: 0.0, ..Pace::default() },
        ..Options::default()
    })
    .await;
    let (_, answer) = world.post("/v1/video_generation", video()).await;
    let query = format!("/v1/query/video_generation?task_id={}", answer["task_id"].as_str().unwrap());
    for status in ["Preparing", "Queueing", "Processing"] {
        let (_, task) = world.get(&query).await;
        assert_eq!((&task["status"], &task["file_id"]), (&json!(status), &json!("")));
        assert_eq!(task["base_resp"]["status_code"], 0);
    }
    let (_, task) = world.get(&query).await;
    assert_eq!(task["status"], "Success");
    assert_eq!((&task["video_width"], &task["video_height"]), (&json!(1366), &json!(768)));
    // A string here and a number there, and more than a floating point number can hold.
    let id = task["file_id"].as_str().unwrap();
    let (_, first) = world.get(&format!("/v1/files/retrieve?file_id={id}")).await;
    assert_eq!(first["file"]["file_id"], id.parse::<i64>().unwrap());
    assert!(first["file"]["file_id"].as_i64().unwrap() > 1 << 53);
    assert_eq!(film(&world.bytes(&first["file"]["download_url"]).await), (6.0, (1366, 768)));
}

#[tokio::test]
async fn a_video_is_as_long_as_asked_and_shaped_like_its_first_frame() {
    let world = World::new().await;
    let shown = async |fields: Value| {
        let (_, answer) = world.post("/v1/video_generation", with(&video(), fields)).await;
        let id = answer["task_id"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let (_, task) = world.get(&format!("/v1/query/video_generation?task_id={id}")).await;
        let (_, file) =
            world.get(&format!("/v1/files/retrieve?file_id={}", task["file_id"].as_str().unwrap())).await;
        film(&world.bytes(&file["file"]["download_url"]).await)
    };
    assert_eq!(shown(json!({"duration": 10})).await, (10.0, (1366, 768)));
    let framed =
        json!({"model": "MiniMax-Hailuo-02", "resolution": "512P", "first_frame_image": picture(400, 600)});
    assert_eq!(shown(framed).await, (6.0, (512, 768)));
    // A picture of ours by its link: it is fetched from the sandbox itself.
    let (_, drawn) = world.post("/v1/image_generation", with(&image(), json!({"aspect_ratio": "4:3"}))).await;
    let link = &drawn["data"]["image_urls"][0];
    let last = json!({"model": "MiniMax-Hailuo-02", "first_frame_image": link, "last_frame_image": picture(400, 400)});
    assert_eq!(shown(last).await, (6.0, (1024, 768)));
    let subject = json!([{"type": "character", "image": [picture(400, 400)]}]);
    assert_eq!(shown(json!({"model": "S2V-01", "subject_reference": subject})).await, (6.0, (1280, 720)));
}

#[tokio::test]
async fn what_a_video_model_does_not_offer_is_refused() {
    let world = World::new().await;
    let frame = picture(400, 400);
    for (fields, named) in [
        (json!({"model": "MiniMax-Hailuo-03"}), "model"),
        (json!({"model": "MiniMax-Hailuo-2.3-Fast"}), "first_frame_image"),
        (json!({"model": "I2V-01"}), "first_frame_image"),
        (json!({"model": "S2V-01"}), "subject_reference"),
        (json!({"model": "T2V-01", "first_frame_image": frame}), "no image"),
        (json!({"last_frame_image": frame}), "last_frame_image"),
        (json!({"prompt": " "}), "prompt"),
        (json!({"prompt": "x".repeat(2001)}), "prompt"),
        (json!({"resolution": "1080P", "duration": 10}), "duration"),
        (json!({"duration": 7}), "duration"),
        (json!({"duration": "6"}), "duration"),
        (json!({"resolution": "768p"}), "resolution"),
        (json!({"resolution": "512P"}), "resolution"),
        (json!({"model": "T2V-01", "resolution": "768P"}), "resolution"),
        (json!({"model": "T2V-01", "fast_pretreatment": true}), "fast_pretreatment"),
        (
            json!({"model": "MiniMax-Hailuo-02", "resolution": "512P", "first_frame_image": frame, "last_frame_image": frame}),
            "resolution",
        ),
        (json!({"first_frame_image": picture(300, 400)}), "first_frame_image"),
        (json!({"first_frame_image": picture(1000, 310)}), "first_frame_image"),
        (json!({"first_frame_image": "mm_file://1"}), "mm_file"),
    ] {
        world.refuses("/v1/video_generation", with(&video(), fields), named).await;
    }
    let (_, answer) = world.get("/v1/query/video_generation?task_id=1").await;
    assert_eq!(answer["base_resp"]["status_code"], 2013);
}

#[tokio::test]
async fn a_task_can_fail_after_it_was_accepted() {
    let world = World::new().await;
    let (_, answer) =
        world.post("/v1/video_generation", with(&video(), json!({"prompt": "#failtask"}))).await;
    let (_, task) = world
        .get(&format!("/v1/query/video_generation?task_id={}", answer["task_id"].as_str().unwrap()))
        .await;
    assert_eq!((&task["status"], &task["base_resp"]["status_code"]), (&json!("Fail"), &json!(1027)));
    let content = json!([{"type": "text", "text": "#failtask"}]);
    let (_, answer) =
        world.post("/v2/video_generation", with(&video_v2(), json!({"content": content}))).await;
    let (_, task) =
        world.get(&format!("/v2/query/video_generation/{}", answer["task_id"].as_str().unwrap())).await;
    assert_eq!((&task["task"]["status"], &task["task"]["error"]["code"]), (&json!("failed"), &json!("1027")));
}

#[tokio::test]
async fn a_template_needs_its_inputs_and_gives_a_link() {
    let world = World::new().await;
    let survival = json!({"template_id": "393769180141805569", "text_inputs": [{"value": "lion"}]});
    world.refuses("/v1/video_template_generation", survival.clone(), "media_inputs").await;
    world.refuses("/v1/video_template_generation", json!({"template_id": "lions"}), "template_id").await;
    let body = with(&survival, json!({"media_inputs": [{"value": picture(400, 300)}]}));
    let (_, answer) = world.post("/v1/video_template_generation", body).await;
    let id = answer["task_id"].as_str().unwrap();
    let (_, task) = world.get(&format!("/v1/query/video_template_generation?task_id={id}")).await;
    assert_eq!(task["status"], "Success");
    assert_eq!(film(&world.bytes(&task["video_url"]).await), (6.0, (1280, 720)));
    let (_, elsewhere) = world.get(&format!("/v1/query/video_generation?task_id={id}")).await;
    assert_eq!(elsewhere["base_resp"]["status_code"], 2013, "it is no task of another endpoint");
}

#[tokio::test]
async fn a_v2_video_is_queued_then_running_then_there() {
    let world = World::with(Options {
        pace: Pace { polls: 2, seconds: 0.0, ..Pace::default() },
        ..Options::default()
    })
    .await;
    let (status, answer) =
        world.post("/v2/video_generation", with(&video_v2(), json!({"duration": 5}))).await;
    assert_eq!((status, answer.as_object().unwrap().len()), (200, 1), "only a task_id: {answer}");
    let path = format!("/v2/query/video_generation/{}", answer["task_id"].as_str().unwrap());
    for status in ["queued", "running"] {
        let (_, answer) = world.get(&path).await;
        assert_eq!((&answer["task"]["status"], &answer["task"]["usage"]), (&json!(status), &json!({})));
        assert_eq!(answer["task"].get("content"), None);
    }
    let (_, answer) = world.get(&path).await;
    let task = &answer["task"];
    assert_eq!(
        (&task["status"], &task["duration"], &task["ratio"]),
        (&json!("succeeded"), &json!(5), &json!("1:1"))
    );
    assert_eq!(task["usage"]["output_seconds"], 5);
    let bytes = world.bytes(&task["content"]["url"]).await;
    let (seconds, size) = film(&bytes);
    assert_eq!(size, (480, 480));
    assert!((seconds - 124.0 / 24.0).abs() < 0.002, "5 s become 124 frames, not {seconds} s");
    find(&bytes, b"mp4a");
}

#[tokio::test]
async fn what_a_v2_model_does_not_offer_is_refused() {
    let world = World::new().await;
    let (words, frame) = (json!({"type": "text", "text": "x"}), picture(400, 400));
    let item = |role: &str| json!({"type": "image_url", "image_url": {"url": frame}, "role": role});
    let sound = json!({"type": "audio_url", "audio_url": {"url": "https://example.com/a.mp3"}, "role": "reference_audio"});
    let content = |items: Value| json!({"content": items});
    for (fields, named) in [
        (json!({"model": "MiniMax-H4"}), "model"),
        (content(json!([])), "content"),
        (content(json!([item("first_frame")])), "content must include a non-empty text item"),
        (content(json!([words, item("first_frame"), item("reference_image")])), "do not go together"),
        (content(json!([words, item("first_frame"), item("first_frame")])), "first_frame"),
        (
            content(json!([words, {"type": "image_url", "image_url": {"url": "x"}}, item("last_frame")])),
            "role is required",
        ),
        (content(json!([words, sound])), "reference_audio needs"),
        (content(json!([words, words])), "text item"),
        (content(json!([words, {"type": "image_url", "url": "x"}])), "url"),
        (content(json!([words, {"type": "image_url", "image_url": {"url": picture(200, 300)}}])), "256"),
        (json!({"resolution": "2K"}), "resolution"),
        (json!({"model": "MiniMax-H3", "resolution": "480P"}), "resolution"),
        (json!({"duration": 3}), "duration"),
        (json!({"duration": 16}), "duration"),
        (json!({"model": "MiniMax-H3-Max", "duration": 4}), "duration"),
        (json!({"ratio": "adaptive"}), "ratio"),
        (with(&content(json!([words, item("reference_image")])), json!({"ratio": "adaptive"})), "ratio"),
        (json!({"ratio": "3:2"}), "ratio"),
        (json!({"extra": {"prompt_expansion_mode": "quality"}}), "extra"),
        (json!({"model": "MiniMax-H3-Max", "duration": 5, "extra": {"mode": 1}}), "extra.mode"),
        (json!({"prompt": "x"}), "unknown field prompt"),
    ] {
        world.refuses_v2(with(&video_v2(), fields), named).await;
    }
    let (status, answer) = world.get("/v2/query/video_generation/424010985738629").await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("invalid task_id (2013)")));
    assert!(answer["request_id"].is_string());
}

#[tokio::test]
async fn v2_tasks_are_listed_cancelled_and_deleted() {
    let world = World::with(Options {
        pace: Pace { polls: 2, seconds: 0.0, ..Pace::default() },
        ..Options::default()
    })
    .await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let (_, answer) = world.post("/v2/video_generation", video_v2()).await;
        ids.push(answer["task_id"].as_str().unwrap().to_owned());
    }
    let remove = async |id: &str| {
        let path = format!("/v2/video_generation/{id}");
        read(world.request(Method::DELETE, &path).send().await.unwrap()).await
    };
    let cancelled = json!({"task_id": ids[0], "action": "cancelled", "status": "cancelled"});
    assert_eq!(remove(&ids[0]).await, (200, cancelled));
    assert_eq!(remove(&ids[0]).await.0, 400, "cancelled is final");
    world.get(&format!("/v2/query/video_generation/{}", ids[1])).await;
    assert_eq!(remove(&ids[1]).await.0, 400, "running cannot be stopped");
    for _ in 0..2 {
        world.get(&format!("/v2/query/video_generation/{}", ids[1])).await;
    }
    let (_, list) =
        world.get("/v2/query/video_generation?filter.status=succeeded&filter.model=MiniMax-H3-Lite").await;
    assert_eq!((&list["total"], &list["items"][0]["id"]), (&json!(1), &json!(ids[1])));
    let path = format!(
        "/v2/query/video_generation?page_size=1&filter.task_ids={}&filter.task_ids={}",
        ids[0], ids[2]
    );
    let (_, list) = world.get(&path).await;
    assert_eq!((&list["total"], list["items"].as_array().unwrap().len()), (&json!(2), 1));
    let deleted = json!({"task_id": ids[1], "action": "deleted", "status": "succeeded"});
    assert_eq!(remove(&ids[1]).await, (200, deleted));
    assert_eq!(world.get(&format!("/v2/query/video_generation/{}", ids[1])).await.0, 400);
}

#[tokio::test]
async fn an_upload_is_listed_read_used_and_deleted() {
    let world = World::new().await;
    let (_, answer) = world.upload("voice_clone", "me.mp3", b"ID3 not really".to_vec()).await;
    let file = &answer["file"];
    assert_eq!(
        (&file["bytes"], &file["filename"], &file["purpose"]),
        (&json!(14), &json!("me.mp3"), &json!("voice_clone"))
    );
    let id = file["file_id"].as_i64().unwrap();
    let (_, list) = world.get("/v1/files/list?purpose=voice_clone").await;
    assert_eq!(&list["files"][0], file);
    assert_eq!(world.get("/v1/files/list?purpose=prompt_audio").await.1["files"], json!([]));
    let (_, one) = world.get(&format!("/v1/files/retrieve?file_id={id}")).await;
    assert_eq!(one["file"].get("download_url"), None, "uploads have no link");
    let content =
        world.request(Method::GET, &format!("/v1/files/retrieve_content?file_id={id}")).send().await.unwrap();
    assert_eq!(
        (&content.headers()["content-type"], content.status().as_u16()),
        (&"audio/mpeg".parse().unwrap(), 200)
    );
    assert_eq!(&content.bytes().await.unwrap()[..], b"ID3 not really");
    for (fields, code) in [
        (json!({"file_id": id.to_string(), "purpose": "voice_clone"}), 2013),
        (json!({"file_id": id, "purpose": "prompt_audio"}), 2013),
        (json!({"file_id": id, "purpose": "voice_clone"}), 0),
        (json!({"file_id": id, "purpose": "voice_clone"}), 2013),
    ] {
        assert_eq!(world.post("/v1/files/delete", fields).await.1["base_resp"]["status_code"], code);
    }
    let sent = &world.sandbox.requests()[0];
    assert_eq!(sent.body, json!({"purpose": "voice_clone", "file": {"filename": "me.mp3", "bytes": 14}}));
}

#[tokio::test]
async fn a_large_upload_arrives_whole() {
    let world = World::new().await;
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    let (_, answer) = world.upload("video_understanding", "a.mkv", bytes.clone()).await;
    assert_eq!(answer["file"]["bytes"], 5_000_000);
    let path = format!("/v1/files/retrieve_content?file_id={}", answer["file"]["file_id"]);
    let content = world.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(content.bytes().await.unwrap(), bytes);
    let (_, answer) = world.upload("voice_clone", "a.mp3", vec![0; (20 << 20) + 1]).await;
    assert_eq!(answer["base_resp"]["status_code"], 2013, "20 MB are enough for a voice");
}

#[tokio::test]
async fn an_upload_that_does_not_suit_its_purpose_is_refused() {
    let world = World::new().await;
    for (purpose, name) in [("voice_clone", "me.ogg"), ("retrieval", "a.txt"), ("t2a_async_input", "a.docx")]
    {
        let (status, answer) = world.upload(purpose, name, b"x".to_vec()).await;
        assert_eq!((status, &answer["base_resp"]["status_code"]), (200, &json!(2013)), "{purpose} {name}");
    }
    // The one purpose that is checked with a real HTTP status.
    for bytes in [b"no picture".to_vec(), png(200, 300)] {
        let (status, answer) = world.upload("video_generation_input", "a.png", bytes).await;
        assert_eq!((status, &answer["error"]["type"]), (400, &json!("bad_request_error")));
    }
    let (_, answer) = world.upload("video_generation_input", "a.png", png(300, 600)).await;
    let url = format!("mm_file://{}", answer["file"]["file_id"]);
    let frame = json!({"type": "image_url", "image_url": {"url": url}, "role": "first_frame"});
    let body = json!({"content": [{"type": "text", "text": "x"}, frame], "ratio": "adaptive"});
    let (_, answer) = world.post("/v2/video_generation", with(&video_v2(), body)).await;
    let (_, answer) =
        world.get(&format!("/v2/query/video_generation/{}", answer["task_id"].as_str().unwrap())).await;
    assert_eq!(film(&world.bytes(&answer["task"]["content"]["url"]).await).1, (480, 960));
}

#[tokio::test]
async fn without_a_good_key_nothing_happens() {
    let world = World::with(Options { key: Some(KEY.into()), ..Options::default() }).await;
    for (header, v1, v2) in
        [(None, 1004, "(1004)"), (Some("Bearer "), 1004, "(1004)"), (Some("Bearer other"), 2049, "(2049)")]
    {
        let send = async |path: &str, body: Value| {
            let request = world.client.post(format!("{}{path}", world.sandbox.url())).json(&body);
            let request =
                header.into_iter().fold(request, |request, value| request.header("authorization", value));
            read(request.send().await.unwrap()).await
        };
        let (status, answer) = send("/v1/image_generation", image()).await;
        assert_eq!((status, &answer["base_resp"]["status_code"]), (200, &json!(v1)));
        let (status, answer) = send("/v2/video_generation", video_v2()).await;
        assert_eq!(
            (status, &answer["error"]["type"], &answer["error"]["http_code"]),
            (401, &json!("authorized_error"), &json!("401"))
        );
        assert!(answer["error"]["message"].as_str().unwrap().ends_with(v2));
    }
    let response = world.try_post("/v1/image_generation", &image()).await.unwrap();
    assert_eq!(response.headers()["trace-id"].len(), 32);
    assert_eq!(read(response).await.1["base_resp"]["status_code"], 0);
}

#[tokio::test]
async fn a_key_is_never_recorded() {
    let world = World::new().await;
    world.post("/v1/image_generation", with(&image(), json!({"prompt": format!("my key is {KEY}")}))).await;
    world.get(&format!("/v1/files/list?purpose={KEY}")).await;
    let recorded = serde_json::to_string(&(world.sandbox.requests(), world.sandbox.paid())).unwrap();
    assert!(!recorded.contains(KEY), "{recorded}");
    assert!(
        recorded.contains("my key is ***")
            && world.sandbox.requests().iter().all(|request| request.authorized)
    );
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let world = World::new().await;
    for (kind, body) in [("application/json", "{"), ("application/json", "[]"), ("text/plain", "{}")] {
        let request = world.request(Method::POST, "/v1/t2a_v2").header("content-type", kind).body(body);
        assert_eq!(
            read(request.send().await.unwrap()).await.1["base_resp"]["status_code"],
            2013,
            "{kind} {body}"
        );
        let request =
            world.request(Method::POST, "/v2/video_generation").header("content-type", kind).body(body);
        assert_eq!(request.send().await.unwrap().status(), 400, "{kind} {body}");
    }
}

#[tokio::test]
async fn sensitive_words_are_refused_in_both_dialects() {
    let world = World::new().await;
    let (status, answer) =
        world.post("/v1/image_generation", with(&image(), json!({"prompt": "#sensitive"}))).await;
    assert_eq!((status, &answer["base_resp"]["status_code"]), (200, &json!(1026)));
    let body = with(&video_v2(), json!({"content": [{"type": "text", "text": "#sensitive"}]}));
    let (status, answer) = world.post("/v2/video_generation", body).await;
    assert_eq!((status, &answer["error"]["type"]), (422, &json!("unprocessable_entity_error")));
    assert!(world.sandbox.paid().is_empty());
}

#[tokio::test]
async fn an_unknown_path_is_answered_with_the_closest_one() {
    let world = World::new().await;
    let (status, answer) = world.get("/v1/video_generation/1").await;
    assert_eq!(status, 404);
    assert!(answer.as_str().unwrap().contains("no GET /v1/video_generation/1."), "{answer}");
    let (status, answer) = world.post("/v1/image_generations", image()).await;
    assert_eq!(status, 404);
    assert!(answer.as_str().unwrap().contains("closest it has is POST /v1/image_generation."), "{answer}");
}

#[tokio::test]
async fn a_link_that_has_expired_answers_403() {
    let pace = Pace { link_seconds: Some(0), ..at_once() };
    let world = World::with(Options { pace: pace.clone(), ..Options::default() }).await;
    let (_, answer) = world.post("/v1/video_generation", with(&video(), json!({"prompt": "x"}))).await;
    let (_, task) = world
        .get(&format!("/v1/query/video_generation?task_id={}", answer["task_id"].as_str().unwrap()))
        .await;
    let retrieve = format!("/v1/files/retrieve?file_id={}", task["file_id"].as_str().unwrap());
    let (_, old) = world.get(&retrieve).await;
    let response = world.fetch(&old["file"]["download_url"]).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (403, &"application/xml".parse().unwrap())
    );
    assert!(response.text().await.unwrap().contains("<Error>"));
    world.sandbox.set_pace(Pace { link_seconds: None, ..pace });
    let (_, fresh) = world.get(&retrieve).await;
    let link = fresh["file"]["download_url"].as_str().unwrap();
    assert_eq!(world.fetch(&json!(link)).await.status(), 200, "asking again gives a good link");
    let longer = link.replace("Expires=1", "Expires=2");
    assert_eq!(world.fetch(&json!(longer)).await.status(), 403, "a link cannot be made to live longer");
}

#[tokio::test]
async fn a_key_sent_to_a_link_is_refused_and_noted() {
    let world = World::new().await;
    let (_, answer) = world.post("/v1/image_generation", image()).await;
    let link = answer["data"]["image_urls"][0].as_str().unwrap();
    let response = world.client.get(link).bearer_auth(KEY).send().await.unwrap();
    assert_eq!(response.status(), 400);
    let seen = world.sandbox.requests().pop().unwrap();
    assert!(seen.path.starts_with("/cdn/") && seen.authorized && seen.status == Some(400));
}

#[tokio::test]
async fn a_part_of_a_file_can_be_fetched() {
    let world = World::new().await;
    let (_, answer) = world.post("/v1/image_generation", image()).await;
    let link = &answer["data"]["image_urls"][0];
    let whole = world.bytes(link).await;
    let etag = world.fetch(link).await.headers()["etag"].clone();
    let part = async |range: &str| {
        let request =
            world.client.get(link.as_str().unwrap()).header("range", range).header("if-range", &etag);
        request.send().await.unwrap()
    };
    for (range, start, end) in [
        ("bytes=10-19", 10, 20),
        ("bytes=100-", 100, whole.len()),
        ("bytes=-7", whole.len() - 7, whole.len()),
    ] {
        let response = part(range).await;
        assert_eq!(response.status(), 206);
        assert_eq!(
            response.headers()["content-range"],
            format!("bytes {start}-{}/{}", end - 1, whole.len()).as_str()
        );
        assert_eq!(response.content_length(), Some((end - start) as u64));
        assert_eq!(response.bytes().await.unwrap(), whole[start..end]);
    }
    assert_eq!(part(&format!("bytes={}-", whole.len())).await.status(), 416);
}

#[tokio::test]
async fn tasks_files_links_and_bills_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::at(dir.path()).await;
    let (_, drawn) = world.post("/v1/image_generation", image()).await;
    let (_, submitted) = world.post("/v1/video_generation", video()).await;
    let (_, uploaded) = world.upload("prompt_audio", "a.wav", b"RIFF".to_vec()).await;
    let (url, paid) = (world.sandbox.url(), world.sandbox.paid());
    world.sandbox.stop().await;
    // What a crash in the middle of a line leaves behind.
    let journal = dir.path().join("sandbox.jsonl");
    let mut lines = std::fs::read(&journal).unwrap();
    lines.extend(br#"{"paid":{"request":{"meth"#);
    std::fs::write(&journal, lines).unwrap();

    let world = World::at(dir.path()).await;
    assert_eq!(world.sandbox.url(), url, "the same port");
    assert_eq!((world.sandbox.paid(), paid.len()), (paid, 2));
    world.bytes(&drawn["data"]["image_urls"][0]).await;
    let (_, task) = world
        .get(&format!("/v1/query/video_generation?task_id={}", submitted["task_id"].as_str().unwrap()))
        .await;
    assert_eq!(task["status"], "Success");
    assert_eq!(world.get("/v1/files/list?purpose=prompt_audio").await.1["files"][0], uploaded["file"]);
    world.post("/v1/image_generation", image()).await;
    world.sandbox.stop().await;
    let world = World::at(dir.path()).await;
    assert_eq!(world.sandbox.paid().len(), 3, "the line after the torn one is whole");
}

#[tokio::test]
async fn two_sandboxes_on_one_folder_see_the_same_tasks() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (World::at(dir.path()).await, World::at(dir.path()).await);
    assert_ne!(one.sandbox.url(), other.sandbox.url());
    let (_, answer) = one.post("/v2/video_generation", video_v2()).await;
    let (status, task) =
        other.get(&format!("/v2/query/video_generation/{}", answer["task_id"].as_str().unwrap())).await;
    assert_eq!((status, &task["task"]["status"]), (200, &json!("succeeded")));
    other.bytes(&task["task"]["content"]["url"]).await;
    assert_eq!(other.sandbox.paid(), one.sandbox.paid());
}

#[tokio::test]
async fn a_refusal_on_demand_speaks_the_dialect_of_its_path() {
    let world = World::new().await;
    let refuse = Act::Refuse { code: 1002, message: None, retry_after: Some(7) };
    let rule =
        |path: &str, skip| Rule { method: Some("POST".into()), skip, ..Rule::once(path, refuse.clone()) };
    world.sandbox.script(vec![rule("/v1/", 1), rule("/v2/", 0)]);
    let codes =
        async || world.post("/v1/image_generation", image()).await.1["base_resp"]["status_code"].clone();
    assert_eq!((codes().await, codes().await, codes().await), (json!(0), json!(1002), json!(0)));
    let response = world.try_post("/v2/video_generation", &video_v2()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    assert_eq!(read(response).await.1["error"]["type"], "rate_limit_error");
    assert_eq!(world.sandbox.paid().len(), 2, "a refused request is not billed");
}

#[tokio::test]
async fn a_reset_before_is_not_billed_and_a_reset_after_is() {
    let world = World::new().await;
    for (act, billed) in [(Act::ResetBefore, 0), (Act::ResetAfter, 1)] {
        world.fault("/v1/image_generation", act);
        world.try_post("/v1/image_generation", &image()).await.unwrap_err();
        assert_eq!(world.sandbox.paid().len(), billed);
        assert_eq!(world.sandbox.requests().pop().unwrap().status, None);
    }
    assert_eq!(world.sandbox.requests().len(), 2, "the client did not try again by itself");
}

#[tokio::test]
async fn answers_can_be_cut_short_replaced_or_slow() {
    let world = World::new().await;
    let (_, answer) = world.post("/v1/image_generation", image()).await;
    let link = &answer["data"]["image_urls"][0];
    let whole = world.bytes(link).await;
    world.fault("/cdn/", Act::Truncate { bytes: 1000 });
    let mut response = world.fetch(link).await;
    assert_eq!(response.content_length(), Some(whole.len() as u64));
    let mut received = 0;
    let end = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => received += chunk.len(),
            end => break end,
        }
    };
    assert!(end.is_err() && received == 1000, "{received} bytes, then {end:?}");

    world.fault("/v1/", Act::Raw { body: "<html>proxy</html>".into() });
    assert_eq!(world.post("/v1/t2a_v2", speech()).await, (200, json!("<html>proxy</html>")));
    let headers = [("x-cache".to_owned(), "miss".to_owned())].into();
    world.fault("/v1/", Act::Status { status: 502, body: "bad".into(), content_type: None, headers });
    let response = world.try_post("/v1/t2a_v2", &speech()).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["x-cache"]), (502, &"miss".parse().unwrap()));
    assert_eq!(world.sandbox.paid().len(), 1, "neither was processed");

    world.fault("/cdn/", Act::Drip { bytes_per_second: whole.len() as u64 * 2 });
    assert_eq!(world.bytes(link).await, whole);
    world.fault("/cdn/", Act::Delay { ms: 10 });
    assert_eq!(world.bytes(link).await, whole);
}

#[tokio::test]
async fn a_stalled_request_is_billed_though_the_client_gave_up() {
    let world = World::new().await;
    world.fault("/v1/image_generation", Act::Stall);
    let request = world.request(Method::POST, "/v1/image_generation").json(&image());
    let failure = request.timeout(Duration::from_secs(3)).send().await.unwrap_err();
    assert!(failure.is_timeout());
    assert_eq!(world.sandbox.paid().len(), 1);
    world.sandbox.stop().await;
}

#[tokio::test]
async fn a_sandbox_in_another_process_is_scripted_over_http() {
    let world = World::new().await;
    let control = async |path: &str, body: Value| {
        let url = format!("{}/_sandbox/{path}", world.sandbox.url());
        read(world.client.post(url).json(&body).send().await.unwrap()).await
    };
    let rules = json!([{"path": "/v1/image", "times": 1, "act": {"refuse": {"code": 1008}}}, {"path": "/v2/", "act": "reset_before"}]);
    assert_eq!(control("script", rules).await.0, 200);
    assert_eq!(control("script", json!([{"path": "/v1/", "act": "explode"}])).await.0, 400);
    assert_eq!(control("pace", json!({"polls": 9})).await.1["polls"], 9);
    assert_eq!(world.post("/v1/image_generation", image()).await.1["base_resp"]["status_code"], 1008);
    world.try_post("/v2/video_generation", &video_v2()).await.unwrap_err();
    world.post("/v1/image_generation", image()).await;
    let requests = world.get("/_sandbox/requests").await.1;
    let seen: Vec<_> =
        requests.as_array().unwrap().iter().map(|request| (&request["path"], &request["code"])).collect();
    let first = json!("/v1/image_generation");
    assert_eq!(
        seen,
        [(&first, &json!(1008)), (&json!("/v2/video_generation"), &Value::Null), (&first, &Value::Null)]
    );
    assert_eq!(world.get("/_sandbox/paid").await.1[0]["body"], image());
}
