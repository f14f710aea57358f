//! The folder of the project that a client works in: what tools read and write there, with the real program on stdio.

mod relative;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Program, program};
use crate::stdio::{Stage, modern_meta, on_stage};

const VERSION: &str = "2025-06-18";

/// What a client does when it is asked for its folders.
enum Answer {
    Folders(Vec<PathBuf>),
    Error,
    Never,
}

/// A client that declares roots, like Claude Code.
struct Host {
    program: Program,
    answer: Answer,
    /// How often it was asked for its folders.
    asked: usize,
}

impl Host {
    /// Starts the program in `folder`, with all of its own folders below the stage's.
    fn start(stage: &Stage, folder: &Path, settings: &[(&str, &str)], answer: Answer) -> Self {
        let path = |name| stage.dir.path().join(name).display().to_string();
        let mut command = program();
        command.current_dir(folder).stderr(Stdio::null());
        for name in ["HOME", "USERPROFILE"] {
            command.env(name, path("home"));
        }
        command
            .env("MINIMAX_API_HOST", stage.sandbox.url())
            .env("MINIMAX_API_KEY", "sk-api-secret")
            .env("MINIMAX_SANDBOX", "true");
        command.env("MINIMAX_MCP_BASE_PATH", path("out")).env("MINIMAX_DATA_DIR", path("data"));
        command.env("MINIMAX_POLL_SECONDS", "0.1").envs(settings.iter().copied());
        Self { program: Program::of(command), answer, asked: 0 }
    }

    /// Starts the program and performs the handshake.
    fn open(stage: &Stage, folder: &Path, settings: &[(&str, &str)], answer: Answer) -> Self {
        let mut host = Self::start(stage, folder, settings, answer);
        host.initialize(json!({ "roots": { "listChanged": true } }));
        host
    }

    fn initialize(&mut self, capabilities: Value) {
        let client = json!({ "name": "host", "version": "0" });
        let hello = json!({ "protocolVersion": VERSION, "capabilities": capabilities, "clientInfo": client });
        self.request("initialize", hello);
        self.program.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    }

    fn request(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.program.post(method, parameters);
        loop {
            let message = self.program.next(Duration::from_secs(60)).expect("an answer");
            if message["method"] == "roots/list" {
                self.asked += 1;
                self.name_folders(&message["id"]);
            } else if message.get("method").is_none() && message["id"] == id {
                return message;
            }
        }
    }

    fn name_folders(&mut self, id: &Value) {
        let answer = match &self.answer {
            Answer::Folders(folders) => json!({ "jsonrpc": "2.0", "id": id, "result": roots(folders) }),
            Answer::Error => {
                json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32603, "message": "no folder is open" } })
            }
            Answer::Never => return,
        };
        self.program.send(&answer);
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments }))["result"].clone()
    }

    /// The structured result of a call that must succeed.
    fn make(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments);
        assert_ne!(result["isError"], true, "{}", text(&result));
        result["structuredContent"].clone()
    }

    /// The text of a call that must fail.
    fn refusal(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], true, "{}", text(&result));
        text(&result)
    }
}

fn roots(folders: &[PathBuf]) -> Value {
    let uri = |folder: &PathBuf| String::from(url::Url::from_file_path(folder).unwrap());
    let roots: Vec<_> = folders.iter().map(|folder| json!({ "uri": uri(folder), "name": "app" })).collect();
    json!({ "roots": roots })
}

fn text(result: &Value) -> String {
    let blocks = result["content"].as_array().into_iter().flatten();
    blocks.filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// A folder that is not allowed by any setting, with a picture and a text in it.
fn project(stage: &Stage, name: &str) -> PathBuf {
    let folder = dunce::canonicalize(stage.dir.path()).unwrap().join("home/code").join(name);
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    for picture in ["logo.png", "assets/logo.png"] {
        ::image::RgbImage::from_pixel(512, 512, ::image::Rgb([200, 90, 20]))
            .save(folder.join(picture))
            .unwrap();
    }
    std::fs::write(folder.join("book.txt"), "Once upon a time there was a fox.\n").unwrap();
    folder
}

#[test]
fn every_tool_reads_and_writes_in_the_folder_that_the_client_has_open() {
    on_stage(|stage| {
        let app = project(stage, "my app");
        let mut host = Host::open(stage, &app, &[], Answer::Folders(vec![app.clone()]));
        let absolute = app.join("assets/logo.png").display().to_string();
        let uri = String::from(url::Url::from_file_path(app.join("logo.png")).unwrap());
        for picture in ["logo.png", "./assets/logo.png", "assets/../logo.png", &absolute, &uri] {
            for (tool, arguments) in [
                ("text_to_image", json!({ "prompt": "x", "subject_reference": picture })),
                ("generate_video", json!({ "prompt": "x", "first_frame_image": picture, "dry_run": true })),
                ("understand_image", json!({ "prompt": "x", "image_url": picture })),
                ("view_media", json!({ "uri": picture })),
                ("upload_file", json!({ "file": picture, "purpose": "video_generation_input" })),
                (
                    "chat",
                    json!({ "messages": [{ "role": "user", "content": "x", "media": [picture] }], "model": "MiniMax-M3" }),
                ),
            ] {
                host.make(tool, arguments);
            }
        }
        host.make("text_to_audio", json!({ "text_file": "book.txt" }));
        // Results are saved there, too.
        if crate::s3::leaves_out("a folder of the caller's choice") {
            return;
        }
        let results = app.join("assets/made");
        let folder = results.display().to_string();
        let image = host.make("text_to_image", json!({ "prompt": "x", "output_directory": folder }));
        let saved = PathBuf::from(image["files"][0]["path"].as_str().unwrap());
        assert!(saved.starts_with(&results) && saved.is_file(), "{}", saved.display());
        let video = host.make("generate_video", json!({ "prompt": "x", "output_directory": folder }));
        assert!(video["files"][0]["path"].as_str().unwrap().starts_with(&folder), "{video}");
        let link = image["files"][0]["url"].clone();
        let again = host.make("download_file", json!({ "url": link, "output_directory": folder }));
        assert!(again["path"].as_str().unwrap().starts_with(&folder), "{again}");
        // A relative folder is below the base folder.
        let image = host.make("text_to_image", json!({ "prompt": "x", "output_directory": "assets" }));
        let base = dunce::canonicalize(stage.dir.path().join("out")).unwrap();
        assert!(Path::new(image["files"][0]["path"].as_str().unwrap()).starts_with(base.join("assets")));
        assert_eq!(host.asked, 1);
    });
}

#[test]
fn without_roots_no_file_of_the_project_is_read_and_the_refusal_has_the_line_that_allows_it() {
    on_stage(|stage| {
        let (app, art) = (project(stage, "app"), project(stage, "art"));
        let art_setting = [("MINIMAX_ALLOWED_DIRS", art.to_str().unwrap())];
        let mut host = Host::start(stage, &app, &art_setting, Answer::Never);
        host.initialize(json!({}));
        let picture = app.join("assets/logo.png").display().to_string();
        let value = std::env::join_paths([&art, &app]).unwrap().into_string().unwrap();
        let line = format!("\"MINIMAX_ALLOWED_DIRS\": {}", json!(value));
        for (tool, arguments) in [
            ("text_to_image", json!({ "prompt": "x", "subject_reference": picture })),
            ("text_to_image", json!({ "prompt": "x", "subject_reference": "logo.png" })),
            ("view_media", json!({ "uri": picture })),
            ("view_media", json!({ "uri": "logo.png" })),
            ("upload_file", json!({ "file": picture, "purpose": "video_generation_input" })),
            ("text_to_audio", json!({ "text_file": "book.txt" })),
            ("text_to_image", json!({ "prompt": "x", "output_directory": app.join("made") })),
            (
                "download_file",
                json!({ "url": "https://example.com/a.png", "output_directory": app.join("made") }),
            ),
        ] {
            let refusal = host.refusal(tool, arguments);
            assert!(refusal.contains(&line), "{tool}: {refusal}");
        }
        assert_eq!((host.asked, stage.sandbox.paid().len()), (0, 0));
        // Pasted, the line does what it says.
        let mut next = Host::start(stage, &app, &[("MINIMAX_ALLOWED_DIRS", &value)], Answer::Never);
        next.initialize(json!({}));
        next.make("view_media", json!({ "uri": picture }));
        next.make("view_media", json!({ "uri": "logo.png" }));
        next.make("text_to_image", json!({ "prompt": "x", "output_directory": app.join("made") }));
    });
}

#[test]
fn a_dot_in_the_allowed_folders_is_the_folder_in_which_the_server_was_started() {
    on_stage(|stage| {
        let app = project(stage, "app");
        let mut host = Host::start(stage, &app, &[("MINIMAX_ALLOWED_DIRS", ".")], Answer::Never);
        host.initialize(json!({}));
        host.make("view_media", json!({ "uri": "assets/logo.png" }));
        host.make("view_media", json!({ "uri": app.join("logo.png") }));
        host.make("text_to_image", json!({ "prompt": "x", "output_directory": app.join("assets") }));
        // The first folder of the client goes before it.
        let other = project(stage, "other");
        std::fs::remove_file(other.join("logo.png")).unwrap();
        let folders = Answer::Folders(vec![other, app.clone()]);
        let mut host = Host::open(stage, &app, &[("MINIMAX_ALLOWED_DIRS", ".")], folders);
        assert!(host.refusal("view_media", json!({ "uri": "logo.png" })).contains("does not exist"));
        host.make("view_media", json!({ "uri": app.join("logo.png") }));
        // In the home folder it does not mean everything.
        let home = stage.dir.path().join("home");
        let mut host = Host::start(stage, &home, &[("MINIMAX_ALLOWED_DIRS", ".")], Answer::Never);
        host.initialize(json!({}));
        let refusal = host.refusal("view_media", json!({ "uri": "code/app/logo.png" }));
        assert!(refusal.contains("the home folder, which is not a project"), "{refusal}");
    });
}

#[test]
fn a_client_that_never_names_its_folders_or_cannot_costs_nothing() {
    on_stage(|stage| {
        let app = project(stage, "app");
        for answer in [Answer::Never, Answer::Error] {
            let mut host = Host::open(stage, &app, &[], answer);
            // What is allowed anyway does not need the answer.
            let made = host.make("text_to_image", json!({ "prompt": "x" }));
            host.make("view_media", json!({ "uri": made["files"][0]["path"] }));
            for picture in [app.join("logo.png").display().to_string(), "logo.png".to_owned()] {
                let refusal = host.refusal("view_media", json!({ "uri": picture }));
                assert!(refusal.contains("MINIMAX_ALLOWED_DIRS"), "{refusal}");
            }
            assert_eq!(host.asked, 1);
        }
    });
}

#[test]
fn a_client_that_declares_no_roots_is_not_asked_and_one_that_changes_them_is_asked_again() {
    on_stage(|stage| {
        let (app, other) = (project(stage, "app"), project(stage, "other"));
        let mut host = Host::start(stage, &app, &[], Answer::Folders(vec![app.clone()]));
        host.initialize(json!({ "elicitation": {} }));
        host.refusal("view_media", json!({ "uri": app.join("logo.png") }));
        host.program.send(&json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" }));
        host.refusal("view_media", json!({ "uri": app.join("logo.png") }));
        assert_eq!(host.asked, 0);

        let mut host = Host::open(stage, &app, &[], Answer::Folders(vec![app.clone()]));
        host.make("view_media", json!({ "uri": app.join("logo.png") }));
        host.refusal("view_media", json!({ "uri": other.join("logo.png") }));
        // A call that follows the notification at once sees the new folders, however the two are scheduled.
        for round in 0..20 {
            let (now, before) = if round % 2 == 0 { (&other, &app) } else { (&app, &other) };
            host.answer = Answer::Folders(vec![now.clone()]);
            host.program.send(&json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" }));
            if round % 3 == 0 {
                host.refusal("view_media", json!({ "uri": before.join("logo.png") }));
            }
            host.make("view_media", json!({ "uri": now.join("logo.png") }));
            host.refusal("view_media", json!({ "uri": before.join("logo.png") }));
        }
        assert_eq!(host.asked, 21);
    });
}

#[test]
fn in_the_newest_revision_the_question_is_the_result_of_the_first_call_that_names_a_path() {
    on_stage(|stage| {
        let app = project(stage, "app");
        let mut meta = modern_meta();
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({ "roots": {} });
        let mut host = Host::start(stage, &app, &[], Answer::Never);
        let mut call = |tool: &str, arguments: Value, responses: Option<Value>| {
            let mut parameters = json!({ "name": tool, "arguments": arguments, "_meta": meta });
            if let Some(responses) = responses {
                parameters["inputResponses"] = responses;
            }
            host.request("tools/call", parameters)["result"].clone()
        };
        let made = call("text_to_image", json!({ "prompt": "x" }), None);
        assert_eq!(made["resultType"], "complete", "{made}");
        let view = json!({ "uri": "logo.png" });
        let question = call("view_media", view.clone(), None);
        assert_eq!(question["resultType"], "input_required", "{question}");
        assert_eq!(question["inputRequests"]["roots"]["method"], "roots/list", "{question}");
        let seen =
            call("view_media", view.clone(), Some(json!({ "roots": roots(std::slice::from_ref(&app)) })));
        assert!(seen["isError"] != true && seen["resultType"] == "complete", "{seen}");
        // It was asked once.
        let seen = call("view_media", view.clone(), None);
        assert!(seen["isError"] != true && seen["resultType"] == "complete", "{seen}");

        // After a change it is asked again.
        host.program.send(&json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" }));
        let parameters = json!({ "name": "view_media", "arguments": view, "_meta": meta });
        let question = host.request("tools/call", parameters)["result"].clone();
        assert_eq!(question["resultType"], "input_required", "{question}");

        // A client that comes back without an answer is not asked again.
        let mut host = Host::start(stage, &app, &[], Answer::Never);
        for (asked, responses) in
            [(true, json!({})), (false, json!({ "roots": { "roots": 5 } })), (false, json!({}))]
        {
            let parameters = json!({ "name": "view_media", "arguments": { "uri": "logo.png" }, "_meta": meta,
                "inputResponses": responses });
            let result = host.request("tools/call", parameters)["result"].clone();
            assert_eq!(result["resultType"] == "input_required", asked, "{result}");
            assert!(asked || text(&result).contains("MINIMAX_ALLOWED_DIRS"), "{result}");
        }
    });
}

#[test]
fn a_media_folder_of_the_home_folder_is_made_when_a_result_goes_there() {
    if crate::s3::leaves_out("a folder of the caller's choice") {
        return;
    }
    on_stage(|stage| {
        let home = stage.dir.path().join("home");
        std::fs::create_dir_all(&home).unwrap();
        let mut host = Host::start(stage, stage.dir.path(), &[], Answer::Never);
        host.initialize(json!({}));
        for folder in
            ["~/Pictures/foxes", "~/Music", "~/Videos/a/b", "~/Downloads", "~/Desktop/x", "~/Documents"]
        {
            let image = host.make("text_to_image", json!({ "prompt": "x", "output_directory": folder }));
            let saved = PathBuf::from(image["files"][0]["path"].as_str().unwrap());
            let expected = dunce::canonicalize(&home).unwrap().join(folder.strip_prefix("~/").unwrap());
            assert!(saved.starts_with(&expected) && saved.is_file(), "{}", saved.display());
            host.make("view_media", json!({ "uri": saved }));
        }
        for folder in ["~/Other/foxes", "~", "~/Pictures/../x", "~/Pictures/.hidden"] {
            host.refusal("text_to_image", json!({ "prompt": "x", "output_directory": folder }));
        }
    });
}

/// The folders that a client names must not open more than a project.
#[test]
fn roots_open_neither_the_home_folder_nor_the_server_s_own_files_nor_what_is_hidden() {
    on_stage(|stage| {
        let app = project(stage, "app");
        let top = dunce::canonicalize(stage.dir.path()).unwrap();
        let home = top.join("home");
        for folder in ["home/.ssh", "home/.config/app", "home/Library/app", "data"] {
            std::fs::create_dir_all(top.join(folder)).unwrap();
        }
        let picture = std::fs::read(app.join("logo.png")).unwrap();
        for file in [
            "home/cat.png",
            "home/.ssh/cat.png",
            "home/.config/app/cat.png",
            "home/Library/app/cat.png",
            "data/cat.png",
            "cat.png",
        ] {
            std::fs::write(top.join(file), &picture).unwrap();
        }
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n";
        for file in ["notes.txt", ".env", ".git/config"] {
            std::fs::create_dir_all(app.join(".git")).unwrap();
            std::fs::write(app.join(file), key).unwrap();
        }
        let folders = ["/", "", "home", "home/.ssh", "home/.config/app", "home/Library/app", "data"]
            .map(|folder| if folder == "/" { PathBuf::from(folder) } else { top.join(folder) });
        let folders = folders.into_iter().filter(|folder| cfg!(unix) || folder.is_absolute());
        let named = folders.chain([app.clone()]).collect();
        let mut host = Host::open(stage, &app, &[], Answer::Folders(named));
        host.make("view_media", json!({ "uri": app.join("logo.png") }));
        for file in [
            "home/cat.png",
            "home/.ssh/cat.png",
            "home/.config/app/cat.png",
            "home/Library/app/cat.png",
            "data/cat.png",
            "cat.png",
            "data/jobs.sqlite3",
        ] {
            host.refusal("view_media", json!({ "uri": top.join(file) }));
            host.refusal(
                "upload_file",
                json!({ "file": top.join(file), "purpose": "video_generation_input" }),
            );
        }
        // In the project, secrets and hidden files are refused as anywhere.
        for (file, word) in [("notes.txt", "private key"), (".env", "hidden"), (".git/config", "hidden")] {
            for given in [file.to_owned(), app.join(file).display().to_string()] {
                let refusal = host.refusal("text_to_audio", json!({ "text_file": given }));
                assert!(refusal.contains(word), "{file}: {refusal}");
                assert!(!refusal.contains("b3Blbn"), "{refusal}");
            }
        }
        for folder in [".git/hooks", ".github"] {
            host.refusal("text_to_image", json!({ "prompt": "x", "output_directory": app.join(folder) }));
        }
        for folder in [home.join(".ssh"), home.clone(), top.join("data"), top.clone()] {
            host.refusal("text_to_image", json!({ "prompt": "x", "output_directory": folder }));
        }
        assert_eq!(stage.sandbox.paid().len(), 0);
    });
}

#[cfg(unix)]
#[test]
fn a_link_in_the_project_that_leads_out_of_it_is_not_followed_even_if_it_is_swapped_in_later() {
    use std::os::unix::fs::symlink;

    on_stage(|stage| {
        let app = project(stage, "app");
        let secret = dunce::canonicalize(stage.dir.path()).unwrap().join("secret");
        std::fs::create_dir_all(&secret).unwrap();
        std::fs::copy(app.join("logo.png"), secret.join("cat.png")).unwrap();
        symlink(&secret, app.join("album")).unwrap();
        symlink(secret.join("cat.png"), app.join("cat.png")).unwrap();
        let mut host = Host::open(stage, &app, &[], Answer::Folders(vec![app.clone()]));
        for file in
            ["album/cat.png", "cat.png", "../../../secret/cat.png", "assets/../../../../secret/cat.png"]
        {
            let refusal = host.refusal("view_media", json!({ "uri": file }));
            // No line is suggested that would open the place that the link leads to.
            assert!(refusal.contains("outside") && !refusal.contains("MINIMAX_ALLOWED_DIRS"), "{refusal}");
        }
        host.refusal("text_to_image", json!({ "prompt": "x", "output_directory": app.join("album") }));
        // The project folder itself becomes a link after the client has named it.
        host.make("view_media", json!({ "uri": "logo.png" }));
        let aside = app.with_file_name("aside");
        std::fs::rename(&app, &aside).unwrap();
        symlink(&secret, &app).unwrap();
        host.refusal("view_media", json!({ "uri": app.join("cat.png") }));
        host.refusal("view_media", json!({ "uri": secret.join("cat.png") }));
        host.refusal("text_to_image", json!({ "prompt": "x", "output_directory": app.join("made") }));
        assert_eq!(std::fs::read_dir(&secret).unwrap().count(), 1);
        assert_eq!(stage.sandbox.paid().len(), 0);
    });
}
