//! Every rule about two parameters is in the description of one of them, and every value that only some models take
//! names those models. The rules are not listed here: calls find them, so a new one is found.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::descriptions::{Words, catalogue, facts};
use crate::harness::{World, text};
use crate::rules;

/// Whether `text` names the model, or its family where all of the family are meant.
fn names_model(text: &str, model: &str) -> bool {
    let family = match model {
        _ if model.starts_with("MiniMax-Hailuo") => "Hailuo",
        _ if model.starts_with("MiniMax-H3") => "H3 ",
        _ if model.starts_with("T2V-01") => "T2V-01",
        _ if model.starts_with("I2V-01") => "I2V-01",
        _ if model.starts_with("speech-02") => "speech-02",
        _ if model.starts_with("speech-01") => "speech-01",
        _ => model,
    };
    let whole = |name: &str| {
        let ends = |rest: &str| !rest.starts_with(|next: char| next == '-' || next.is_alphanumeric());
        text.match_indices(name).any(|(at, _)| ends(&text[at + name.len()..]))
    };
    whole(model)
        || (family != model && text.contains(family))
        || whole(model.trim_start_matches("MiniMax-Hailuo-"))
}

fn names_a_model(text: &str) -> bool {
    let families = ["Hailuo", "H3 models", "MiniMax-", "image-01", "speech-", "music-", "S2V-01"];
    families.iter().any(|family| text.contains(family))
}

/// Whether a text speaks of a parameter: by its name, as `reference_*`, or in words.
fn mentions(text: &str, parameter: &str) -> bool {
    let list = parameter.rsplit_once('_').map_or(parameter.to_owned(), |(head, _)| format!("{head}_*"));
    let words = parameter.trim_end_matches("_image").replace('_', " ");
    let text = text.to_lowercase();
    let is_word = |name: &str| {
        let is_part =
            |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
        text.match_indices(name).any(|(at, _)| {
            let after = text[at + name.len()..].trim_start_matches('s').chars().next();
            !is_part(text[..at].chars().next_back()) && !is_part(after)
        })
    };
    text.contains(&list)
        || is_word(parameter)
        || is_word(&words)
        || (parameter.contains("frame") && is_word("frames"))
}

/// Two parameters of a tool that a rule joins, with the value of the second in the call that was refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Joint {
    rule: &'static str,
    tool: &'static str,
    argument: String,
    other: String,
    value: String,
}

impl Joint {
    fn is_said(&self, words: &Words) -> bool {
        let of = |name: &str| words.parameters.get(name).map_or("", String::as_str);
        let (one, two) = (of(&self.argument), of(&self.other));
        if mentions(one, &self.other) || mentions(two, &self.argument) {
            return true;
        }
        if mentions(&words.tool, &self.other) && mentions(&words.tool, &self.argument) {
            return true;
        }
        // The model's own list may say which inputs it takes; otherwise the parameter says which models take it.
        if self.other == "model" {
            let known = self.value.split(' ').next_back().unwrap_or_default();
            return names_model(one, known) || names_a_model(one);
        }
        if self.argument == "model" {
            return names_a_model(two);
        }
        self.value.len() >= 3 && one.contains(&self.value)
    }
}

/// Calls `tool` without buying anything.
async fn rehearse(world: &World, tool: &'static str, arguments: &Value) -> Result<(), String> {
    let mut arguments = arguments.clone();
    if catalogue()[tool].parameters.contains_key("dry_run") {
        arguments["dry_run"] = json!(true);
    }
    let result = world.call(tool, arguments).await;
    if result.is_error == Some(true) { Err(text(&result)) } else { Ok(()) }
}

fn without(arguments: &Value, name: &str) -> Value {
    let mut rest = arguments.clone();
    rest.as_object_mut().unwrap().remove(name);
    rest
}

/// What the rows of the pre-flight table join: the refusal of an argument goes away with another argument.
async fn joints() -> BTreeSet<Joint> {
    let world = World::new().await;
    rules::inputs(&world);
    let catalogue = catalogue();
    let mut joints = BTreeSet::new();
    for (rule, tool, arguments, argument, legal) in rules::rows() {
        let arguments = rules::placed(&world, arguments);
        let known = &catalogue[tool].parameters;
        let argument = argument.split(['[', '.']).next().unwrap();
        if !known.contains_key(argument) {
            continue;
        }
        let joint = |other: &str, value: &Value| Joint {
            rule,
            tool,
            argument: argument.to_owned(),
            other: other.to_owned(),
            value: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        };
        if known.contains_key(legal) && legal != argument {
            joints.insert(joint(legal, &Value::Null));
        }
        for (other, value) in arguments.as_object().unwrap() {
            if other == argument || !known.contains_key(other) {
                continue;
            }
            let is_free_of_it = match rehearse(&world, tool, &without(&arguments, other)).await {
                Ok(()) => true,
                Err(said) => {
                    !said.contains(&format!("`{argument}`")) && !said.contains(&format!("`{other}`"))
                }
            };
            if is_free_of_it {
                joints.insert(joint(other, value));
            }
        }
    }
    joints
}

fn unsaid(joints: &BTreeSet<Joint>, catalogue: &BTreeMap<String, Words>) -> Vec<String> {
    let unsaid = joints.iter().filter(|joint| !joint.is_said(&catalogue[joint.tool]));
    unsaid
        .map(|joint| {
            format!("{}: {}.{} and {} {}", joint.rule, joint.tool, joint.argument, joint.other, joint.value)
        })
        .collect()
}

#[tokio::test]
async fn every_rule_about_two_parameters_is_in_the_description_of_one() {
    let (joints, mut catalogue) = (joints().await, catalogue());
    let missing = unsaid(&joints, &catalogue);
    assert!(missing.is_empty(), "{} of {} rules:\n{}", missing.len(), joints.len(), missing.join("\n"));
    // The check sees what it is for: with empty descriptions, every rule is missing.
    for words in catalogue.values_mut() {
        words.tool.clear();
        words.parameters.values_mut().for_each(String::clear);
    }
    assert_eq!(unsaid(&joints, &catalogue).len(), joints.len());
    assert!(joints.len() > 60, "{} rules", joints.len());
}

/// The models of a table, without those that MiniMax stopped or no longer documents.
fn models(table: &str) -> Vec<String> {
    let rows = facts()[table].as_array().unwrap().clone();
    let rows = rows.iter().filter(|row| row["stopped"] != true && row.get("note").is_none());
    rows.map(|row| row["model"].as_str().unwrap().to_owned()).collect()
}

/// The tools with a choice of models, and inputs that at least one model takes.
fn tools_with_models() -> Vec<(&'static str, Vec<String>, Vec<Value>)> {
    let speech = || models("speech");
    vec![
        ("text_to_image", models("image"), vec![json!({ "prompt": "x" })]),
        ("text_to_audio", speech(), vec![json!({ "text": "x" })]),
        ("speak", speech(), vec![json!({ "text": "x" })]),
        (
            "music_generation",
            models("music"),
            vec![
                json!({ "prompt": "Jazz with a bass", "lyrics": "Rain on the roof" }),
                json!({ "prompt": "Jazz with a bass" }),
                json!({ "prompt": "Jazz with a bass", "reference_audio": "@12s.wav" }),
            ],
        ),
        (
            "generate_video",
            models("video"),
            vec![
                json!({ "prompt": "x" }),
                json!({ "prompt": "x", "first_frame_image": "@face.jpg" }),
                json!({ "prompt": "x", "last_frame_image": "@face.jpg" }),
                json!({ "prompt": "x", "subject_reference": "@face.jpg" }),
                json!({ "prompt": "x", "reference_images": ["@face.jpg"] }),
            ],
        ),
        (
            "chat",
            ["MiniMax-M3.1-Flash", "MiniMax-M3"].map(str::to_owned).to_vec(),
            vec![json!({ "prompt": "x" }), json!({ "prompt": "x", "api": "responses" })],
        ),
    ]
}

/// The values to try for each parameter: those of its list, `true`, and what a number or a text needs to be legal.
fn values(tool: &str) -> Vec<(String, Value)> {
    let all = minimax_mcp::tools::catalogue().tools();
    let schema = all.iter().find(|known| known.name == tool).unwrap().input_schema.clone();
    let mut values = vec![];
    for (name, property) in schema["properties"].as_object().unwrap() {
        match &property["enum"] {
            Value::Array(legal) => values.extend(legal.iter().map(|value| (name.clone(), value.clone()))),
            _ if property["type"] == "boolean" && name != "dry_run" => {
                values.push((name.clone(), json!(true)));
            }
            _ => {}
        }
    }
    let emotions =
        ["happy", "sad", "angry", "fearful", "disgusted", "surprised", "calm", "fluent", "whisper"];
    let languages = ["Persian", "Filipino", "Tamil", "French", "Greek"];
    let images = |name: &str, file: &str| (name.to_owned(), json!([file]));
    match tool {
        // Its enum is left out of the schema to save bytes.
        "speak" => values.extend(emotions.map(|emotion| ("emotion".to_owned(), json!(emotion)))),
        "text_to_image" => values.push(("width".to_owned(), json!(512))),
        "music_generation" => values.push(("reference_audio".to_owned(), json!("@12s.wav"))),
        "generate_video" => values.extend([
            ("last_frame_image".to_owned(), json!("@face.jpg")),
            ("subject_reference".to_owned(), json!("@face.jpg")),
            images("reference_images", "@face.jpg"),
            images("reference_videos", "@base.mp4"),
        ]),
        _ => {}
    }
    if tool == "text_to_audio" {
        values.extend(languages.map(|language| ("language_boost".to_owned(), json!(language))));
    }
    values
}

#[tokio::test]
async fn every_value_that_only_some_models_take_names_those_models() {
    let world = World::new().await;
    rules::inputs(&world);
    let catalogue = catalogue();
    let (mut unsaid, mut found) = (Vec::new(), 0);
    for (tool, models, bases) in tools_with_models() {
        for (parameter, value) in values(tool) {
            let mut takes = BTreeMap::new();
            for model in &models {
                let mut is_taken = false;
                for base in &bases {
                    let mut arguments = base.clone();
                    arguments["model"] = json!(model);
                    arguments[&parameter] = value.clone();
                    if parameter == "width" {
                        arguments["height"] = json!(512);
                    }
                    let arguments = rules::placed(&world, arguments);
                    is_taken = is_taken || rehearse(&world, tool, &arguments).await.is_ok();
                }
                takes.insert(model.as_str(), is_taken);
            }
            let (able, unable): (Vec<_>, Vec<_>) = models.iter().partition(|model| takes[model.as_str()]);
            if able.is_empty() || unable.is_empty() {
                continue;
            }
            found += 1;
            let text = &catalogue[tool].parameters[&parameter];
            let names_all = |models: &[&String]| models.iter().all(|model| names_model(text, model));
            let is_shown = value.as_str().is_none_or(|value| value.starts_with('/') || text.contains(value));
            let is_shown = is_shown || value.as_str().is_some_and(|value| value.starts_with('@'));
            // A parameter that takes every one of its values alike need not repeat them.
            let is_listed = is_shown
                || (names_all(&able) && text.contains("only"))
                || !names_some_value(tool, &parameter, text);
            if !is_listed || !(names_all(&able) || names_all(&unable)) {
                unsaid.push(format!("{tool}.{parameter} {value}: for {able:?}, not {unable:?}: {text}"));
            }
        }
    }
    assert!(unsaid.is_empty(), "{} of {found}:\n{}", unsaid.len(), unsaid.join("\n"));
    assert!(found > 30, "only {found}");
    assert_eq!(world.bought(), 0);
}

/// Calls that are accepted, to which arguments are added.
fn bases() -> Vec<(&'static str, Value)> {
    let of_models = tools_with_models().into_iter();
    let with_models = of_models.flat_map(|(tool, _, bases)| bases.into_iter().map(move |base| (tool, base)));
    let others = [
        ("voice_clone", json!({ "voice_id": "NewVoice2026", "file": "@12s.wav" })),
        ("speech_to_text", json!({ "file": "@12s.wav" })),
        ("generate_lyrics", json!({ "prompt": "Rain" })),
        ("enhance_video_prompt", json!({ "prompt": "A fox" })),
        ("regenerate_video", json!({ "prompt": "A fox", "video": "@base.mp4" })),
        ("music_generation", json!({ "prompt": "Jazz with a bass", "is_instrumental": true })),
        ("music_generation", json!({ "prompt": "Jazz with a bass", "lyrics_optimizer": true })),
    ];
    with_models.chain(others).collect()
}

/// Texts, files and numbers to try, each legal in some call of the tool.
fn texts(tool: &str) -> Vec<(String, Value)> {
    let image = || json!("@face.jpg");
    let texts: Vec<(&str, Value)> = match tool {
        "voice_clone" => vec![
            ("text", json!("Hi.")),
            ("prompt_audio", json!("@5s.wav")),
            ("prompt_text", json!("Hello.")),
            ("accuracy", json!(0.5)),
            ("text_validation", json!("Hello.")),
        ],
        "generate_lyrics" | "music_generation" => vec![("lyrics", json!("Rain on the roof"))],
        "enhance_video_prompt" | "regenerate_video" => vec![
            ("first_frame_image", image()),
            ("last_frame_image", image()),
            ("reference_images", json!([image()])),
            ("reference_videos", json!(["@9s.mp4"])),
            ("reference_audios", json!(["@5s.wav"])),
        ],
        "generate_video" => vec![
            ("first_frame_image", image()),
            ("reference_audios", json!(["@5s.wav"])),
            ("duration", json!(10)),
            ("duration", json!(4)),
        ],
        "text_to_image" => vec![("height", json!(512)), ("style_weight", json!(0.5))],
        "text_to_audio" => vec![
            ("voice_id", json!("English_expressive_narrator")),
            ("voice_modify_pitch", json!(5)),
            (
                "voice_mix",
                json!([
                    { "voice_id": "English_expressive_narrator", "weight": 1 },
                    { "voice_id": "female-shaonv", "weight": 1 },
                ]),
            ),
        ],
        "chat" => vec![
            ("response_format", json!({ "type": "json_object" })),
            ("temperature", json!(1.5)),
            ("top_p", json!(0)),
        ],
        _ => vec![],
    };
    texts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The pairs of arguments that are accepted one by one and refused together, or the other way round: each from both
/// sides.
async fn joined_pairs() -> BTreeSet<[Joint; 2]> {
    let world = World::new().await;
    rules::inputs(&world);
    let catalogue = catalogue();
    let mut joints = BTreeSet::new();
    for (tool, base) in bases() {
        let models = tools_with_models().into_iter().find(|(name, ..)| *name == tool);
        let models = models.map(|(_, models, _)| models).unwrap_or_default();
        let models = models.into_iter().map(|model| ("model".to_owned(), json!(model)));
        let tried: Vec<_> = values(tool).into_iter().chain(texts(tool)).chain(models).collect();
        let tried: Vec<_> = tried.into_iter().filter(|(name, _)| base.get(name).is_none()).collect();
        let is_accepted = async |added: &[&(String, Value)]| {
            let mut arguments = base.clone();
            for (name, value) in added {
                arguments[name] = value.clone();
            }
            rehearse(&world, tool, &rules::placed(&world, arguments)).await.is_ok()
        };
        // A call that lacks something is accepted with more of it, which joins nothing.
        if !is_accepted(&[]).await {
            continue;
        }
        let mut alone = Vec::new();
        for one in &tried {
            alone.push(is_accepted(&[one]).await);
        }
        for (place, one) in tried.iter().enumerate() {
            for (other_place, other) in tried.iter().enumerate().skip(place + 1) {
                let expected = (alone[place], alone[other_place]);
                if one.0 == other.0 || expected == (false, false) {
                    continue;
                }
                if is_accepted(&[one, other]).await != (expected == (true, true)) {
                    let joint = |one: &(String, Value), other: &(String, Value)| Joint {
                        rule: "a pair",
                        tool,
                        argument: one.0.clone(),
                        other: other.0.clone(),
                        value: other.1.as_str().map_or_else(|| other.1.to_string(), str::to_owned),
                    };
                    joints.insert([joint(one, other), joint(other, one)]);
                }
            }
        }
    }
    assert_eq!(world.bought(), 0);
    let known = |joint: &Joint| catalogue[joint.tool].parameters.contains_key(&joint.argument);
    assert!(joints.iter().flatten().all(known));
    joints
}

/// The table of rules is made by hand, and may lack one. This finds the rules by trial.
#[tokio::test]
async fn every_refused_pair_of_accepted_arguments_is_described() {
    let (joints, catalogue) = (joined_pairs().await, catalogue());
    // Where each names the models or protocols that take it, a call with both needs one that takes both.
    let names_models = |joint: &Joint| {
        let text = &catalogue[joint.tool].parameters[&joint.argument];
        names_a_model(text) || text.contains("api anthropic") || text.contains("api openai")
    };
    let is_said = |sides: &&[Joint; 2]| {
        sides.iter().any(|joint| joint.is_said(&catalogue[joint.tool])) || sides.iter().all(names_models)
    };
    let unsaid: Vec<_> = joints.iter().filter(|sides| !is_said(sides)).map(|[joint, _]| joint).collect();
    assert!(unsaid.is_empty(), "{} of {}: {unsaid:#?}", unsaid.len(), joints.len());
    let pairs: BTreeSet<_> =
        joints.iter().map(|[joint, _]| (joint.tool, &joint.argument, &joint.other)).collect();
    assert!(pairs.len() > 40, "only {}", pairs.len());
}

/// Whether a description tells the values of its parameter apart.
fn names_some_value(tool: &str, parameter: &str, text: &str) -> bool {
    let values = values(tool).into_iter().filter(|(name, _)| name == parameter);
    values.filter_map(|(_, value)| value.as_str().map(str::to_owned)).any(|value| text.contains(&value))
}
