//! The entry for this server in a client's list.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::clients::{Client, Shape, System};

const ALLOWED_DIRS: &str = "MINIMAX_ALLOWED_DIRS";

/// Fields that are the user's choice: the allowed folders, and how long a client waits. `setup` sets them only in a new
/// entry.
const SUGGESTED: &[&str] = &[ALLOWED_DIRS, "timeout"];

/// The names of the fields for the program and for its environment, in the entries of all clients.
const COMMANDS: [&str; 2] = ["command", "cmd"];
pub(super) const ENVIRONMENTS: [&str; 3] = ["env", "environment", "envs"];

/// The name of the entry.
pub(in crate::cli) const NAME: &str = "minimax";

/// The name of the packages on npm and PyPI, and of the program that they install.
pub(in crate::cli) const PACKAGE: &str = "minimax-mcp-server";

/// The name of the program.
pub(in crate::cli) const PROGRAM: &str = "minimax-mcp";

/// The input that asks for the key in clients with inputs.
pub(super) const INPUT: &str = "minimax-api-key";

/// The command that starts this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) command: String,
    pub(super) args: Vec<String>,
}

impl Launch {
    /// The command for the program at `path`. In the cache of `npx` or `uvx` the path changes with each version and may be
    /// removed at any time, so there the command is the one that fetches the package. `search` has the folders of PATH: a
    /// link there survives an update of its target.
    pub(super) fn of(path: &Path, search: &[PathBuf], system: System) -> Self {
        let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        let line = |words: &[&str]| match words {
            [command, args @ ..] => Self {
                command: (*command).to_owned(),
                args: args.iter().map(|word| (*word).to_owned()).collect(),
            },
            [] => Self { command: String::new(), args: Vec::new() },
        };
        if parts.iter().any(|part| part == "_npx") {
            return match system {
                // `npx` is a script there, which clients cannot start.
                System::Windows => line(&["cmd", "/c", "npx", "-y", PACKAGE]),
                System::Linux | System::MacOs => line(&["npx", "-y", PACKAGE]),
            };
        }
        let in_uv = parts.iter().position(|part| part == "uv").and_then(|at| parts.get(at..));
        let cached = |part: &str| part.starts_with("archive-v") || part.starts_with("environments-v");
        if in_uv.is_some_and(|rest| rest.iter().any(|part| cached(part))) {
            return line(&["uvx", PACKAGE]);
        }
        let real = dunce::canonicalize(path).ok();
        let name = path.file_name().unwrap_or_default();
        let linked = search
            .iter()
            .map(|folder| folder.join(name))
            .find(|link| real.is_some() && dunce::canonicalize(link).ok() == real);
        let chosen = linked.unwrap_or_else(|| path.to_owned());
        Self { command: chosen.to_string_lossy().into_owned(), args: Vec::new() }
    }
}

/// The content of an entry, for any client.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) launch: Launch,
    /// The settings with a key to write into the file.
    pub(super) keys: Vec<(&'static str, String)>,
    /// Other variables.
    pub(super) env: Vec<(&'static str, String)>,
    /// Whether a client with inputs asks for the key.
    pub(super) ask: bool,
}

impl Entry {
    fn environment(&self, client: &Client) -> Map<String, Value> {
        let mut env = Map::new();
        env.extend(self.keys.iter().map(|(name, key)| ((*name).to_owned(), json!(key))));
        if self.asks(client) {
            env.insert("MINIMAX_API_KEY".to_owned(), json!(format!("${{input:{INPUT}}}")));
        }
        env.extend(self.env.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        if client.coding {
            env.insert(ALLOWED_DIRS.to_owned(), json!("."));
        }
        env
    }

    /// True if the client should ask for the key.
    pub(super) fn asks(&self, client: &Client) -> bool {
        self.ask && self.keys.is_empty() && client.has_inputs
    }

    /// The entry as the client writes it.
    pub(super) fn value(&self, client: &Client) -> Value {
        let Launch { command, args } = &self.launch;
        let env = self.environment(client);
        match client.shape {
            Shape::Plain => json!({ "command": command, "args": args, "env": env }),
            Shape::Typed => json!({ "type": "stdio", "command": command, "args": args, "env": env }),
            Shape::Zed => json!({ "source": "custom", "command": command, "args": args, "env": env }),
            Shape::Goose => json!({
                "enabled": true,
                "type": "stdio",
                "name": "MiniMax",
                "cmd": command,
                "args": args,
                "envs": env,
                "timeout": 300,
            }),
            Shape::OpenCode => {
                let words: Vec<_> = std::iter::once(command).chain(args).collect();
                json!({ "type": "local", "command": words, "environment": env, "enabled": true })
            }
        }
    }
}

/// The entry to write: our fields, and those of an existing entry that we do not write, such as budgets and
/// time limits. Nothing is kept of an entry that is for a server at a URL.
pub(super) fn merged(existing: Option<&Value>, ours: &Value) -> Value {
    match (existing, ours) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            let mut merged = old.clone();
            for (name, value) in new.iter().filter(|(name, _)| !is_chosen(old, name)) {
                let value = merged_field(old.get(name), value);
                merged.insert(name.clone(), value);
            }
            if !COMMANDS.iter().any(|name| old.contains_key(*name)) {
                return ours.clone();
            }
            Value::Object(merged)
        }
        _ => ours.clone(),
    }
}

fn merged_field(old: Option<&Value>, new: &Value) -> Value {
    match (old, new) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            let mut merged = old.clone();
            let ours = new.iter().filter(|(name, _)| !is_chosen(old, name));
            merged.extend(ours.map(|(name, value)| (name.clone(), value.clone())));
            Value::Object(merged)
        }
        _ => new.clone(),
    }
}

fn is_chosen(old: &Map<String, Value>, name: &String) -> bool {
    SUGGESTED.contains(&name.as_str()) && old.contains_key(name)
}

/// A command, its arguments, and the variables of its environment.
pub(in crate::cli) type Started = (String, Vec<String>, Vec<(String, String)>);

/// The command that an entry of any client starts.
pub(in crate::cli) fn read(entry: &Value) -> Option<Started> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list = |value: Option<&Value>| -> Vec<String> {
        value.and_then(Value::as_array).into_iter().flatten().filter_map(text).collect()
    };
    let command = COMMANDS.iter().find_map(|name| entry.get(*name))?;
    // Older versions of Zed had the fields in `command`.
    let inner = if command.is_object() { command } else { entry };
    let (command, args) = match command {
        Value::Array(_) => {
            let mut words = list(Some(command)).into_iter();
            (words.next()?, words.collect())
        }
        Value::Object(command) => (text(command.get("path")?)?, list(command.get("args"))),
        _ => (text(command)?, list(entry.get("args"))),
    };
    let env = ENVIRONMENTS.iter().find_map(|name| inner.get(*name)).and_then(Value::as_object);
    let env = env.into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), text(value)?)));
    Some((command, args, env.collect()))
}

/// True if the entry starts this server, whatever its name.
pub(in crate::cli) fn is_ours(entry: &Value) -> bool {
    let Some((command, args, _)) = read(entry) else { return false };
    let stem = |text: &str| {
        let name = text.rsplit(['/', '\\']).next().unwrap_or(text);
        name.strip_suffix(".exe").unwrap_or(name).to_owned()
    };
    let package = |word: &str| word.split('@').next() == Some(PACKAGE);
    // `uvx minimax-mcp` is the official server.
    stem(&command) == PROGRAM || is_this_program(Path::new(&command)) || args.iter().any(|word| package(word))
}

/// True for the running program, under any name.
pub(in crate::cli) fn is_this_program(command: &Path) -> bool {
    let own = std::env::current_exe().and_then(dunce::canonicalize).ok();
    own.is_some() && dunce::canonicalize(command).ok() == own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_that_a_user_allowed_stay_and_all_other_fields_are_ours() {
        let entry = |dirs: Option<&str>, region: &str| {
            let mut env = json!({ "MINIMAX_REGION": region });
            if let Some(dirs) = dirs {
                env["MINIMAX_ALLOWED_DIRS"] = json!(dirs);
            }
            json!({ "command": "minimax-mcp", "env": env })
        };
        let kept = merged(Some(&entry(Some("/art"), "cn")), &entry(Some("."), "global"));
        assert_eq!(kept, entry(Some("/art"), "global"));
        let new = merged(Some(&entry(None, "cn")), &entry(Some("."), "cn"));
        assert_eq!(new["env"]["MINIMAX_ALLOWED_DIRS"], ".");
    }

    #[test]
    fn in_a_cache_of_npx_or_uvx_the_entry_fetches_the_package_and_elsewhere_it_has_the_path() {
        let of = |path: &str, system| Launch::of(Path::new(path), &[], system);
        let npx = of(
            "/home/a/.npm/_npx/1f/node_modules/minimax-mcp-server-linux-x64/bin/minimax-mcp",
            System::Linux,
        );
        assert_eq!((npx.command.as_str(), npx.args.join(" ")), ("npx", format!("-y {PACKAGE}")));
        let windows = of("C:/_npx/1f/minimax-mcp.exe", System::Windows);
        assert_eq!(
            (windows.command.as_str(), windows.args.join(" ")),
            ("cmd", format!("/c npx -y {PACKAGE}"))
        );
        let uvx = of("/home/a/.cache/uv/archive-v0/x/bin/minimax-mcp", System::Linux);
        assert_eq!((uvx.command.as_str(), uvx.args.join(" ")), ("uvx", PACKAGE.to_owned()));
        for path in ["/home/a/uv/minimax-mcp", "/opt/archive-v1/minimax-mcp", "/home/a/npx/minimax-mcp"] {
            assert_eq!(of(path, System::Linux), Launch { command: path.to_owned(), args: Vec::new() });
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_path_is_written_instead_of_its_target() {
        let dir = tempfile::tempdir().unwrap();
        let (cellar, bin) = (dir.path().join("cellar"), dir.path().join("bin"));
        std::fs::create_dir_all(&cellar).unwrap();
        std::fs::create_dir_all(&bin).unwrap();
        let program = cellar.join(PROGRAM);
        std::fs::write(&program, "").unwrap();
        let search = [cellar.join("other"), bin.clone()];
        assert_eq!(Launch::of(&program, &search, System::Linux).command, program.to_string_lossy());
        std::os::unix::fs::symlink(&program, bin.join(PROGRAM)).unwrap();
        let link = bin.join(PROGRAM);
        assert_eq!(Launch::of(&program, &search, System::Linux).command, link.to_string_lossy());
    }

    #[test]
    fn fields_that_a_user_added_to_an_entry_stay() {
        let old = json!({ "command": "old", "timeout": 9, "env": { "MINIMAX_BUDGET_DAY": "5", "A": "1" } });
        let ours = json!({ "command": "new", "args": [], "env": { "A": "2" } });
        let wanted = json!({ "command": "new", "timeout": 9, "env": { "MINIMAX_BUDGET_DAY": "5", "A": "2" }, "args": [] });
        assert_eq!(merged(Some(&old), &ours), wanted);
        let remote = json!({ "url": "http://127.0.0.1:8765/mcp" });
        assert_eq!(merged(Some(&remote), &ours), ours);
        assert_eq!(merged(None, &ours), ours);
    }

    #[test]
    fn entries_of_this_server_are_recognised_by_their_command() {
        for entry in [
            json!({ "command": "/usr/bin/minimax-mcp" }),
            json!({ "command": r"C:\x\minimax-mcp.exe" }),
            json!({ "command": ["npx", "-y", "minimax-mcp-server@1.0.0"], "type": "local" }),
            json!({ "command": "uvx", "args": ["minimax-mcp-server"] }),
            json!({ "command": { "path": "minimax-mcp", "args": [] } }),
            json!({ "cmd": "/usr/bin/minimax-mcp", "args": [], "envs": {}, "type": "stdio" }),
        ] {
            assert!(is_ours(&entry), "{entry}");
        }
        for entry in [
            json!({ "command": "uvx", "args": ["minimax-mcp"] }),
            json!({ "url": "http://x" }),
            json!("minimax-mcp"),
        ] {
            assert!(!is_ours(&entry), "{entry}");
        }
    }
}
