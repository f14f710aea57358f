//! What a job view tells the caller to do.

use serde_json::json;

use super::*;

#[test]
fn no_state_of_a_paid_job_invites_to_buy_it_again() {
    let task = json!({ "route": "video_v1", "id": "1" });
    let unsaved = json!([{ "name": "video.mp4", "mime_type": "video/mp4", "trouble": "HTTP 404" }]);
    for (state, files, incomplete) in [
        (json!({ "at": "submitting", "sent": true }), json!([]), false),
        (json!({ "at": "running", "task": task, "word": "Queueing", "trouble": "reset" }), json!([]), false),
        (json!({ "at": "running", "task": task, "word": "x", "advice": "Fix the key." }), json!([]), false),
        (json!({ "at": "fetching", "task": task }), json!([]), false),
        (json!({ "at": "done", "partial": true }), unsaved.clone(), false),
        (json!({ "at": "done", "partial": true }), json!([]), true),
        (json!({ "at": "done" }), unsaved, false),
        (json!({ "at": "cancelled", "task": task, "at_minimax": false }), json!([]), false),
        (json!({ "at": "unknown", "why": "reset" }), json!([]), false),
        (json!({ "at": "unknown", "why": "reset", "task": task }), json!([]), false),
    ] {
        let job: Job = serde_json::from_value(json!({
            "id": "video-1", "principal": "p", "kind": "video", "tool": "t", "model": "m",
            "account": "a", "prompt": "p", "request": null, "digest": "d", "folder": "/out", "state": state,
            "files": files, "incomplete": incomplete, "created_at": 1, "updated_at": 1,
        }))
        .unwrap();
        let next = next(&job).to_lowercase();
        let decides = next.contains("let the user decide");
        for word in ["try again", "call again", "call the tool", "buy", "make it again", "order it"] {
            assert!(decides || !next.contains(word), "{state}: {next}");
        }
    }
}
