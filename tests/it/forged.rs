//! Forged files in folders that tools and other programs can write. None of them is trusted, under any name.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::crash::{Victim, until};
use crate::crash_promises::{delivered, listed, nothing_half};
use crate::storage::Stage;
use crate::unwritten::{
    SUBMIT, a_line_with_a_task, fill, make_room, next_delivers, order, spooled, stage, word,
};

/// All paths from which this version or an earlier one has read updates, and a few similar ones.
fn places(stage: &Stage) -> Vec<PathBuf> {
    let (data, out) = (stage.cell.data(), stage.cell.out());
    fs::create_dir_all(data.join("spool")).unwrap();
    fs::create_dir_all(out.join(".minimax-spool")).unwrap();
    vec![
        out.join("unwritten-x.jsonl"),
        out.join(".minimax-unwritten-x.jsonl"),
        out.join(".minimax-unwritten-x.new"),
        out.join(".minimax-spool/x.spool"),
        out.join(".minimax-spool/x.new"),
        out.join("x.spool"),
        data.join("spool/x.spool"),
        data.join("spool/x.new"),
        data.join("x.spool"),
    ]
}

/// Writes the lines to all these paths, plain and after something that looks like a MAC.
fn plant(stage: &Stage, lines: &[Value]) -> Vec<PathBuf> {
    let places = places(stage);
    for place in &places {
        let both = |line| [format!("{line}\n"), format!("{} {line}\n", "0f".repeat(32))];
        let text = lines.iter().flat_map(both).collect::<Vec<_>>().concat();
        fs::write(place, text).unwrap();
    }
    places
}

fn image(prompt: &str) -> Value {
    json!({ "prompt": prompt, "width": 512, "height": 512, "wait_seconds": 60 })
}

fn id_of(made: &Value) -> Value {
    made["structuredContent"]["job_id"].clone()
}

/// A host that answers every request with one text, until the test ends.
fn host(text: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

#[test]
fn a_forged_file_does_not_release_money() {
    let stage = Stage::new();
    let budget = [("MINIMAX_BUDGET_DAY", "0.01")];
    let mut program = stage.cell.program(&budget).ready();
    let ids: Vec<_> =
        ["one", "two"].map(|prompt| id_of(&program.call("text_to_image", image(prompt)))).into();
    let refused = program.call("text_to_image", image("three"));
    assert_eq!((refused["isError"].clone(), stage.bought()), (json!(true), 2), "{refused}");
    let lines: Vec<_> = ids
        .iter()
        .map(|id| json!({ "when": 1, "purchase": id, "state": "released", "actual": null }))
        .collect();
    // Let the tool write files with these names.
    let text = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let host = host(&text);
    for name in ["unwritten-a.jsonl", ".minimax-unwritten-a.jsonl", "a.spool", "jobs.lock", "x.part"] {
        let file = program.call("download_file", json!({ "url": format!("{host}/{name}") }));
        let path =
            PathBuf::from(file["structuredContent"]["path"].as_str().unwrap_or_else(|| panic!("{file}")));
        let saved = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            !saved.starts_with('.') && !saved.starts_with("unwritten") && !saved.starts_with("jobs."),
            "{saved}"
        );
        let ending = path.extension().unwrap_or_default();
        assert!(ending != "spool" && ending != "part" && ending != "lock", "{saved}");
    }
    program.kill();
    // Then write them as another program would.
    let planted = plant(&stage, &lines);
    for _ in 0..2 {
        let mut program = stage.cell.program(&budget).ready();
        let refused = program.call("text_to_image", image("four"));
        assert_eq!((refused["isError"].clone(), stage.bought()), (json!(true), 2), "{refused}");
        assert_eq!(word(&stage, "SELECT min(state) || max(state) FROM spending"), "settledsettled");
        program.kill();
    }
    for place in planted {
        assert!(place.exists(), "{} was taken for an order", place.display());
    }
}

#[test]
fn a_file_in_the_output_folder_does_not_make_a_job_write_elsewhere() {
    let stage = Stage::new();
    let mut program = stage.program();
    let failed =
        program.call("text_to_image", json!({ "prompt": "x", "model": "no-such-model", "wait_seconds": 60 }));
    let id = id_of(&failed);
    assert!(id.is_string(), "{failed}");
    program.kill();
    let elsewhere = stage.cell.dir.path().join("home/.config/autostart");
    let host = host("[Desktop Entry]\nExec=sh -c evil\n");
    let record = json!({
        "kind": "transcription", "prompt": "update", "folder": elsewhere, "state": { "at": "fetching" },
        "principal": "somebody", "account": "elsewhere", "updated_at": 9_999_999_999_999_i64,
        "files": [{ "name": "a.desktop", "mime_type": "text/plain", "url": format!("{host}/payload") }],
    });
    plant(&stage, &[json!({ "when": 1, "job": id, "task_id": null, "record": record })]);
    let mut next = stage.cell.program_later().ready();
    let view = next.call("get_job", json!({ "job_id": id, "wait_seconds": 5 }));
    assert_eq!(view["structuredContent"]["status"], "failed", "{view}");
    until("the warning", || next.log().contains("left aside"));
    // Each file is logged once, although the spool is checked every two seconds.
    let complaints = next.log().matches("left aside").count();
    std::thread::sleep(std::time::Duration::from_millis(4500));
    assert_eq!(next.log().matches("left aside").count(), complaints, "{}", next.log());
    assert!(!elsewhere.exists());
    assert_eq!(word(&stage, "SELECT kind || ' ' || principal FROM jobs"), "image local");
}

/// Orders something, and kills the program when its answer is in the spool alone.
fn leave_a_line(stage: &Stage) {
    let mut program = started(stage);
    order(stage, &mut program, || fill(stage));
    until("the line", || a_line_with_a_task(&stage.cell.data()));
    program.kill();
    make_room(stage);
}

/// A spooled line counts only unchanged, and only for the database that it belongs to.
#[test]
fn a_spooled_line_that_was_changed_or_belongs_to_other_records_is_ignored() {
    let stage = stage();
    leave_a_line(&stage);
    let file = spooled(&stage.cell.data()).pop().unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("video_v1"), "{text}");
    fs::write(&file, text.replace("video_v1", "video_v2")).unwrap();
    let mut next = stage.cell.program_later().ready();
    let jobs = listed(&mut next);
    let view = next.call("get_job", json!({ "job_id": jobs[0], "wait_seconds": 60 }));
    assert_eq!(view["structuredContent"]["status"], "unknown", "{view}");
    until("the warning", || next.log().contains("left aside"));
    assert_eq!(fs::read_to_string(&file).unwrap(), text.replace("video_v1", "video_v2"));
    next.kill();
    // Another database has another key.
    fs::write(&file, &text).unwrap();
    stage.sql_of(
        "UPDATE secrets SET value = randomblob(32) WHERE name = 'spool'",
        Some("UPDATE secrets SET value = sha256(value) WHERE name = 'spool'"),
    );
    let mut next = stage.program();
    listed(&mut next);
    until("the warning", || next.log().contains("left aside"));
    assert!(file.exists());
}

fn started(stage: &Stage) -> Victim {
    let mut program = stage.program();
    assert_eq!(listed(&mut program), Vec::<String>::new());
    program
}

/// Starts the next program without allowed folders besides the default.
fn without_allowed_folders(stage: &Stage) -> Victim {
    stage.cell.program(&[("MINIMAX_ALLOWED_DIRS", ""), ("MINIMAX_CRASH_CLOCK", "7000")]).ready()
}

/// Rewrites a spooled line without its MAC, in a file of versions before the spool.
fn as_before_the_spool(stage: &Stage, mode: u32) -> PathBuf {
    let file = spooled(&stage.cell.data()).pop().unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let legacy = stage.cell.data().join("unwritten-server-old.jsonl");
    fs::write(&legacy, format!("{}\n", text.trim_end().split_once(' ').unwrap().1)).unwrap();
    #[cfg(unix)]
    fs::set_permissions(&legacy, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    let _ = mode;
    fs::remove_file(file).unwrap();
    legacy
}

#[test]
fn a_file_of_an_earlier_version_counts_only_where_no_tool_can_write() {
    let inside = |stage: &Stage| {
        let all = dunce::canonicalize(stage.cell.dir.path()).unwrap();
        let all = all.to_str().unwrap();
        stage.cell.program(&[("MINIMAX_ALLOWED_DIRS", all), ("MINIMAX_CRASH_CLOCK", "7000")]).ready()
    };
    let cases: [(&str, u32, bool); 3] =
        [("outside", 0o600, true), ("inside", 0o600, false), ("wide", 0o666, false)];
    for (what, mode, counts) in cases {
        if what == "wide" && cfg!(not(unix)) {
            continue;
        }
        let stage = stage();
        leave_a_line(&stage);
        let legacy = as_before_the_spool(&stage, mode);
        let mut next = if what == "inside" { inside(&stage) } else { without_allowed_folders(&stage) };
        let jobs = listed(&mut next);
        let view = next.call("get_job", json!({ "job_id": jobs[0], "wait_seconds": 60 }));
        if counts {
            assert_eq!(delivered(&view["structuredContent"], what), 1, "{view}");
            assert!(!legacy.exists());
        } else {
            assert_eq!(view["structuredContent"]["status"], "unknown", "{what}: {view}");
            assert!(
                legacy.exists() && next.log().contains("query_video_generation"),
                "{what}: {}",
                next.log()
            );
        }
    }
}

/// Updates that the program itself spooled to the output folder still count.
#[cfg(unix)]
#[test]
fn the_spool_is_private_to_its_owner_and_a_link_cannot_replace_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let stage = stage();
    let mut program = started(&stage);
    let trap = stage.cell.dir.path().join("trap");
    fs::create_dir(&trap).unwrap();
    let _ = fs::remove_dir_all(stage.cell.data().join("spool"));
    std::os::unix::fs::symlink(&trap, stage.cell.data().join("spool")).unwrap();
    order(&stage, &mut program, || fill(&stage));
    // The spool does not follow the link, so it uses the output folder.
    until("the line", || a_line_with_a_task(&stage.cell.out()));
    assert_eq!(fs::read_dir(&trap).unwrap().count(), 0);
    let file = spooled(&stage.cell.out()).pop().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    program.kill();
    make_room(&stage);
    next_delivers(&stage);
    assert!(!file.parent().unwrap().exists(), "an empty folder is left");
}

#[test]
fn no_tool_writes_to_the_data_folder_or_reads_from_it_even_inside_an_allowed_folder() {
    let stage = Stage::new();
    listed(&mut stage.program());
    let (all, data) = (dunce::canonicalize(stage.cell.dir.path()).unwrap(), stage.cell.data());
    let facts = all.join("out/facts.json");
    fs::write(&facts, "{}").unwrap();
    let settings =
        [("MINIMAX_ALLOWED_DIRS", all.to_str().unwrap()), ("MINIMAX_FACTS_FILE", facts.to_str().unwrap())];
    let mut program = stage.cell.program(&settings).ready();
    let host = host("a text");
    let before: Vec<_> = stage.beside("");
    for folder in [data.clone(), data.join("spool"), data.join("uploads/x"), all.join("out/../data")] {
        let folder = folder.to_str().unwrap();
        for (tool, mut arguments) in
            [("text_to_image", image("A fox")), ("download_file", json!({ "url": format!("{host}/a.txt") }))]
        {
            arguments["output_directory"] = json!(folder);
            let refused = program.call(tool, arguments);
            let said = refused["content"][0]["text"].as_str().unwrap_or_default();
            assert!(
                refused["isError"] == true && said.contains("output_directory"),
                "{tool} {folder}: {refused}"
            );
        }
    }
    assert_eq!((stage.beside(""), stage.bought()), (before, 0));
    for file in [data.join("jobs.sqlite3"), data.join("jobs.lock"), facts] {
        let arguments = json!({ "file": file, "purpose": "t2a_async_input" });
        let refused = program.call("upload_file", arguments);
        let said = refused["content"][0]["text"].as_str().unwrap_or_default();
        assert!(refused["isError"] == true && said.contains("outside"), "{}: {refused}", file.display());
    }
    let made = program.call("text_to_image", image("A fox"));
    assert_eq!(made["structuredContent"]["status"], "succeeded", "{made}");
}

#[test]
fn a_result_folder_that_is_the_data_folder_is_refused_before_anything_is_bought() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let stage = Stage::new();
    let data = stage.cell.data();
    let mut program = stage.cell.program(&[("MINIMAX_MCP_BASE_PATH", data.to_str().unwrap())]).ready();
    let refused = program.call("text_to_image", image("A fox"));
    let said = refused["content"][0]["text"].as_str().unwrap_or_default();
    assert!(refused["isError"] == true && said.contains("MINIMAX_MCP_BASE_PATH"), "{refused}");
    assert_eq!(stage.bought(), 0);
}

/// A folder in an old record is checked like a folder from a caller, because the settings may have changed.
#[test]
fn a_folder_that_is_no_longer_allowed_takes_no_result_and_the_result_is_not_lost() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let stage = stage();
    let mut program = started(&stage);
    let elsewhere = stage.cell.dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    stage.cell.sandbox.script(vec![Rule::once(SUBMIT, Act::Delay { ms: 0 })]);
    program.call("generate_video", json!({ "prompt": "A fox", "wait_seconds": 0 }));
    until("the task", || !word(&stage, "SELECT coalesce(max(task_id), '') FROM jobs").is_empty());
    program.kill();
    for wrong in [elsewhere.clone(), stage.cell.out().join("../elsewhere"), stage.cell.data()] {
        let wrong = wrong.to_str().unwrap().to_owned();
        let set = "UPDATE jobs SET status = 'running', is_open = 1, lease_until = 0, body =";
        let sqlite = format!(
            "{set} json_set(json_remove(body, '$.files'), '$.folder', '{wrong}', '$.warnings', json('[]'),
             '$.state', json_object('at', 'running', 'word', '', 'task', json_extract(body, '$.state.task')))"
        );
        let postgres = format!(
            "{set} CAST(CAST(body AS jsonb) - 'files' || jsonb_build_object('folder', CAST('{wrong}' AS text),
             'warnings', CAST('[]' AS json), 'state', jsonb_build_object('at', 'running', 'word', '', 'task',
             CAST(body AS json) #> '{{state,task}}')) AS text)"
        );
        stage.sql_of(&sqlite, Some(&postgres));
        let before = stage.beside("fox");
        let mut next = stage.cell.program(&[("MINIMAX_ALLOWED_DIRS", "")]).ready();
        let jobs = listed(&mut next);
        let view = next.call("get_job", json!({ "job_id": jobs[0], "wait_seconds": 60 }));
        let view = &view["structuredContent"];
        assert_eq!(delivered(view, "elsewhere"), 1, "{view}");
        let path = PathBuf::from(view["files"][0]["path"].as_str().unwrap());
        assert_eq!(path.parent().unwrap(), dunce::canonicalize(stage.cell.out()).unwrap());
        assert!(view["warnings"].to_string().contains("MINIMAX_ALLOWED_DIRS"), "{view}");
        assert_eq!((fs::read_dir(&elsewhere).unwrap().count(), stage.beside("fox")), (0, before));
        next.kill();
        nothing_half(&stage.cell.out(), "elsewhere");
    }
    assert_eq!(stage.bought(), 1);
}
