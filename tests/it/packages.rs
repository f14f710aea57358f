//! The files under `packaging` and `plugins` come from one source, `packaging/source.json`, and have the version of
//! Cargo.toml. `UPDATE=1 cargo test --test it packages` writes them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::generated;

const VERSION: &str = env!("CARGO_PKG_VERSION");

struct Source(Value);

impl Source {
    fn read() -> Self {
        let text = fs::read_to_string(root().join("packaging/source.json")).unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_else(|| panic!("packaging/source.json has no {name}"))
    }

    fn list(&self, name: &str) -> &[Value] {
        self.0[name].as_array().unwrap()
    }

    fn repository(&self) -> String {
        format!("https://github.com/{}/{}", self.text("owner"), self.text("name"))
    }

    /// The command that a client runs, with the version that these files belong to.
    fn command(&self) -> Value {
        json!(["-y", format!("{}@{VERSION}", self.text("package"))])
    }

    /// The fields that most manifests share.
    fn head(&self) -> Value {
        json!({
            "name": "minimax",
            "version": VERSION,
            "description": self.text("description"),
            "author": { "name": self.text("author") },
        })
    }

    /// An `mcp.json` of a plugin, with more fields for its server.
    fn servers(&self, more: &Value) -> Value {
        let mut server = json!({ "command": "npx", "args": self.command() });
        extend(&mut server, more);
        json!({ "mcpServers": { "minimax": server } })
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn extend(object: &mut Value, more: &Value) {
    let more = more.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(more);
}

fn with(mut object: Value, more: &Value) -> Value {
    extend(&mut object, more);
    object
}

/// The npm package that people install: a launcher, and a package a platform as optional dependencies.
fn npm(source: &Source) -> Value {
    let name = source.text("package");
    let optional: serde_json::Map<String, Value> = source
        .list("platforms")
        .iter()
        .map(|platform| (format!("{name}-{}", platform["node"].as_str().unwrap()), json!(VERSION)))
        .collect();
    json!({
        "name": name,
        "version": VERSION,
        "description": source.text("description"),
        "keywords": source.list("keywords"),
        "license": "MIT OR Apache-2.0",
        "repository": { "type": "git", "url": format!("git+{}.git", source.repository()) },
        "mcpName": registry_name(source),
        "bin": { name: "bin/minimax-mcp.js", source.text("name"): "bin/minimax-mcp.js" },
        "files": ["bin", "LICENSE-MIT", "LICENSE-APACHE"],
        "engines": { "node": ">=18" },
        "optionalDependencies": optional,
    })
}

fn registry_name(source: &Source) -> String {
    format!("io.github.{}/{}", source.text("owner"), source.text("name"))
}

/// The entry for the MCP registry.
fn registry(source: &Source) -> Value {
    let variables: Vec<Value> = source
        .list("settings")
        .iter()
        .map(|setting| {
            let mut row = json!({
                "name": setting["variable"],
                "description": setting["description"],
                "isRequired": setting["required"] == true,
                "isSecret": setting["secret"] == true,
            });
            // A folder below `${HOME}` is for hosts that expand it.
            if let Some(default) = setting["default"].as_str().filter(|text| !text.contains("${")) {
                row["default"] = json!(default);
            }
            row
        })
        .collect();
    let package = |kind: &str, hint: &str| {
        json!({
            "registryType": kind,
            "identifier": source.text("package"),
            "version": VERSION,
            "runtimeHint": hint,
            "transport": { "type": "stdio" },
            "environmentVariables": variables,
        })
    };
    json!({
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": registry_name(source),
        "title": source.text("title"),
        // The registry allows 100 characters.
        "description": "MiniMax (Hailuo): chat, speech, voices, images, video, music; budgets, jobs that survive",
        "repository": { "url": source.repository(), "source": "github" },
        "version": VERSION,
        "packages": [package("npm", "npx"), package("pypi", "uvx")],
    })
}

/// The manifest of the MCPB bundle.
fn bundle(source: &Source) -> Value {
    let mut fields = serde_json::Map::new();
    let mut environment = serde_json::Map::new();
    for setting in source.list("settings") {
        let variable = setting["variable"].as_str().unwrap();
        let key = variable.to_lowercase();
        let mut field = json!({
            "type": if setting["folder"] == true { "directory" } else { "string" },
            "title": setting["title"],
            "description": setting["description"],
            "required": setting["required"] == true,
        });
        if setting["secret"] == true {
            field["sensitive"] = json!(true);
        }
        field["default"] = setting.get("default").cloned().unwrap_or_else(|| json!(""));
        if setting["required"] == true {
            field.as_object_mut().unwrap().remove("default");
        }
        environment.insert(variable.to_owned(), json!(format!("${{user_config.{key}}}")));
        fields.insert(key, field);
    }
    json!({
        "manifest_version": "0.3",
        "name": source.text("name"),
        "display_name": source.text("title"),
        "version": VERSION,
        "description": source.text("description"),
        "long_description": source.text("long_description"),
        "author": { "name": source.text("author") },
        "license": "MIT OR Apache-2.0",
        "repository": { "type": "git", "url": format!("{}.git", source.repository()) },
        "keywords": source.list("keywords"),
        "server": {
            "type": "binary",
            "entry_point": "server/minimax-mcp",
            "mcp_config": {
                "command": "${__dirname}/server/minimax-mcp",
                "args": [],
                "env": environment,
                "platform_overrides": { "win32": { "command": "${__dirname}/server/minimax-mcp.exe" } },
            },
        },
        "tools_generated": true,
        "compatibility": { "platforms": ["darwin", "win32", "linux"] },
        "user_config": fields,
    })
}

fn gemini(source: &Source) -> Value {
    let settings: Vec<Value> = source
        .list("settings")
        .iter()
        .filter(|setting| setting["required"] == true)
        .map(|setting| {
            json!({
                "name": setting["title"],
                "description": setting["description"],
                "envVar": setting["variable"],
                "sensitive": setting["secret"] == true,
            })
        })
        .collect();
    let server = json!({ "command": "npx", "args": source.command(), "cwd": "${workspacePath}" });
    json!({
        "name": "minimax",
        "version": VERSION,
        "description": source.text("description"),
        "settings": settings,
        "mcpServers": { "minimax": server },
    })
}

/// A list of one plugin, as Claude Code and Copilot read it.
fn marketplace(source: &Source, folder: &str) -> Value {
    json!({
        "name": source.text("name"),
        "owner": { "name": source.text("author") },
        "metadata": { "description": source.text("description"), "version": VERSION },
        "plugins": [{
            "name": "minimax",
            "source": folder,
            "description": source.text("description"),
            "version": VERSION,
        }],
    })
}

fn codex_plugin(source: &Source) -> Value {
    with(
        source.head(),
        &json!({
            "repository": source.repository(),
            "license": "MIT OR Apache-2.0",
            "keywords": source.list("keywords"),
            "skills": "./skills/",
            "mcpServers": "./.mcp.json",
            "interface": {
                "displayName": source.text("title"),
                "shortDescription": source.text("description"),
                "longDescription": source.text("long_description"),
                "developerName": source.text("author"),
                "category": "Media",
                "capabilities": ["Read", "Write"],
                "defaultPrompt": ["Make a picture of a red fox in the snow.", "Read README.md aloud into an MP3."],
            },
        }),
    )
}

fn agent_plugin(source: &Source) -> Value {
    let head = json!({ "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json" });
    let more = json!({
        "homepage": source.repository(),
        "repository": source.repository(),
        "license": "MIT OR Apache-2.0",
        "keywords": source.list("keywords"),
    });
    with(with(head, &source.head()), &more)
}

/// The PyPI project. The wheel holds the program itself.
fn python(source: &Source) -> String {
    let keywords = json!(source.list("keywords"));
    format!(
        r#"# Written by `UPDATE=1 cargo test --test it packages`.
[build-system]
requires = ["maturin>=1.9,<2"]
build-backend = "maturin"

[project]
name = "{package}"
version = "{VERSION}"
description = "{description}"
requires-python = ">=3.9"
license = "MIT OR Apache-2.0"
license-files = ["LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY.md"]
keywords = {keywords}

[project.urls]
Repository = "{repository}"

[tool.maturin]
bindings = "bin"
manifest-path = "../../Cargo.toml"
strip = true
"#,
        package = source.text("package"),
        description = source.text("description"),
        repository = source.repository(),
    )
}

/// Every generated file and its content.
fn files(source: &Source) -> Vec<(String, String)> {
    let pretty = |value: &Value| format!("{}\n", serde_json::to_string_pretty(value).unwrap());
    let stdio = json!({ "type": "stdio" });
    let agent_servers = with(
        json!({ "$schema": "https://agent-plugins.org/schemas/1.0.0/mcp.schema.json" }),
        &source.servers(&stdio),
    );
    // Claude Code fills in the variable, and an empty key is the same as none.
    let keyed = json!({ "env": { "MINIMAX_API_KEY": "${MINIMAX_API_KEY:-}", "MINIMAX_ALLOWED_DIRS": "." } });
    let plain = json!({});
    let mut files: Vec<(String, String)> = [
        ("packaging/npm/package.json", npm(source)),
        ("packaging/server.json", registry(source)),
        ("packaging/mcpb/manifest.json", bundle(source)),
        ("gemini-extension.json", gemini(source)),
        (".claude-plugin/marketplace.json", marketplace(source, "./plugins/claude")),
        (".github/plugin/marketplace.json", marketplace(source, "./plugins/copilot")),
        (
            ".agents/plugins/marketplace.json",
            json!({
                "name": source.text("name"),
                "interface": { "displayName": source.text("title") },
                "plugins": [{
                    "name": "minimax",
                    "source": { "source": "local", "path": "./plugins/codex" },
                    "policy": { "installation": "AVAILABLE", "authentication": "ON_USE" },
                    "category": "Media",
                }],
            }),
        ),
        ("plugins/claude/.claude-plugin/plugin.json", source.head()),
        ("plugins/claude/.mcp.json", source.servers(&keyed)),
        ("plugins/codex/.codex-plugin/plugin.json", codex_plugin(source)),
        (
            "plugins/codex/.mcp.json",
            source.servers(&json!({ "env_vars": ["MINIMAX_API_KEY", "MINIMAX_REGION"] })),
        ),
        (
            "plugins/copilot/plugin.json",
            with(source.head(), &json!({ "skills": "skills/", "mcpServers": ".mcp.json" })),
        ),
        ("plugins/copilot/.mcp.json", source.servers(&plain)),
        (
            "plugins/cursor/.cursor-plugin/plugin.json",
            with(
                source.head(),
                &json!({ "keywords": source.list("keywords"), "license": "MIT OR Apache-2.0" }),
            ),
        ),
        ("plugins/cursor/mcp.json", source.servers(&plain)),
        ("plugins/agent/plugin.json", agent_plugin(source)),
        ("plugins/agent/mcp.json", agent_servers),
    ]
    .map(|(path, value)| (path.to_owned(), pretty(&value)))
    .into();
    let skill = fs::read_to_string(root().join("packaging/skill/SKILL.md")).unwrap();
    for host in ["agent", "claude", "codex", "copilot", "cursor"] {
        files.push((format!("plugins/{host}/skills/minimax-media/SKILL.md"), skill.clone()));
    }
    files.push(("packaging/python/pyproject.toml".into(), python(source)));
    files
}

#[test]
fn every_manifest_comes_from_one_source_and_has_the_version_of_the_program() {
    let source = Source::read();
    let mut different = Vec::new();
    for (path, fresh) in files(&source) {
        if !generated::has(&path, &fresh) {
            different.push(path);
        }
    }
    assert!(different.is_empty(), "{different:?}: `UPDATE=1 cargo test --test it packages` writes them");
}

/// What a button puts into the client's configuration.
fn button_entry() -> Value {
    json!({ "command": "minimax-mcp", "args": [], "env": { "MINIMAX_API_KEY": "" } })
}

/// A link of each client that has one: its name, and the address.
fn buttons() -> Vec<(&'static str, String)> {
    let encoded = |text: &str| {
        url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
    };
    let named = with(json!({ "name": "minimax" }), &button_entry());
    let base64 = data_encoding::BASE64.encode(button_entry().to_string().as_bytes());
    let goose = "goose://extension?cmd=minimax-mcp&id=minimax&name=MiniMax&description=MiniMax&env=MINIMAX_API_KEY%3DMiniMax%20API%20key";
    vec![
        ("VS Code", format!("vscode:mcp/install?{}", encoded(&named.to_string()))),
        ("VS Code Insiders", format!("vscode-insiders:mcp/install?{}", encoded(&named.to_string()))),
        (
            "Cursor",
            format!(
                "cursor://anysphere.cursor-deeplink/mcp/install?name=minimax&config={}",
                encoded(&base64)
            ),
        ),
        ("LM Studio", format!("lmstudio://add_mcp?name=minimax&config={}", encoded(&base64))),
        ("goose", goose.to_owned()),
    ]
}

#[test]
fn every_install_link_decodes_to_the_entry_of_the_server() {
    let text = generated::read("docs/clients.md");
    let (before, rest) = text.split_once("<!-- buttons -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /buttons -->").unwrap();
    let rows: Vec<_> = buttons().iter().map(|(client, link)| format!("* [{client}]({link})")).collect();
    let fresh = format!("{}\n", rows.join("\n"));
    let page = format!("{before}<!-- buttons -->\n{fresh}<!-- /buttons -->{after}");
    let is_current = generated::has("docs/clients.md", &page);
    assert!(
        is_current,
        "docs/clients.md has other links; `UPDATE=1 cargo test --test it packages` writes them"
    );
    for (client, link) in buttons() {
        let link = url::Url::parse(&link).unwrap_or_else(|error| panic!("{client}: {error}"));
        let entry: Value = match client {
            "goose" => {
                let pairs: std::collections::HashMap<_, _> = link.query_pairs().collect();
                assert_eq!(pairs["cmd"], "minimax-mcp");
                continue;
            }
            "Cursor" | "LM Studio" => {
                let (_, config) = link.query_pairs().find(|(name, _)| name == "config").unwrap();
                serde_json::from_slice(&data_encoding::BASE64.decode(config.as_bytes()).unwrap()).unwrap()
            }
            _ => {
                let query = link.query().unwrap();
                let decoded = percent_encoding::percent_decode_str(query).decode_utf8().unwrap();
                serde_json::from_str(&decoded).unwrap()
            }
        };
        for name in ["command", "args", "env"] {
            assert_eq!(entry[name], button_entry()[name], "{client}");
        }
    }
}

/// The installers of a release download from the repository that Cargo.toml names.
#[test]
fn the_repository_of_the_packages_is_that_of_the_program() {
    assert_eq!(env!("CARGO_PKG_REPOSITORY"), Source::read().repository());
}

#[test]
fn the_settings_of_the_manifests_are_settings_of_the_program() {
    let source = Source::read();
    for setting in source.list("settings") {
        let name = setting["variable"].as_str().unwrap();
        assert!(minimax_mcp::config::SETTINGS.iter().any(|known| known.name == name), "{name}");
    }
    assert!(registry(&source)["description"].as_str().unwrap().len() <= 100);
}

#[test]
fn the_skill_names_tools_that_exist() {
    let skill = fs::read_to_string(root().join("packaging/skill/SKILL.md")).unwrap();
    let tools: Vec<String> =
        minimax_mcp::tools::catalogue().tools().into_iter().map(|tool| tool.name.to_string()).collect();
    let table = skill.split("## Which tool").nth(1).unwrap().split("## Chaining").next().unwrap();
    let named: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|word| !["subject_reference", "first_frame_image", "text_file"].contains(word))
        .collect();
    assert!(named.len() > 10, "{named:?}");
    for name in named {
        assert!(tools.iter().any(|tool| tool == name), "{name} is no tool");
    }
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/npm/bin/minimax-mcp.js").exists());
}
