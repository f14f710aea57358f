//! The descriptions of the catalogue are complete by themselves: they have full ids and costs, distinguish similar
//! tools, and no description is a riddle. `described_rules` covers the rules about several parameters.

use std::collections::BTreeMap;

use minimax_mcp::tools::{self, INSTRUCTIONS};
use serde_json::Value;

use crate::harness::World;

/// A tool's description, and those of its parameters by name.
#[derive(Clone)]
pub struct Words {
    pub tool: String,
    pub parameters: BTreeMap<String, String>,
}

pub fn catalogue() -> BTreeMap<String, Words> {
    let words = |tool: rmcp::model::Tool| {
        let schema = Value::Object(tool.input_schema.as_ref().clone());
        let parameters = schema["properties"].as_object().unwrap().iter();
        let text = |value: &Value| value["description"].as_str().unwrap().to_owned();
        let words = Words {
            tool: tool.description.unwrap().to_string(),
            parameters: parameters.map(|(name, value)| (name.clone(), text(value))).collect(),
        };
        (tool.name.to_string(), words)
    };
    tools::catalogue().tools().into_iter().map(words).collect()
}

pub fn facts() -> Value {
    serde_json::from_str(include_str!("../../crates/platform/src/facts/facts.json")).unwrap()
}

/// Default models and prices change with the tables, and the words with them.
#[test]
fn every_default_model_is_named_with_its_full_id() {
    let (catalogue, facts) = (catalogue(), facts());
    let model = |tool: &str| &catalogue[tool].parameters["model"];
    for (tool, id) in [
        ("text_to_image", &facts["default_models"]["image"]),
        ("text_to_audio", &facts["default_models"]["speech"]),
        ("speak", &facts["default_models"]["speech"]),
        ("voice_clone", &facts["default_models"]["speech"]),
        ("music_generation", &facts["music"][0]["model"]),
    ] {
        assert!(model(tool).contains(id.as_str().unwrap()), "{tool}: {}", model(tool));
    }
    for id in facts["video_by_mode"].as_object().unwrap().values() {
        assert!(model("generate_video").contains(id.as_str().unwrap()), "{id}");
    }
    for template in facts["templates"].as_array().unwrap() {
        let name = template["names"][0].as_str().unwrap();
        let told = &catalogue["generate_video_from_template"].parameters["template_id"];
        assert!(told.contains(name), "{name}");
    }
}

/// Amounts are of the tables, in both currencies.
#[test]
fn every_price_in_a_description_is_that_of_the_tables() {
    let (catalogue, facts) = (catalogue(), facts());
    let amounts = |text: &str| {
        let words = text.split([' ', '(', ')', ';', ',']).filter(|word| word.starts_with(['$', '¥']));
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let both = |price: &Value| {
        let amount = |currency: &str| price[currency].as_f64().unwrap();
        vec![format!("${:.2}", amount("USD")), format!("¥{:.2}", amount("CNY"))]
    };
    let max = facts["video"].as_array().unwrap().iter().find(|row| row["model"] == "MiniMax-H3-Max").unwrap();
    let small = max["per_second"].as_array().unwrap().iter().find(|row| row["resolution"] == "480P").unwrap();
    let mut priced = BTreeMap::from([
        ("generate_video.resolution".to_owned(), both(small)),
        ("voice_clone".to_owned(), both(&facts["voice"]["clone_first_use"])),
        ("voice_design".to_owned(), both(&facts["voice"]["design_first_use"])),
    ]);
    for (tool, words) in catalogue {
        let parameters = words.parameters.into_iter().map(|(name, text)| (format!("{tool}.{name}"), text));
        for (place, text) in parameters.chain([(tool.clone(), words.tool)]) {
            assert_eq!(amounts(&text), priced.remove(&place).unwrap_or_default(), "{place}: {text}");
        }
    }
    assert!(priced.is_empty(), "{priced:?}");
}

#[test]
fn the_default_voices_match_their_description() {
    let voices: Value =
        serde_json::from_str(include_str!("../../crates/platform/src/facts/voices.json")).unwrap();
    let defaults = voices["default_voices"].as_object().unwrap();
    let is_a_woman = |id: &&Value| {
        let row = voices["system"].as_array().unwrap().iter().find(|row| row[0] == **id).unwrap();
        row[4] == "female"
    };
    assert!(defaults.values().filter(is_a_woman).count() * 2 > defaults.len());
    let told = &catalogue()["text_to_audio"].parameters["voice_id"];
    assert!(told.contains("mostly a woman") && told.contains(defaults["en"].as_str().unwrap()), "{told}");
}

/// Descriptions that say nothing to a reader who does not know the tool already.
const RIDDLES: &[&str] = &[
    "a mood",
    "a model",
    "a voice",
    "as chat",
    "buys once",
    "folder",
    "ignored",
    "kept",
    "media input",
    "next_cursor",
    "nobody sings",
    "only its",
    "only price it",
    "only these",
    "own voice",
    "question",
    "same",
    "what for",
];

#[tokio::test]
async fn no_description_is_a_riddle_or_a_part_of_a_sentence() {
    let mut all = Vec::new();
    for (tool, words) in catalogue() {
        let parameters = words.parameters.into_iter().map(|(name, text)| (format!("{tool}.{name}"), text));
        all.extend(parameters);
        all.push((tool, words.tool));
    }
    let world = World::new().await;
    for prompt in world.client.list_all_prompts().await.unwrap() {
        all.push((format!("prompt {}", prompt.name), prompt.description.unwrap()));
    }
    for resource in world.client.list_all_resource_templates().await.unwrap() {
        all.push((format!("resource {}", resource.name), resource.description.clone().unwrap()));
    }
    for (place, text) in all {
        let plain = text.trim_end_matches('.').to_lowercase();
        assert!(text.split_whitespace().count() >= 3, "{place}: {text}");
        assert!(!RIDDLES.contains(&plain.as_str()), "{place}: {text}");
        assert!(text.ends_with('.'), "{place} is not a sentence: {text}");
        let doubtful = ["whoever", "nobody", "anew", "dearer", "  "];
        assert!(!doubtful.iter().any(|word| text.contains(word)), "{place}: {text}");
    }
}

#[test]
fn no_two_descriptions_of_different_things_are_equal() {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for (tool, words) in catalogue() {
        let other = known.insert(words.tool, tool.clone());
        assert_eq!(other, None, "{tool}");
        for (name, text) in words.parameters {
            let other = known.entry(text).or_insert_with(|| name.clone());
            assert_eq!(*other, name, "{tool}");
        }
    }
}

#[test]
fn tools_that_are_confused_name_each_other() {
    let catalogue = catalogue();
    for (one, two) in [
        ("speak", "text_to_audio"),
        ("view_media", "understand_image"),
        ("web_search", "chat"),
        ("get_job", "query_video_generation"),
        ("list_jobs", "list_video_tasks"),
        ("get_file", "download_file"),
    ] {
        assert!(catalogue[one].tool.contains(two), "{one} and {two}");
        assert!(catalogue[two].tool.contains(one) || two == "download_file", "{two} and {one}");
    }
    let words = |tool: &str, parameter: &str| catalogue[tool].parameters[parameter].clone();
    assert!(catalogue["upload_file"].tool.contains("path or URL"));
    assert!(catalogue["generate_lyrics"].tool.contains("lyrics_optimizer"));
    assert!(words("music_generation", "lyrics_optimizer").contains("generate_lyrics"));
    for improver in ["prompt_expansion", "enhance_video_prompt"] {
        assert!(words("generate_video", "prompt_optimizer").contains(improver), "{improver}");
    }
}

/// A paid call that cannot be repeated safely is told apart before it is made.
#[test]
fn every_tool_says_whether_it_costs_and_the_instructions_where_a_key_is_missing() {
    let without_key = |name: &str| {
        let line = INSTRUCTIONS.lines().find(|line| line.contains("idempotency_key"));
        line.is_some_and(|line| line.contains(name))
    };
    let legacy = "embed_text";
    for (tool, words) in catalogue() {
        let paid = words.tool.ends_with("Costs money.");
        assert!(paid || words.tool.ends_with("Free."), "{tool}: {}", words.tool);
        let keyed = words.parameters.contains_key("idempotency_key");
        assert_eq!(paid && !keyed, without_key(&tool) || tool == legacy, "{tool}");
        assert_eq!(paid, words.parameters.contains_key("dry_run"), "{tool}");
    }
}
