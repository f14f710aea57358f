//! The clients that `setup` knows: the file of each with its list of servers, and the form of an entry. As of 2026-11-29.

use crate::documents::Format;
use std::path::{Path, PathBuf};

/// The operating systems that clients run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum System {
    Linux,
    MacOs,
    Windows,
}

impl System {
    /// The system of this program. Other Unix systems keep their files as Linux does.
    pub(in crate::cli) const HERE: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::MacOs
    } else {
        Self::Linux
    };
}

/// The fields of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Shape {
    /// `command`, `args`, `env`.
    Plain,
    /// The same, with `"type": "stdio"`.
    Typed,
    /// The same, with `"source": "custom"`, which older versions of Zed need.
    Zed,
    /// `cmd`, `args`, `envs`, with the name that goose shows and its time limit.
    Goose,
    /// `"type": "local"`, one list for the command and its arguments, and `environment`.
    OpenCode,
}

/// One client.
#[derive(Debug)]
pub(in crate::cli) struct Client {
    /// The name on the command line.
    pub(in crate::cli) id: &'static str,
    /// The name for a person.
    pub(in crate::cli) title: &'static str,
    /// The user's file on Linux, macOS and Windows. Empty if the file is not edited.
    user: [&'static str; 3],
    /// The file in a project, if the client reads one.
    project: Option<&'static str>,
    /// Another name of the file. It is used if it exists.
    other_name: Option<&'static str>,
    /// A path that shows that the client is used, if the folder of its file does not: for the user, and in a project.
    evidence: [Option<&'static str>; 2],
    pub(in crate::cli) format: Format,
    /// The key of the list of servers.
    pub(in crate::cli) servers: &'static str,
    /// The key in the user's file with servers by project folder.
    pub(in crate::cli) projects: Option<&'static str>,
    /// The client's own command that removes the entry.
    pub(in crate::cli) remove: Option<&'static str>,
    pub(in crate::cli) shape: Shape,
    /// Whether the client starts servers in the folder of the project.
    pub(in crate::cli) coding: bool,
    /// Whether the client's JSON may have no comments and no trailing commas.
    pub(in crate::cli) is_strict: bool,
    /// Whether the client can ask for the key itself and keep it safe (the key `inputs`).
    pub(in crate::cli) has_inputs: bool,
}

const PLAIN: Client = Client {
    id: "",
    title: "",
    user: [""; 3],
    project: None,
    other_name: None,
    evidence: [None; 2],
    format: Format::Json,
    servers: "mcpServers",
    projects: None,
    remove: None,
    shape: Shape::Plain,
    coding: false,
    is_strict: false,
    has_inputs: false,
};

/// All clients. Paths begin with the home folder (`~`), the folder for settings (`$CONFIG`), or a folder that a variable can
/// move.
pub(in crate::cli) const CLIENTS: &[Client] = &[
    Client {
        id: "claude-desktop",
        title: "Claude Desktop",
        user: [
            "$CONFIG/Claude/claude_desktop_config.json",
            "~/Library/Application Support/Claude/claude_desktop_config.json",
            "$CONFIG/Claude/claude_desktop_config.json",
        ],
        is_strict: true,
        ..PLAIN
    },
    Client {
        id: "claude-code",
        title: "Claude Code",
        user: ["$CLAUDE/.claude.json"; 3],
        project: Some(".mcp.json"),
        evidence: [Some("~/.claude"), Some(".claude")],
        projects: Some("projects"),
        remove: Some("claude mcp remove minimax"),
        shape: Shape::Typed,
        coding: true,
        ..PLAIN
    },
    Client {
        id: "cursor",
        title: "Cursor",
        user: ["~/.cursor/mcp.json"; 3],
        project: Some(".cursor/mcp.json"),
        coding: true,
        ..PLAIN
    },
    Client {
        id: "vscode",
        title: "VS Code",
        user: [
            "$CONFIG/Code/User/mcp.json",
            "~/Library/Application Support/Code/User/mcp.json",
            "$CONFIG/Code/User/mcp.json",
        ],
        project: Some(".vscode/mcp.json"),
        servers: "servers",
        shape: Shape::Typed,
        coding: true,
        has_inputs: true,
        ..PLAIN
    },
    Client {
        id: "vscode-insiders",
        title: "VS Code Insiders",
        user: [
            "$CONFIG/Code - Insiders/User/mcp.json",
            "~/Library/Application Support/Code - Insiders/User/mcp.json",
            "$CONFIG/Code - Insiders/User/mcp.json",
        ],
        servers: "servers",
        shape: Shape::Typed,
        coding: true,
        has_inputs: true,
        ..PLAIN
    },
    Client {
        id: "windsurf",
        title: "Windsurf",
        user: ["~/.codeium/windsurf/mcp_config.json"; 3],
        coding: true,
        ..PLAIN
    },
    Client {
        id: "codex",
        title: "Codex",
        user: ["$CODEX/config.toml"; 3],
        project: Some(".codex/config.toml"),
        format: Format::Toml,
        servers: "mcp_servers",
        remove: Some("codex mcp remove minimax"),
        coding: true,
        ..PLAIN
    },
    Client {
        id: "gemini",
        title: "Gemini CLI",
        user: ["~/.gemini/settings.json"; 3],
        project: Some(".gemini/settings.json"),
        remove: Some("gemini mcp remove minimax"),
        coding: true,
        ..PLAIN
    },
    Client {
        id: "opencode",
        title: "opencode",
        user: ["$XDG/opencode/opencode.json"; 3],
        project: Some("opencode.json"),
        other_name: Some("opencode.jsonc"),
        evidence: [None, Some(".opencode")],
        servers: "mcp",
        shape: Shape::OpenCode,
        coding: true,
        ..PLAIN
    },
    Client {
        id: "zed",
        title: "Zed",
        user: ["$XDG/zed/settings.json", "$XDG/zed/settings.json", "$CONFIG/Zed/settings.json"],
        servers: "context_servers",
        shape: Shape::Zed,
        coding: true,
        ..PLAIN
    },
    Client { id: "lm-studio", title: "LM Studio", user: ["~/.lmstudio/mcp.json"; 3], ..PLAIN },
    Client { id: "cherry-studio", title: "Cherry Studio", format: Format::Printed, ..PLAIN },
    Client {
        id: "goose",
        title: "goose",
        user: ["$XDG/goose/config.yaml", "$XDG/goose/config.yaml", "$CONFIG/Block/goose/config/config.yaml"],
        format: Format::Yaml,
        servers: "extensions",
        shape: Shape::Goose,
        coding: true,
        ..PLAIN
    },
];

/// One of a client's two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Scope {
    /// For all projects of this user.
    User,
    /// For the project in the current folder.
    Project,
}

/// The folders on this machine that paths of clients begin with.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Folders {
    system: System,
    home: PathBuf,
    /// `$CONFIG`: `~/.config`, or `%APPDATA%` on Windows.
    config: PathBuf,
    /// `$XDG`: `~/.config` on every system.
    xdg: PathBuf,
    claude: PathBuf,
    codex: PathBuf,
    project: PathBuf,
}

impl Folders {
    /// Finds the folders from the environment.
    pub(in crate::cli) fn new(
        system: System,
        home: &Path,
        project: &Path,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let folder = |name: &str| lookup(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let xdg = folder("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        let config = match system {
            System::Windows => folder("APPDATA").unwrap_or_else(|| home.join("AppData").join("Roaming")),
            System::Linux | System::MacOs => xdg.clone(),
        };
        Self {
            system,
            home: home.to_owned(),
            config,
            xdg,
            claude: folder("CLAUDE_CONFIG_DIR").unwrap_or_else(|| home.to_owned()),
            codex: folder("CODEX_HOME").unwrap_or_else(|| home.join(".codex")),
            project: project.to_owned(),
        }
    }

    /// The current folder, as the project.
    pub(in crate::cli) fn project(&self) -> &Path {
        &self.project
    }

    fn path(&self, text: &str) -> PathBuf {
        let (start, rest) = text.split_once('/').unwrap_or((text, ""));
        let base = match start {
            "~" => &self.home,
            "$CONFIG" => &self.config,
            "$XDG" => &self.xdg,
            "$CLAUDE" => &self.claude,
            "$CODEX" => &self.codex,
            _ => return self.project.join(text),
        };
        // Part by part, so that the separators are those of the system.
        base.join(rest.split('/').collect::<PathBuf>())
    }
}

impl Client {
    /// The client with this name on the command line.
    pub(in crate::cli) fn named(id: &str) -> Option<&'static Self> {
        CLIENTS.iter().find(|client| client.id == id)
    }

    /// The file of a scope, if the client has one.
    pub(in crate::cli) fn file(&self, scope: Scope, folders: &Folders) -> Option<PathBuf> {
        let [linux, macos, windows] = self.user;
        let text = match (scope, folders.system) {
            (Scope::Project, _) => self.project?,
            (Scope::User, System::Linux) => linux,
            (Scope::User, System::MacOs) => macos,
            (Scope::User, System::Windows) => windows,
        };
        if text.is_empty() {
            return None;
        }
        let path = folders.path(text);
        let other = self.other_name.map(|name| path.with_file_name(name)).filter(|other| other.is_file());
        Some(other.unwrap_or(path))
    }

    /// True if the client's file, or a folder that only the client makes, exists.
    pub(in crate::cli) fn is_found(&self, scope: Scope, folders: &Folders) -> bool {
        let Some(file) = self.file(scope, folders) else { return false };
        let [user, project] = self.evidence;
        let evidence = match scope {
            Scope::User => user,
            Scope::Project => project,
        };
        let folder = match evidence {
            Some(text) => folders.path(text),
            None => file.parent().unwrap_or(&file).to_owned(),
        };
        file.is_file() || (folder.is_dir() && folder != folders.project)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(system: System, given: &[(&str, &str)]) -> Folders {
        let lookup =
            |name: &str| given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Folders::new(system, Path::new("/home/ada"), Path::new("/srv/app"), lookup)
    }

    fn file(id: &str, scope: Scope, folders: &Folders) -> Option<String> {
        let path = Client::named(id)?.file(scope, folders)?;
        Some(path.to_string_lossy().replace('\\', "/"))
    }

    #[test]
    fn each_client_has_its_file_on_each_system() {
        let home = "/home/ada";
        for (system, id, wanted) in [
            (System::Linux, "claude-desktop", ".config/Claude/claude_desktop_config.json"),
            (
                System::MacOs,
                "claude-desktop",
                "Library/Application Support/Claude/claude_desktop_config.json",
            ),
            (System::Windows, "claude-desktop", "AppData/Roaming/Claude/claude_desktop_config.json"),
            (System::Linux, "claude-code", ".claude.json"),
            (System::Windows, "cursor", ".cursor/mcp.json"),
            (System::Linux, "vscode", ".config/Code/User/mcp.json"),
            (System::MacOs, "vscode-insiders", "Library/Application Support/Code - Insiders/User/mcp.json"),
            (System::Windows, "vscode", "AppData/Roaming/Code/User/mcp.json"),
            (System::MacOs, "windsurf", ".codeium/windsurf/mcp_config.json"),
            (System::Linux, "codex", ".codex/config.toml"),
            (System::Linux, "gemini", ".gemini/settings.json"),
            (System::Windows, "opencode", ".config/opencode/opencode.json"),
            (System::MacOs, "zed", ".config/zed/settings.json"),
            (System::Windows, "zed", "AppData/Roaming/Zed/settings.json"),
            (System::Linux, "lm-studio", ".lmstudio/mcp.json"),
            (System::Windows, "goose", "AppData/Roaming/Block/goose/config/config.yaml"),
        ] {
            let found = file(id, Scope::User, &folders(system, &[]));
            assert_eq!(found, Some(format!("{home}/{wanted}")), "{id} {system:?}");
        }
        for (id, wanted) in [
            ("claude-code", Some(".mcp.json")),
            ("vscode", Some(".vscode/mcp.json")),
            ("codex", Some(".codex/config.toml")),
            ("claude-desktop", None),
            ("lm-studio", None),
        ] {
            let found = file(id, Scope::Project, &folders(System::Linux, &[]));
            assert_eq!(found, wanted.map(|name| format!("/srv/app/{name}")), "{id}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn variables_move_the_folders_of_the_clients_that_read_them() {
        let moved = folders(
            System::Linux,
            &[("XDG_CONFIG_HOME", "/x"), ("CODEX_HOME", "/c"), ("CLAUDE_CONFIG_DIR", "/k")],
        );
        assert_eq!(file("zed", Scope::User, &moved).unwrap(), "/x/zed/settings.json");
        assert_eq!(file("codex", Scope::User, &moved).unwrap(), "/c/config.toml");
        assert_eq!(file("claude-code", Scope::User, &moved).unwrap(), "/k/.claude.json");
    }

    #[test]
    fn a_client_is_found_by_its_file_or_by_its_own_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (home, project) = (dir.path().join("home"), dir.path().join("project"));
        std::fs::create_dir_all(&home).unwrap();
        std::fs::create_dir_all(&project).unwrap();
        let folders = Folders::new(System::HERE, &home, &project, |_| None);
        let found = |scope| -> Vec<_> {
            let found = CLIENTS.iter().filter(|client| client.is_found(scope, &folders));
            found.map(|client| client.id).collect()
        };
        assert!(found(Scope::User).is_empty(), "the home folder alone shows no client");
        assert!(found(Scope::Project).is_empty(), "the project folder alone shows no client");
        std::fs::create_dir(home.join(".claude")).unwrap();
        std::fs::create_dir(home.join(".codex")).unwrap();
        std::fs::write(project.join("opencode.jsonc"), "{}").unwrap();
        assert_eq!(found(Scope::User), ["claude-code", "codex"]);
        assert_eq!(found(Scope::Project), ["opencode"]);
        let file = Client::named("opencode").unwrap().file(Scope::Project, &folders).unwrap();
        assert!(file.ends_with("opencode.jsonc"), "the name that exists is used");
    }
}
