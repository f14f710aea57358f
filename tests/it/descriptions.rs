//! What a model reads of the catalogue stands on its own: every rule that joins two parameters is said in one of them,
//! every value that only some models take names those models, and no description is a riddle.

use std::collections::BTreeMap;

use minimax_mcp::tools::{self, INSTRUCTIONS};
use serde_json::Value;

use crate::harness::World;

/// A tool's description, and those of its parameters by name.
struct Words {
    tool: String,
    parameters: BTreeMap<String, String>,
    required: Vec<String>,
}

fn catalogue() -> BTreeMap<String, Words> {
    let words = |tool: rmcp::model::Tool| {
        let schema = Value::Object(tool.input_schema.as_ref().clone());
        let parameters = schema["properties"].as_object().unwrap().iter();
        let text = |value: &Value| value["description"].as_str().unwrap().to_owned();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let words = Words {
            tool: tool.description.unwrap().to_string(),
            parameters: parameters.map(|(name, value)| (name.clone(), text(value))).collect(),
            required: required.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
        };
        (tool.name.to_string(), words)
    };
    tools::catalogue().tools().into_iter().map(words).collect()
}

fn facts() -> Value {
    serde_json::from_str(include_str!("../../src/facts/facts.json")).unwrap()
}

/// The ids of a table's models that `takes` accepts.
fn able(table: &str, takes: impl Fn(&Value) -> bool) -> Vec<String> {
    let rows = facts()[table].as_array().unwrap().clone();
    let rows = rows.iter().filter(|row| takes(row) && row["stopped"] != true && row.get("note").is_none());
    rows.map(|row| row["model"].as_str().unwrap().to_owned()).collect()
}

/// Whether `text` names the model, or its family where all of the family are meant.
fn names_model(text: &str, model: &str) -> bool {
    let family = match model {
        _ if model.starts_with("MiniMax-Hailuo") => "Hailuo",
        _ if model.starts_with("MiniMax-H3") => "H3 ",
        _ if model.starts_with("speech-02") => "speech-02",
        _ if model.starts_with("speech-01") => "speech-01",
        _ => model.split_once("-01").map_or(model, |(family, _)| family),
    };
    text.contains(model) || text.contains(family)
}

/// Whether a text names any model, or a family.
fn names_a_model(text: &str) -> bool {
    let families = ["Hailuo", "H3 models", "MiniMax-", "image-01", "speech-", "music-", "S2V-01"];
    families.iter().any(|family| text.contains(family))
}

/// Whether one of two parameters says something about the other, as a row of the pre-flight table gives them.
fn is_said(words: &Words, argument: &str, other: &str, value: &Value) -> bool {
    let of = |name: &str| words.parameters.get(name).map_or("", String::as_str);
    let (one, two) = (of(argument), of(other));
    if other == "model" && names_a_model(one) || argument == "model" && names_a_model(two) {
        return true;
    }
    let by_value = value.as_str().is_some_and(|value| one.contains(value));
    let list = |name: &str| name.rsplit_once('_').map_or(name.to_owned(), |(head, _)| format!("{head}_*"));
    let plain = |name: &str| name.trim_end_matches("_image").replace('_', " ");
    let mentions = |text: &str, name: &str| {
        [name.to_owned(), list(name), plain(name)].iter().any(|known| text.contains(known))
    };
    by_value || mentions(one, other) || mentions(two, argument) || words.tool.contains(other)
}

/// The parameters that a row gives only because the tool needs some input.
const FILLER: [&str; 4] = ["prompt", "text", "file", "query"];

#[test]
fn every_rule_that_joins_parameters_is_said_in_the_description_of_one() {
    let catalogue = catalogue();
    let mut unsaid = Vec::new();
    for (rule, tool, arguments, argument, _) in crate::rules::rows() {
        let words = &catalogue[tool];
        let argument = argument.split(['[', '.']).next().unwrap();
        let is_listed = |name: &str| words.parameters.contains_key(name);
        let others: Vec<_> = arguments
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| {
                let is_needed = words.required.contains(name) || FILLER.contains(&name.as_str());
                *name != argument && is_listed(name) && !is_needed
            })
            .collect();
        let is_joined = is_listed(argument) && !others.is_empty();
        if is_joined && !others.iter().any(|(name, value)| is_said(words, argument, name, value)) {
            let others: Vec<_> = others.iter().map(|(name, value)| format!("{name} {value}")).collect();
            unsaid.push(format!("{rule}: {tool}.{argument} and {}", others.join(", ")));
        }
    }
    unsaid.dedup();
    assert!(unsaid.is_empty(), "{} rules:\n{}", unsaid.len(), unsaid.join("\n"));
}

#[test]
fn every_value_that_only_some_models_take_names_those_models() {
    let catalogue = catalogue();
    let mut unsaid = Vec::new();
    let mut check = |tool: &str, parameter: &str, value: &str, models: &[String]| {
        let text = &catalogue[tool].parameters[parameter];
        for model in models {
            if !text.contains(value) || !names_model(text, model) {
                unsaid.push(format!("{tool}.{parameter}: {value} is for {model}: {text}"));
            }
        }
    };
    let has = |row: &Value, list: &str, value: &str| {
        row[list].as_array().is_some_and(|list| list.iter().any(|known| known == value))
    };
    let speech = able("speech", |_| true);
    for emotion in ["happy", "sad", "angry", "fearful", "disgusted", "surprised", "calm", "fluent", "whisper"]
    {
        let models = able("speech", |row| has(row, "emotions", emotion));
        if models.len() < speech.len() {
            check("text_to_audio", "emotion", emotion, &models);
            check("speak", "emotion", emotion, &models);
        }
    }
    for language in ["Persian", "Filipino", "Tamil"] {
        let lacking = able("speech", |row| has(row, "not_languages", language));
        check("text_to_audio", "language_boost", language, &lacking);
    }
    for ratio in ["1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16", "21:9"] {
        let models = able("image", |row| has(row, "aspect_ratios", ratio));
        if models.len() == 1 {
            check("text_to_image", "aspect_ratio", ratio, &models);
        }
    }
    check("text_to_image", "style", "", &able("image", |row| row["styles"] == true));
    check("text_to_image", "width", "", &able("image", |row| row["sizes"] == true));
    let modes = |row: &Value| row["modes"].as_object().unwrap().clone();
    for resolution in ["480P", "512P", "720P", "1080P", "2K"] {
        let takes = |row: &Value| {
            modes(row)
                .values()
                .flat_map(|sizes| sizes.as_array().unwrap().clone())
                .any(|size| size["resolution"] == resolution)
        };
        check("generate_video", "resolution", resolution, &able("video", takes));
    }
    for (mode, parameter) in [
        ("last_frame", "last_frame_image"),
        ("subject", "subject_reference"),
        ("reference", "reference_images"),
        ("reference", "reference_videos"),
        ("reference", "reference_audios"),
    ] {
        check("generate_video", parameter, "", &able("video", |row| modes(row).contains_key(mode)));
    }
    check("generate_video", "prompt_expansion", "", &able("video", |row| row["prompt_expansion"] == true));
    check("music_generation", "reference_audio", "", &able("music", |row| row["cover"] == true));
    let optional = able("music", |row| row["optional_lyrics"] == true);
    check("music_generation", "is_instrumental", "", &optional);
    check("music_generation", "lyrics_optimizer", "", &optional);
    check("chat", "thinking", "off", &["MiniMax-M3".to_owned()]);
    assert!(unsaid.is_empty(), "{}", unsaid.join("\n"));
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
