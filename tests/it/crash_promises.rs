//! Checks that must hold for a folder and its jobs after any crash.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, SqliteConnection};

use crate::crash::Victim;
use crate::postgres;
use crate::s3;

/// The ids of all jobs.
pub fn listed(program: &mut Victim) -> Vec<String> {
    let (mut ids, mut arguments) = (Vec::new(), json!({ "limit": 50 }));
    loop {
        let page = program.call("list_jobs", arguments);
        let page = &page["structuredContent"];
        let jobs = page["jobs"].as_array().unwrap_or_else(|| panic!("{page}: {}", program.log()));
        ids.extend(jobs.iter().map(|job| job["job_id"].as_str().unwrap().to_owned()));
        match page.get("next_cursor") {
            Some(cursor) => arguments = json!({ "limit": 50, "cursor": cursor }),
            None => return ids,
        }
    }
}

/// The number of records, read directly from the database.
pub async fn rows(data: &Path) -> usize {
    let dir = data.parent().unwrap();
    if postgres::chosen(dir).is_some() {
        let mut connection = postgres::connect(dir).await;
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM jobs").fetch_one(&mut connection).await.unwrap();
        return usize::try_from(count).unwrap();
    }
    let url = format!("sqlite://{}", data.join("jobs.sqlite3").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let (count,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM jobs").fetch_one(&mut connection).await.unwrap();
    usize::try_from(count).unwrap()
}

/// Checks the view of a job whose server was killed: the job has its result, or its request was never sent, or the
/// outcome is unknown and the view says how to find out.
pub fn judge(view: &Value, bought: usize, at: &str) {
    let next = view["next"].as_str().unwrap_or_default();
    match view["status"].as_str().unwrap_or_default() {
        "succeeded" => assert_eq!(bought, 1, "{at}: {view}"),
        "unknown" => {
            let ways = ["billing page", "get_job", "list_video_tasks"];
            assert!(ways.iter().any(|way| next.contains(way)), "{at}: {view}");
        }
        "failed" => {
            assert!(
                bought == 0 && view["error"]["message"].to_string().contains("nothing was bought"),
                "{at}: {view}"
            );
        }
        _ => panic!("{at}: {view}"),
    }
}

/// Checks that every file of a finished job is on disk as its record says. Returns the number of files.
pub fn delivered(view: &Value, at: &str) -> usize {
    if view["status"] != "succeeded" {
        return 0;
    }
    let none = Vec::new();
    let files = view["files"].as_array().unwrap_or(&none);
    for file in files {
        assert!(file["path"].is_string(), "{at}: not delivered: {view}");
        let bytes = s3::content(&file["path"]);
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
        assert_eq!(
            (json!(bytes.len()), json!(hash)),
            (file["bytes"].clone(), file["sha256"].clone()),
            "{at}"
        );
    }
    files.len()
}

/// Checks that every visible file is complete, recorded or not, and that none was saved twice.
pub fn nothing_half(out: &Path, at: &str) {
    for path in s3::results(out) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with(".minimax-") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        assert!(is_whole(&path, &bytes), "{at}: {name} ({} bytes) is not whole", bytes.len());
        // A second file with the same name would get this suffix.
        assert!(!name.contains("_2."), "{at}: {name} was saved twice");
    }
}

/// Whether a file is complete by the structure of its format: the lengths add up and the end is there.
fn is_whole(path: &Path, bytes: &[u8]) -> bool {
    match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "jpg" => image::load_from_memory(bytes).is_ok(),
        "mp4" => boxes(bytes)
            .is_some_and(|names| names.contains(&"moov".to_owned()) && names.contains(&"mdat".to_owned())),
        "mp3" => frames(bytes),
        "txt" | "srt" => !bytes.is_empty() && std::str::from_utf8(bytes).is_ok(),
        "wav" => bytes.len() > 44,
        other => panic!("what is a .{other}?"),
    }
}

/// The boxes of an MP4 file, which must fill it to the last byte.
fn boxes(mut bytes: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while !bytes.is_empty() {
        let size = match u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) {
            1 => usize::try_from(u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?)).ok()?,
            size => size as usize,
        };
        names.push(String::from_utf8_lossy(bytes.get(4..8)?).into_owned());
        bytes = bytes.get(size.max(8)..)?;
    }
    Some(names)
}

/// Whether MPEG frames fill the file to the last byte.
fn frames(mut bytes: &[u8]) -> bool {
    const RATES: [[usize; 15]; 2] = [
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    while !bytes.is_empty() {
        let &[0xff, second, third, ..] = bytes else { return false };
        let version = second >> 3 & 3;
        let (table, samples) = if version == 3 { (0, 144_000) } else { (1, 72_000) };
        let rate =
            [44_100, 48_000, 32_000, 1][usize::from(third >> 2 & 3)] >> [2, 0, 1, 0][usize::from(version)];
        let Some(kilobits) = RATES[table].get(usize::from(third >> 4)) else { return false };
        let length = samples * kilobits / rate + usize::from(third >> 1 & 1);
        if length == 0 || bytes.len() < length {
            return false;
        }
        bytes = &bytes[length..];
    }
    true
}
