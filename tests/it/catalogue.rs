//! The catalogue as clients see it. It is an interface, so it must only change on purpose.

use minimax_mcp::config::Toolset;
use minimax_mcp::mcp::Billing;
use minimax_mcp::tools::{self, INSTRUCTIONS};
use rmcp::ServerHandler as _;
use serde_json::Value;

use crate::generated;
use crate::harness::World;

/// The list is a file because making it takes milliseconds. Its diff shows what a change does to what clients see.
#[test]
fn the_list_is_what_the_code_makes() {
    let fresh = serde_json::to_string_pretty(&tools::catalogue().made()).unwrap() + "\n";
    let update = "src/tools/list.json is out of date; `UPDATE=1 cargo test --test it the_list_is_what_the_code_makes` \
                  writes it";
    assert!(generated::has("src/tools/list.json", &fresh), "{update}");
    // The program of a test that writes the list still has the old one.
    assert!(generated::are_written() || tools::catalogue().tools() == tools::catalogue().made(), "{update}");
}

#[test]
fn every_tool_has_one_spec_that_agrees_with_what_a_client_sees() {
    let catalogue = tools::catalogue();
    let tools = catalogue.tools();
    let job_view = tools.iter().find(|tool| tool.name == "text_to_image").unwrap().output_schema.clone();
    for tool in &tools {
        let specs: Vec<_> = catalogue.specs().filter(|spec| spec.name == tool.name).collect();
        let [spec] = specs.as_slice() else { panic!("{} has {} specs", tool.name, specs.len()) };
        let costs = tool.description.as_ref().unwrap().contains("Costs money.");
        let billing = match (costs, tool.output_schema == job_view) {
            (false, _) => Billing::Free,
            (true, true) => Billing::Job,
            (true, false) => Billing::Immediate,
        };
        assert_eq!(spec.billing, billing, "{}", tool.name);
    }
    let names: Vec<_> = tools.iter().map(|tool| &*tool.name).collect();
    for spec in catalogue.specs() {
        let name = spec.name;
        assert!(names.contains(&name), "`{name}` is not in src/tools/list.json, which `just tables` writes");
        let taken = |alias: &&&str| names.contains(*alias);
        assert_eq!(spec.aliases.iter().find(taken), None, "an alias of `{}` is a tool", spec.name);
    }
}

#[test]
fn every_tool_but_the_one_that_shows_pictures_says_what_it_answers() {
    for tool in tools::catalogue().tools() {
        assert_eq!(tool.output_schema.is_none(), tool.name == "view_media", "{}", tool.name);
    }
}

/// Checks the rules of all clients that are known to be strict about schemas.
fn check_schema(schema: &Value, path: &str, input: bool) {
    let object = schema.as_object().unwrap_or_else(|| panic!("{path} is a boolean schema"));
    for word in ["anyOf", "oneOf", "allOf", "$ref", "$defs", "$schema", "nullable", "title", "format"] {
        assert!(!object.contains_key(word), "{path} has {word}");
    }
    assert!(object.get("type").is_none_or(Value::is_string), "{path} has a list of types");
    assert_ne!(object.get("type").and_then(Value::as_str), Some("null"), "{path}");
    assert!(!object.get("default").is_some_and(Value::is_null), "{path} has the default null");
    let number = matches!(object.get("type").and_then(Value::as_str), Some("integer" | "number"));
    if input && number && !path.ends_with("seed") {
        let bounded = object.contains_key("enum")
            || (object.contains_key("maximum")
                && (object.contains_key("minimum") || object.contains_key("exclusiveMinimum")));
        assert!(bounded, "{path} has no range");
    }
    for (name, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{path}.{name}");
        if input && !path.contains("[]") {
            assert!(property.get("description").is_some(), "{path} has no description");
        }
        check_schema(property, &path, input);
    }
    assert!(object.get("required").is_none_or(Value::is_array), "{path}: `required` is a list or absent");
    let is_array = object.get("type").is_some_and(|kind| kind == "array");
    assert!(!is_array || object.get("items").is_some_and(Value::is_object), "{path} has no items");
    if let Some(items) = object.get("items") {
        check_schema(items, &format!("{path}[]"), input);
    }
}

/// Hosts refuse whole requests for one name with a dot or a space.
#[tokio::test]
async fn every_name_has_only_the_letters_that_every_host_takes() {
    fn check(name: &str) {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        assert!((1..=60).contains(&name.len()) && name.chars().all(is_plain), "{name}");
    }
    fn properties(schema: &Value) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            check(name);
            properties(property);
            properties(&property["items"]);
        }
    }
    let world = World::new().await;
    for tool in world.client.list_all_tools().await.unwrap() {
        check(&tool.name);
        properties(&Value::Object(tool.input_schema.as_ref().clone()));
        properties(&Value::Object(
            tool.output_schema.map(|schema| schema.as_ref().clone()).unwrap_or_default(),
        ));
    }
    for prompt in world.client.list_all_prompts().await.unwrap() {
        check(&prompt.name);
        prompt.arguments.into_iter().flatten().for_each(|argument| check(&argument.name));
    }
}

/// A string without a limit could have any length, and would be stored, shown and sent.
#[test]
fn every_string_of_every_input_has_a_greatest_length() {
    fn walk(schema: &Value, path: &str) {
        if schema["type"] == "string" {
            let most = schema["maxLength"].as_u64().unwrap_or_else(|| panic!("{path} has no maxLength"));
            let media = 16 * 1024 * 1024;
            assert!(most <= 4_000_000 || most == media, "{path}: {most}");
            let name = path.rsplit('.').next().unwrap();
            if name.ends_with("_id") || ["model", "cursor", "purpose", "language"].contains(&name) {
                assert_eq!(most, 256, "{path}");
            }
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(property, &format!("{path}.{name}"));
        }
        if let Some(items) = schema.get("items") {
            walk(items, &format!("{path}[]"));
        }
    }
    for tool in tools::catalogue().tools() {
        // The list leaves lengths out; calls are checked against them.
        let catalogue = tools::catalogue();
        let accepted = catalogue.accepted(&tool.name).unwrap();
        walk(&Value::Object(accepted.as_ref().clone()), &tool.name);
    }
}

#[test]
fn every_schema_is_flat_and_without_unions() {
    for tool in tools::catalogue().tools() {
        check_schema(&Value::Object(tool.input_schema.as_ref().clone()), &tool.name, true);
        if let Some(output) = tool.output_schema {
            check_schema(&Value::Object(output.as_ref().clone()), &tool.name, false);
        }
    }
}

#[test]
fn a_default_is_in_the_description_too_because_some_clients_strip_it() {
    for tool in tools::catalogue().tools() {
        for (name, property) in tool.input_schema["properties"].as_object().unwrap() {
            let Some(default) = property.get("default") else { continue };
            // A switch that is off by default needs no explanation.
            if default == &Value::Bool(false) {
                continue;
            }
            let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            let description = property["description"].as_str().unwrap();
            assert!(description.contains(&text), "{}.{name}: {description}", tool.name);
        }
    }
}

#[test]
fn parameters_come_in_the_order_in_which_a_model_needs_them() {
    let order = |name: &str| -> Vec<String> {
        let tool = tools::catalogue().tools().into_iter().find(|tool| tool.name == name).unwrap();
        tool.input_schema["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let job = ["output_directory", "wait_seconds", "dry_run", "idempotency_key"];
    let image = [
        "prompt",
        "model",
        "aspect_ratio",
        "width",
        "height",
        "n",
        "seed",
        "prompt_optimizer",
        "subject_reference",
        "style",
        "style_weight",
        "watermark",
    ];
    assert_eq!(order("text_to_image"), [&image[..], &job[..]].concat());
    let video = [
        "prompt",
        "model",
        "first_frame_image",
        "last_frame_image",
        "subject_reference",
        "reference_images",
        "reference_videos",
        "reference_audios",
        "duration",
        "resolution",
        "ratio",
        "prompt_optimizer",
        "fast_pretreatment",
        "prompt_expansion",
        "watermark",
        "callback_url",
    ];
    assert_eq!(order("generate_video"), [&video[..], &job[..]].concat());
    let chat = [
        "prompt",
        "messages",
        "system",
        "model",
        "api",
        "thinking",
        "effort",
        "temperature",
        "top_p",
        "max_tokens",
        "tools",
        "tool_choice",
        "web_search",
        "response_format",
        "service_tier",
        "conversation_id",
        "dry_run",
    ];
    assert_eq!(order("chat"), chat);
    assert_eq!(order("get_job"), ["job_id", "job_ids", "wait_seconds"]);
    assert_eq!(order("list_jobs"), ["status", "kind", "query", "limit", "cursor"]);
}

#[test]
fn names_and_descriptions_fit_every_client() {
    for tool in tools::catalogue().tools() {
        assert!(
            tool.name.len() <= 32 && tool.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{}",
            tool.name
        );
        let description = tool.description.unwrap();
        assert!(description.chars().count() <= 2000, "{}", tool.name);
        assert!(tool.title.is_some(), "{}", tool.name);
        let hints = tool.annotations.unwrap();
        for hint in
            [hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint]
        {
            assert!(hint.is_some(), "{} leaves a hint out", tool.name);
        }
        let paid = description.contains("Costs money.");
        let rehearsed = tool.input_schema["properties"].get("dry_run").is_some();
        assert_eq!(paid, rehearsed, "{}", tool.name);
        // All reach MiniMax or the web, but for the list of records.
        assert_eq!(hints.open_world_hint, Some(tool.name != "list_jobs"), "{}", tool.name);
        assert!(
            !(paid && hints.read_only_hint == Some(true)),
            "{} costs money and says it is read-only",
            tool.name
        );
    }
    assert!(INSTRUCTIONS.len() <= 1200, "{} bytes", INSTRUCTIONS.len());
}

/// Aliases and rare parameters are accepted but not listed, to save context.
#[tokio::test]
async fn a_quiet_parameter_is_accepted_and_not_listed() {
    let world = World::new().await;
    let view = world.make("generate_video", serde_json::json!({ "prompt": "x", "async_mode": true })).await;
    assert_ne!(view["status"], "succeeded", "it was not waited for");
    for tool in tools::catalogue().tools() {
        assert!(tool.input_schema["properties"].get("async_mode").is_none(), "{}", tool.name);
    }
}

/// What a model reads of the default list, and the whole answer of `tools/list`, in bytes.
#[tokio::test]
async fn the_catalogue_costs_little_context() {
    let world = World::new().await;
    let tools = world.client.list_all_tools().await.unwrap();
    let size = |value: &Value| serde_json::to_string(value).unwrap().len();
    let read = |tool: &rmcp::model::Tool| {
        let schema = Value::Object(tool.input_schema.as_ref().clone());
        tool.name.len() + tool.description.as_deref().unwrap_or_default().len() + size(&schema)
    };
    let read: usize = tools.iter().map(read).sum();
    let answer = size(&serde_json::json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": tools } }));
    let (most_read, most) = (32_000, 48_000);
    assert!(
        read <= most_read && answer <= most,
        "{read} bytes to read, {} too many; {answer} bytes in all, {} too many",
        read.saturating_sub(most_read),
        answer.saturating_sub(most)
    );
}

#[tokio::test]
async fn toolsets_and_read_only_decide_which_tools_are_listed() {
    let names = |settings: &'static [(&str, &str)]| async move {
        let world = World::with(crate::harness::quick(), settings).await;
        let tools = world.client.list_all_tools().await.unwrap();
        tools.into_iter().map(|tool| tool.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        names(&[("MINIMAX_TOOLSETS", "image")]).await,
        ["cancel_job", "get_job", "list_jobs", "text_to_image", "view_media"]
    );
    let read_only: Vec<_> = tools::catalogue()
        .tools()
        .into_iter()
        .filter(|tool| tool.annotations.as_ref().unwrap().read_only_hint == Some(true))
        .filter(|tool| tools::catalogue().toolset_of(&tool.name) != Some(Toolset::Legacy))
        .map(|tool| tool.name.to_string())
        .collect();
    assert!(read_only.len() > 10 && !read_only.iter().any(|name| name == "text_to_image"), "{read_only:?}");
    assert_eq!(names(&[("MINIMAX_READ_ONLY", "true")]).await, read_only);
    assert_eq!(tools::catalogue().toolset_of("generate_video"), Some(Toolset::Video));
}

#[tokio::test]
async fn the_server_and_everything_it_offers_has_a_title_and_the_server_alone_a_picture() {
    let world = World::new().await;
    let me = world.client.peer_info().unwrap().server_info.clone().unwrap();
    assert_eq!(me.title.as_deref(), Some("MiniMax"));
    assert!(me.website_url.unwrap().starts_with("https://"));
    let icons = me.icons.unwrap();
    let picture = icons[0].src.strip_prefix("data:image/png;base64,").unwrap();
    // The icon is sent at the start of every session.
    assert!(picture.len() < 1000, "{}", picture.len());
    let bytes = data_encoding::BASE64.decode(picture.as_bytes()).unwrap();
    let size = imagesize::blob_size(&bytes).unwrap();
    assert_eq!(icons[0].sizes, Some(vec![format!("{}x{}", size.width, size.height)]));
    let titled = |title: Option<String>| title.is_some_and(|title| !title.is_empty());
    for tool in tools::catalogue().tools() {
        assert!(titled(tool.title), "{}", tool.name);
        assert!(tool.icons.is_none(), "{}", tool.name);
    }
    for prompt in world.client.list_all_prompts().await.unwrap() {
        assert!(titled(prompt.title), "{}", prompt.name);
    }
    for template in world.client.list_all_resource_templates().await.unwrap() {
        assert!(titled(template.title), "{}", template.name);
    }
}

/// The transport finds a tool's schema by name, to check the headers of a call.
#[tokio::test]
async fn every_tool_is_found_by_its_name_as_it_is_listed() {
    let world = World::new().await;
    for tool in world.client.list_all_tools().await.unwrap() {
        assert_eq!(world.server.get_tool(&tool.name).as_ref(), Some(&tool));
    }
    let elsewhere = world.server.get_tool("image_to_video").unwrap();
    assert_eq!(elsewhere.name, "generate_video", "the name that another server gives it");
    assert!(world.server.get_tool("no_such_tool").is_none());
}
