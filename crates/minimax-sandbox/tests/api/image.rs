//! Pictures.

use data_encoding::BASE64;
use serde_json::json;

use super::{World, data_url, image, picture, png, with};

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
        let picture = ::image::load_from_memory_with_format(&bytes, ::image::ImageFormat::Jpeg).unwrap();
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
    assert_eq!(::image::load_from_memory(&drawn[0]).unwrap().height(), 520);
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
