//! The wishes in `bench/wishes`: each fits the tools, its right calls are accepted, and the runner scores as
//! documented.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use minimax_mcp::config::Toolset;
use minimax_mcp::sandbox::{Pace, Rule};
use minimax_mcp::tools;
use serde_json::{Value, json};

use crate::harness::{World, quick, text};
use crate::media::files::{png, wav};

fn bench() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/wishes"))
}

fn file() -> Value {
    serde_json::from_str(&std::fs::read_to_string(bench().join("wishes.json")).unwrap()).unwrap()
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// The parameters of each tool that is on by default.
fn parameters() -> BTreeMap<String, BTreeSet<String>> {
    let parameters = |tool: rmcp::model::Tool| {
        let names = tool.input_schema["properties"].as_object().unwrap().keys().cloned().collect();
        (tool.name.to_string(), names)
    };
    let all = tools::catalogue().made().into_iter().map(parameters);
    all.filter(|(name, _)| tools::catalogue().toolset_of(name) != Some(Toolset::Legacy)).collect()
}

/// The calls that count as right: those of the first step and of all others.
fn right(wish: &Value) -> Vec<&Value> {
    let then = list(wish, "then").iter().flat_map(|step| step.as_array().unwrap());
    list(wish, "right").iter().chain(then).filter(|call| call["ask"] != true).collect()
}

#[test]
fn there_are_wishes_for_every_tool_and_a_third_has_a_trap() {
    let (file, parameters) = (file(), parameters());
    let wishes = list(&file, "wishes");
    assert!(wishes.len() >= 120, "{}", wishes.len());
    let ids: BTreeSet<_> = wishes.iter().map(|wish| word(&wish["id"])).collect();
    let words: BTreeSet<_> = wishes.iter().map(|wish| word(&wish["wish"])).collect();
    assert_eq!((ids.len(), words.len()), (wishes.len(), wishes.len()));
    let mut traps: BTreeMap<&str, usize> =
        file["traps"].as_object().unwrap().keys().map(|trap| (trap.as_str(), 0)).collect();
    for wish in wishes.iter().filter(|wish| wish.get("trap").is_some()) {
        *traps.get_mut(word(&wish["trap"])).unwrap_or_else(|| panic!("no kind of trap: {wish}")) += 1;
        assert!(wish["why"].is_string(), "{wish}");
    }
    assert!(traps.values().sum::<usize>() >= 40, "{traps:?}");
    assert!(traps.values().all(|count| *count >= 3), "{traps:?}");
    let used: BTreeSet<_> = wishes.iter().flat_map(right).map(|call| word(&call["tool"])).collect();
    let unused: Vec<_> = parameters.keys().filter(|tool| !used.contains(tool.as_str())).collect();
    assert!(unused.is_empty(), "no wish for {unused:?}");
}

#[test]
fn every_tool_and_argument_that_a_wish_names_exists() {
    let (file, parameters) = (file(), parameters());
    let check = |place: &Value, tool: &str, names: &mut dyn Iterator<Item = &str>| {
        let known = parameters.get(tool).unwrap_or_else(|| panic!("{place}: no tool {tool}"));
        for name in names {
            assert!(known.contains(name), "{place}: {tool} has no {name}");
        }
    };
    for wish in list(&file, "wishes") {
        assert!(!list(wish, "right").is_empty(), "{wish}");
        let others = ["before", "never"].into_iter().flat_map(|field| list(wish, field));
        for call in right(wish).into_iter().chain(others) {
            let given = call["arguments"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
            let more = ["without", "may"].into_iter().flat_map(|field| list(call, field)).map(word);
            check(&wish["id"], word(&call["tool"]), &mut given.chain(more));
        }
        let toolset = |call: &Value| {
            let toolset = tools::catalogue().toolset_of(word(&call["tool"])).unwrap();
            format!("{toolset:?}").to_lowercase()
        };
        let mut named = right(wish).into_iter().chain(list(wish, "never"));
        assert!(named.any(|call| toolset(call) == word(&wish["toolset"])), "{}", wish["id"]);
    }
    for tool in list(&file, "looks") {
        check(&json!("looks"), word(tool), &mut std::iter::empty());
        let words = tools::catalogue().made().into_iter().find(|known| known.name == word(tool)).unwrap();
        assert!(words.description.unwrap().ends_with("Free."), "{tool}");
    }
    for field in ["free_choice", "same_as_absent"] {
        for (tool, names) in file[field].as_object().unwrap() {
            let names: Vec<_> = match names {
                Value::Array(names) => names.iter().map(word).collect(),
                names => names.as_object().unwrap().keys().map(String::as_str).collect(),
            };
            // What any call may have is a parameter of at least one tool, or understood without being listed.
            if tool == "*" {
                let known = |name: &str| parameters.values().any(|known| known.contains(name));
                assert!(names.iter().all(|name| known(name) || *name == "async_mode"), "{names:?}");
            } else {
                check(&json!(field), tool, &mut names.into_iter());
            }
        }
    }
}

/// The argument that a pattern shows as an example, or what it names of the result before.
fn example(pattern: &Value, before: &Value) -> Value {
    let Some(fields) = pattern.as_object() else { return pattern.clone() };
    if let Some(example) = fields.get("example") {
        return example.clone();
    }
    if let Some(values) = fields.get("is") {
        return values[0].clone();
    }
    if let Some(parts) = fields.get("has") {
        return parts.as_array().unwrap().iter().map(|part| example(part, before)).collect();
    }
    if let Some(parts) = fields.get("fields") {
        let parts = parts.as_object().unwrap().iter();
        return parts.map(|(name, part)| (name.clone(), example(part, before))).collect();
    }
    let path = fields.get("earlier").unwrap_or_else(|| panic!("an unknown pattern: {pattern}"));
    before.pointer(&format!("/{}", word(path).replace('.', "/"))).unwrap().clone()
}

/// The arguments of a right call, with what they take from the result before.
fn arguments(call: &Value, before: &Value) -> BTreeMap<String, Value> {
    let patterns = call["arguments"].as_object().unwrap().iter();
    patterns.map(|(name, pattern)| (name.clone(), example(pattern, before))).collect()
}

/// The arguments with which a wish calls a tool, if they need neither a file nor an earlier call. Other tests use them for
/// tools that are in no list of their own.
pub(crate) fn plain_call(tool: &str) -> Option<Value> {
    let file = file();
    let first = |wish: &&Value| wish.get("before").or(wish.get("elsewhere")).is_none();
    let calls = list(&file, "wishes").iter().filter(first).flat_map(|wish| list(wish, "right"));
    let of_tool = calls.filter(|call| call["ask"] != true && call["tool"] == tool);
    of_tool.map(|call| json!(arguments(call, &Value::Null))).find(|call| !call.to_string().contains("~/"))
}

/// A world with the user's files, in the state in which the wish is made.
struct Scene {
    world: World,
    /// What a wish calls something, and what it is called here.
    names: Vec<(String, String)>,
}

impl Scene {
    async fn of(file: &Value, wish: &Value) -> Self {
        let pace = wish.get("pace").map_or_else(quick, |pace| Pace {
            polls: u32::try_from(pace["polls"].as_u64().unwrap()).unwrap(),
            seconds: pace["seconds"].as_f64().unwrap(),
            ..quick()
        });
        let world = World::with(pace, &[]).await;
        let home = world.dir.path().join("home");
        for (name, content) in file["files"].as_object().unwrap() {
            let path = home.join(name.trim_start_matches("~/"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let side = |index: usize| u32::try_from(content["png"][index].as_u64().unwrap()).unwrap();
            let bytes = if content["png"].is_array() {
                png(side(0), side(1), 4096)
            } else if let Some(seconds) = content["wav"].as_u64() {
                wav(u32::try_from(seconds).unwrap())
            } else {
                b"The sea was calm. ".repeat(usize::try_from(content["text"].as_u64().unwrap()).unwrap())
            };
            std::fs::write(path, bytes).unwrap();
        }
        let faults: Vec<Rule> =
            serde_json::from_value(wish.get("faults").cloned().unwrap_or(json!([]))).unwrap();
        world.sandbox.script(faults);
        let home = serde_json::to_string(&home).unwrap();
        let names = vec![("~/".to_owned(), format!("{}/", home.trim_matches('"')))];
        let mut scene = Self { world, names };
        for order in list(wish, "elsewhere") {
            let url = format!("{}{}", scene.world.sandbox.url(), word(&order["path"]));
            let sent =
                crate::harness::http_client().post(url).bearer_auth("sk-api-secret").json(&order["body"]);
            let taken: Value = sent.send().await.unwrap().json().await.unwrap();
            scene.keep(&order["keep"], &taken);
        }
        for call in list(wish, "before") {
            let result = scene.call(&call["tool"], call["arguments"].clone()).await;
            scene.keep(&call["keep"], &result.structured_content.unwrap_or_default());
        }
        scene
    }

    fn keep(&mut self, keep: &Value, result: &Value) {
        for (name, path) in keep.as_object().into_iter().flatten() {
            let path = format!("/{}", word(path).replace('.', "/"));
            let real = result.pointer(&path).unwrap_or_else(|| panic!("no {path} in {result}"));
            let real = serde_json::to_string(real).unwrap();
            self.names.insert(0, (name.clone(), real.trim_matches('"').to_owned()));
        }
    }

    async fn call(&self, tool: &Value, arguments: Value) -> rmcp::model::CallToolResult {
        let text =
            self.names.iter().fold(arguments.to_string(), |text, (name, real)| text.replace(name, real));
        let tool: &'static str = word(tool).to_owned().leak();
        self.world.call(tool, serde_json::from_str(&text).unwrap()).await
    }

    /// Makes a right call, as a rehearsal where there is one, and returns its result.
    async fn accepts(&self, wish: &Value, call: &Value, before: &Value, rehearse: bool) -> Value {
        let mut arguments = arguments(call, before);
        let in_folder = arguments.contains_key("output_directory");
        if in_folder && crate::s3::leaves_out("a folder for results") {
            arguments.remove("output_directory");
        }
        if rehearse && parameters()[word(&call["tool"])].contains("dry_run") {
            arguments.insert("dry_run".to_owned(), json!(true));
        }
        let bought = self.world.bought();
        let result = self.call(&call["tool"], json!(arguments)).await;
        assert_ne!(result.is_error, Some(true), "{}: {call}: {}", wish["id"], text(&result));
        assert!(!rehearse || self.world.bought() == bought, "{}: {call} is billed", wish["id"]);
        result.structured_content.unwrap_or_default()
    }
}

#[tokio::test]
async fn every_right_call_is_accepted_by_the_server() {
    let file = file();
    let plain = Scene::of(&file, &json!({})).await;
    for wish in list(&file, "wishes") {
        let is_plain = wish.get("before").or(wish.get("elsewhere")).or(wish.get("then")).is_none();
        let own = if is_plain { None } else { Some(Scene::of(&file, wish).await) };
        let scene = own.as_ref().unwrap_or(&plain);
        let player_is_a_script = cfg!(unix);
        for call in list(wish, "right").iter().filter(|call| call["ask"] != true) {
            if call["tool"] == "play_audio" && !player_is_a_script {
                continue;
            }
            let then = list(wish, "then");
            let mut made = scene.accepts(wish, call, &Value::Null, then.is_empty()).await;
            for step in then {
                made = scene.accepts(wish, &step[0], &made, true).await;
            }
        }
    }
}

/// A rule that forbade the right call too would make every answer wrong.
#[test]
fn a_forbidden_call_has_a_reason_and_is_not_a_right_call() {
    for wish in list(&file(), "wishes") {
        for rule in list(wish, "never") {
            assert!(rule["why"].is_string(), "{}: {rule}", wish["id"]);
            let bare = rule.get("arguments").is_none() && rule.get("without").is_none();
            let same = right(wish)
                .iter()
                .any(|call| call["tool"] == rule["tool"] && call["arguments"].get("dry_run").is_none());
            assert!(!(bare && same), "{}: the right tool is forbidden", wish["id"]);
        }
    }
}

/// Runs the runner against an endpoint that answers right, wrong, twice and late.
#[test]
fn the_runner_scores_right_and_wrong_answers_as_such() {
    let python = ["python3", "python"].into_iter().find(|name| {
        let new = "import sys; sys.exit(sys.version_info < (3, 9))";
        Command::new(name).args(["-c", new]).status().is_ok_and(|status| status.success())
    });
    let Some(python) = python else {
        eprintln!("skipped: there is no Python 3.9 or newer on this machine");
        return;
    };
    let mut test = Command::new(python);
    test.arg("-B").arg(bench().join("test_run.py")).arg(env!("CARGO_BIN_EXE_minimax-mcp"));
    let ended = test.output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}
