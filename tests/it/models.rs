//! `list_models`.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::harness::{World, quick, text};

fn row<'a>(list: &'a Value, model: &str) -> &'a Value {
    list["models"].as_array().unwrap().iter().find(|row| row["model"] == model).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn text_models_are_those_of_the_key_and_new_ones_are_usable_at_once() {
    let world = World::new().await;
    let list = world.make("list_models", json!({ "kind": "text" })).await;
    let ids: Vec<_> = list["models"].as_array().unwrap().iter().map(|row| row["model"].clone()).collect();
    assert_eq!(ids, ["MiniMax-M3.1-Flash", "MiniMax-M3", "MiniMax-M2.1", "MiniMax-M2", "MiniMax-M4-Preview"]);
    assert_eq!(row(&list, "MiniMax-M3")["price"], "$0.30 / $1.20 per 1M tokens in / out");
    assert_eq!(row(&list, "MiniMax-M3")["aliases"], json!(["m3"]));
    let new = row(&list, "MiniMax-M4-Preview");
    assert!(new["legal"][0].as_str().unwrap().contains("usable") && new.get("price").is_none(), "{new}");
    assert!(list["warnings"][0].as_str().unwrap().contains("MiniMax-M2.1-highspeed"), "{list}");
}

#[tokio::test]
async fn every_other_kind_has_its_legal_values_and_prices() {
    let world = World::new().await;
    let result = world.call("list_models", json!({})).await;
    let list = result.structured_content.clone().unwrap();
    let h3 = row(&list, "MiniMax-H3");
    assert!(
        h3["legal"].as_array().unwrap().contains(&json!("text to video: 768P 4-15 s, 2K 4-15 s")),
        "{h3}"
    );
    assert_eq!(h3["price"], "768P $0.08 a second, 2K $0.13 a second, each input image above 5 $0.04");
    let max = row(&list, "MiniMax-H3-Max")["price"].as_str().unwrap();
    assert_eq!(max, "480P $0.05 a second, 768P $0.08 a second, each input image above 2 $0.074");
    assert_eq!(row(&list, "music-2.0")["price"], "$0.03 per song");
    assert!(row(&list, "music-3.0-free").is_null(), "a stopped model is not offered");
    assert!(row(&list, "asr-1.0")["legal"].to_string().contains("language: zh"), "{list}");
    let hailuo = row(&list, "MiniMax-Hailuo-2.3");
    assert!(hailuo["legal"].as_array().unwrap().contains(&json!("a first frame: 768P 6 or 10 s, 1080P 6 s")));
    assert!(row(&list, "speech-2.6-hd")["legal"][0].as_str().unwrap().contains("whisper"));
    assert_eq!(row(&list, "image-01")["price"], "$0.0035 per image");
    assert_eq!(row(&list, "music-3.0")["kind"], "music");
    assert!(row(&list, "MiniMax-H3-Lite").get("price").is_none(), "unknown is not 0");
    let shown = text(&result);
    for row in list["models"].as_array().unwrap() {
        assert!(shown.contains(row["model"].as_str().unwrap()), "{row}");
    }
    assert!(serde_json::to_string(&result).unwrap().len() < 64 * 1024);
    let images = world.make("list_models", json!({ "kind": "image" })).await;
    assert_eq!(images["models"].as_array().unwrap().len(), 2);
    let asked = world.sandbox.requests().len();
    assert_eq!(asked, 1, "only text models are asked for");
}

#[tokio::test]
async fn without_a_key_or_a_minimax_the_table_answers_and_says_so() {
    let world = World::with(quick(), &[("MINIMAX_API_KEY", "")]).await;
    let list = world.make("list_models", json!({ "kind": "text" })).await;
    assert!(row(&list, "MiniMax-M3.1-Flash").is_object());
    assert!(list["warnings"][0].as_str().unwrap().contains("no API key"), "{list}");
    assert_eq!(world.sandbox.requests().len(), 0);
    let world = World::new().await;
    let refuse = Act::Refuse { code: 2049, message: None, retry_after: None };
    world.sandbox.script(vec![Rule::always("/v1/models", refuse)]);
    let list = world.make("list_models", json!({ "kind": "text" })).await;
    assert!(list["warnings"][0].as_str().unwrap().contains("2049"), "{list}");
    let world = World::with(quick(), &[("MINIMAX_REGION", "mars")]).await;
    let list = world.make("list_models", json!({})).await;
    assert!(list["warnings"][0].as_str().unwrap().contains("MINIMAX_REGION"), "{list}");
}

#[tokio::test]
async fn a_host_that_has_one_protocol_alone_is_asked_in_that() {
    let world = World::new().await;
    let gone =
        Act::Status { status: 404, body: "no".into(), content_type: None, headers: Default::default() };
    world.sandbox.script(vec![Rule::always("/v1/models", gone)]);
    let list = world.make("list_models", json!({ "kind": "text" })).await;
    assert_eq!(list["models"].as_array().unwrap().len(), 5);
    let paths: Vec<_> = world.sandbox.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/v1/models", "/anthropic/v1/models?limit=100"]);
}

/// The description of `chat` and the list of models are read by the same model.
#[tokio::test]
async fn the_default_effort_that_chat_describes_is_the_one_that_list_models_shows() {
    let world = World::new().await;
    let list = world.make("list_models", json!({ "kind": "text" })).await;
    let tools = minimax_mcp::tools::catalogue().tools();
    let chat = tools.iter().find(|tool| tool.name == "chat").unwrap();
    let described =
        json!(chat.input_schema)["properties"]["effort"]["description"].as_str().unwrap().to_owned();
    let mut compared = 0;
    for model in minimax_mcp::facts::facts().text_models() {
        let legal = row(&list, &model.model)["legal"].to_string();
        let Some((_, after)) = legal.split_once("effort ") else { continue };
        let Some((_, after)) = after.split_once("default ") else { continue };
        let default: String = after.chars().take_while(char::is_ascii_alphabetic).collect();
        assert!(described.contains(&format!("default {default}")), "{}: {described} / {legal}", model.model);
        compared += 1;
    }
    assert!(compared > 0, "{described}");
}
