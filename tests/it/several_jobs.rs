//! `get_job` with several ids: one wait for all, one view for each.

use minimax_mcp::sandbox::{Act, Pace, Rule};
use serde_json::{Value, json};

use crate::harness::{World, quick, text};

async fn started(world: &World, prompt: &str) -> String {
    let view = world.make("generate_video", json!({ "prompt": prompt, "wait_seconds": 0 })).await;
    view["job_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_call_waits_for_several_jobs_and_shows_each() {
    let world = World::with(Pace { polls: 3, ..quick() }, &[]).await;
    let mut ids = Vec::new();
    for prompt in ["one", "two", "three"] {
        ids.push(started(&world, prompt).await);
    }
    let result = world.call("get_job", json!({ "job_ids": ids, "wait_seconds": 60 })).await;
    let said = text(&result);
    let view = result.structured_content.unwrap();
    let jobs = view["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 3);
    for (id, job) in ids.iter().zip(jobs) {
        assert_eq!((&job["job_id"], &job["status"]), (&json!(id), &json!("succeeded")), "{job}");
        for part in
            [id.as_str(), job["files"][0]["path"].as_str().unwrap(), job["files"][0]["uri"].as_str().unwrap()]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    assert_eq!(view["next"], "All 3 have ended.");
    let links = result.content.iter().filter(|block| block.as_resource_link().is_some()).count();
    assert_eq!(links, 3);
    assert_eq!(world.bought(), 3);
}

#[tokio::test]
async fn an_id_that_names_nothing_and_a_job_that_failed_do_not_fail_the_others() {
    let world = World::new().await;
    let good = world.make("text_to_image", json!({ "prompt": "good" })).await["job_id"].clone();
    let refused = Act::Refuse { code: 1026, message: None, retry_after: None };
    world.sandbox.script(vec![Rule::once("/v1/image_generation", refused)]);
    let bad = world.call("text_to_image", json!({ "prompt": "bad" })).await.structured_content.unwrap();
    let ids = json!([good, "no-such-job", bad["job_id"], good]);
    let result = world.call("get_job", json!({ "job_ids": ids })).await;
    assert_ne!(result.is_error, Some(true), "{}", text(&result));
    let view = result.structured_content.clone().unwrap();
    let jobs = view["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 3, "an id that is given twice is shown once");
    assert_eq!(jobs[0]["status"], "succeeded");
    assert_eq!((&jobs[1]["job_id"], &jobs[1]["error"]["kind"]), (&json!("no-such-job"), &json!("argument")));
    assert_eq!((&jobs[2]["status"], &jobs[2]["error"]["code"]), (&json!("failed"), &json!(1026)));
    assert_eq!(view["next"], "All 3 have ended, 2 of them with an error.");
    let said = text(&result);
    assert!(said.contains("there is no job `no-such-job`. list_jobs shows"), "{said}");
    let none = world.call("get_job", json!({ "job_ids": ["x", "y"] })).await;
    assert_eq!(none.is_error, Some(true), "a call in which every job failed has failed");
}

#[tokio::test]
async fn running_jobs_are_named_for_the_next_call() {
    let world = World::with(Pace { polls: 1, seconds: 600.0, ..quick() }, &[]).await;
    let slow = started(&world, "slow").await;
    let done = world.make("text_to_image", json!({ "prompt": "x" })).await["job_id"].clone();
    let view = world.make("get_job", json!({ "job_ids": [slow, done], "wait_seconds": 0 })).await;
    let next = view["next"].as_str().unwrap();
    assert!(next.starts_with("1 of 2 have ended. Call get_job with job_ids "), "{next}");
    assert!(next.contains(&slow) && !next.contains(done.as_str().unwrap()), "{next}");
}

#[tokio::test]
async fn ids_are_given_in_one_way_and_at_most_twenty() {
    let world = World::new().await;
    let many: Vec<Value> = (0..21).map(|n| json!(format!("job-{n}"))).collect();
    for (arguments, part) in [
        (json!({}), "`job_id` is missing: give job_id, or job_ids"),
        (json!({ "job_ids": [] }), "`job_id` is missing"),
        (json!({ "job_id": "a", "job_ids": ["b"] }), "excludes job_id"),
        (json!({ "job_ids": many }), "at most 20"),
    ] {
        let said = world.refusal("get_job", arguments.clone()).await;
        assert!(said.contains(part), "{arguments}: {said}");
    }
    let id = world.make("text_to_image", json!({ "prompt": "x" })).await["job_id"].clone();
    for one in [json!({ "id": id }), json!({ "jobId": id }), json!({ "job_id": id })] {
        assert_eq!(world.make("get_job", one).await["status"], "succeeded");
    }
    for several in [json!({ "ids": [id] }), json!({ "job_ids": id }), json!({ "jobIds": [id] })] {
        assert_eq!(world.make("get_job", several).await["jobs"][0]["status"], "succeeded");
    }
}
