//! Results in a bucket are removed with their records: by age, and when a person deletes them in the gallery.

use std::sync::LazyLock;

use minimax_mcp::config::Config;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::crash::command;
use crate::gallery::world::{Visitor, of_job};
use crate::harness::{config, quick};
use crate::http::{Served, make};
use crate::s3::{BUCKET, S3};
use crate::storage::Stage;

static GALLERY: LazyLock<S3> = LazyLock::new(S3::start);

fn in_the_bucket(tuned: &mut Config) {
    let settings = GALLERY.settings().into_iter().map(|(name, value)| (name.to_owned(), value));
    let dir = tuned.base_path.parent().unwrap().to_owned();
    tuned.files = config(&tuned.host, &dir, &settings.collect::<Vec<_>>()).files;
}

/// The key of the first file of a view.
fn key(view: &Value) -> String {
    let path = view["files"][0]["path"].as_str().unwrap_or_else(|| panic!("{view}"));
    path.strip_prefix(&format!("s3://{BUCKET}/")).unwrap().to_owned()
}

fn only_key(s3: &S3, without: &[&String]) -> String {
    let keys: Vec<String> = s3.objects().into_keys().filter(|key| !without.contains(&key)).collect();
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    key.clone()
}

#[test]
fn a_rule_of_age_removes_the_objects_of_old_jobs_and_leaves_one_that_was_replaced() {
    let (stage, s3) = (Stage::new(), S3::start());
    let settings = s3.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut program = stage.cell.program(&settings).ready();
    let mut image = |prompt: &str| {
        let order = json!({ "prompt": prompt, "width": 512, "height": 512, "wait_seconds": 60 });
        program.call("text_to_image", order)["structuredContent"].clone()
    };
    let (old, replaced) = (key(&image("old")), image("replaced"));
    let bytes = s3.objects()[&old].metadata().unwrap().len();
    std::fs::write(&s3.objects()[&key(&replaced)], "replaced").unwrap();
    program.kill();
    stage.age();
    let prune = |more: &[&str]| -> Value {
        let mut command = command(&stage.cell.sandbox.url(), stage.cell.dir.path(), &settings);
        let output = command.args(["prune", "--keep-days", "10", "--json"]).args(more).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let counted = prune(&["--dry-run"]);
    assert_eq!(
        (&counted["jobs"], &counted["files"], &counted["bytes"]),
        (&json!(2), &json!(1), &json!(bytes))
    );
    assert_eq!(counted["files_changed"], json!([replaced["files"][0]["path"]]));
    assert_eq!(s3.objects().len(), 2, "a dry run removes nothing");
    let removed = prune(&[]);
    assert_eq!((&removed["jobs"], &removed["files"]), (&json!(2), &json!(1)), "{removed}");
    assert_eq!(only_key(&s3, &[]), key(&replaced));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_deleted_in_the_gallery_is_deleted_in_the_bucket() {
    let served = Served::tuned(false, quick(), in_the_bucket).await;
    let image = async |prompt: &str| {
        of_job(&make(&served.base, None, "text_to_image", json!({ "prompt": prompt })).await)
    };
    let visitor = Visitor::without_token(&served.base).await;
    let delete =
        async |job: &str| visitor.post(&format!("/gallery/delete/{job}"), &[("what", "all")]).await.status();
    let first = image("first").await;
    let first_key = only_key(&GALLERY, &[]);
    let second = image("second").await;
    let second_key = only_key(&GALLERY, &[&first_key]);
    assert_eq!(delete(&first).await, StatusCode::SEE_OTHER);
    assert_eq!(only_key(&GALLERY, &[]), second_key, "its object alone");
    // What is in the place of the object now is not the file of the job.
    std::fs::write(&GALLERY.objects()[&second_key], "replaced").unwrap();
    assert_eq!(delete(&second).await, StatusCode::CONFLICT);
    assert_eq!(only_key(&GALLERY, &[]), second_key);
    assert_eq!(
        visitor.get(&format!("/gallery/jobs/{second}")).await.status(),
        StatusCode::OK,
        "the record stays"
    );
    served.end().await;
}
