//! `MINIMAX_IMAGE_PREVIEW`: a small picture in the results of image jobs.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::storage::Stage;

fn image() -> Value {
    json!({ "prompt": "A fox", "width": 1024, "height": 768, "wait_seconds": 60 })
}

/// The content blocks of a result that are pictures.
fn pictures(result: &Value) -> Vec<&Value> {
    let blocks = result["content"].as_array().unwrap_or_else(|| panic!("{result}"));
    blocks.iter().filter(|block| block["type"] == "image").collect()
}

#[test]
fn a_picture_is_in_the_result_only_where_the_setting_wants_it() {
    let stage = Stage::new();
    for (setting, wanted) in [(None, 0), (Some("off"), 0), (Some("on"), 1)] {
        let settings: Vec<_> = setting.map(|value| ("MINIMAX_IMAGE_PREVIEW", value)).into_iter().collect();
        let mut program = stage.cell.program(&settings).ready();
        let made = program.call("text_to_image", image());
        assert_eq!(made["structuredContent"]["status"], "succeeded", "{made}");
        let got = program.call("get_job", json!({ "job_id": made["structuredContent"]["job_id"] }));
        for result in [&made, &got] {
            assert_eq!(pictures(result).len(), wanted, "{setting:?}: {result}");
            assert!(result.to_string().len() < 64 * 1024);
            assert!(!result["structuredContent"].to_string().contains("base64"));
            for picture in pictures(result) {
                assert_eq!(picture["mimeType"], "image/jpeg");
                let jpeg = BASE64.decode(picture["data"].as_str().unwrap().as_bytes()).unwrap();
                let shown = image::load_from_memory(&jpeg).unwrap();
                assert_eq!((shown.width(), shown.height()), (512, 384));
            }
        }
        let listed = program.call("list_jobs", json!({}));
        let speech = program.call("text_to_audio", json!({ "text": "Hello", "wait_seconds": 60 }));
        for other in [listed, speech] {
            assert!(pictures(&other).is_empty(), "{other}");
        }
        assert!(program.program.hang_up().success());
    }
}

#[test]
fn a_file_that_was_replaced_or_cannot_be_shown_is_left_out_and_the_result_stays() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let stage = Stage::new();
    let mut program = stage.cell.program(&[("MINIMAX_IMAGE_PREVIEW", "on")]).ready();
    let made = program.call("text_to_image", image());
    let path = made["structuredContent"]["files"][0]["path"].as_str().unwrap();
    let id = made["structuredContent"]["job_id"].clone();
    std::fs::write(path, "no picture").unwrap();
    let got = program.call("get_job", json!({ "job_id": id }));
    assert!(pictures(&got).is_empty(), "{got}");
    assert_eq!(got["structuredContent"]["status"], "succeeded", "{got}");
    let dry = program.call("text_to_image", json!({ "prompt": "A fox", "dry_run": true }));
    assert!(pictures(&dry).is_empty() && dry["isError"] != true, "{dry}");
}
