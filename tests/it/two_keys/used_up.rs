//! A window that is used up, and a caller who repeats the call.

use minimax_mcp::sandbox::Rule;
use serde_json::json;

use super::{key_of, planned, refuse, sent, world};
use crate::harness::text;

#[tokio::test]
async fn a_call_that_a_used_up_window_refuses_buys_nothing_however_often_and_a_new_key_buys_later() {
    let world = world(&[]).await;
    let jobs = planned().into_iter().filter(|(tool, ..)| ["text_to_image", "text_to_audio"].contains(tool));
    for (tool, path, mut arguments) in jobs {
        arguments["idempotency_key"] = json!(format!("first {tool}"));
        world.sandbox.script(vec![Rule::always(path, refuse(2056))]);
        let (bought, start) = (world.bought(), world.sandbox.requests().len());
        for _ in 0..2 {
            let told = world.call(tool, arguments.clone()).await;
            assert!(told.is_error == Some(true) && text(&told).contains("2056"), "{tool}: {}", text(&told));
            assert!(text(&told).contains("Nothing was billed"), "{tool}: {}", text(&told));
        }
        assert!(sent(&world.sandbox, start).iter().all(|(_, key)| *key == "plan"), "{tool}");
        assert_eq!(world.bought(), bought, "{tool}");
        // The window is open again.
        world.sandbox.script(Vec::new());
        arguments["idempotency_key"] = json!(format!("second {tool}"));
        let view = world.make(tool, arguments.clone()).await;
        assert_eq!(view["status"], "succeeded", "{tool}: {view}");
        assert_eq!(key_of(world.sandbox.paid().last().unwrap()), "plan", "{tool}");
        let again = world.make(tool, arguments.clone()).await;
        assert_eq!((&again["job_id"], world.bought()), (&view["job_id"], bought + 1), "{tool}");
        // What was refused without a bill did not use up its key: it buys now, once.
        arguments["idempotency_key"] = json!(format!("first {tool}"));
        let late = world.make(tool, arguments.clone()).await;
        let again = world.make(tool, arguments).await;
        assert_eq!((&again["job_id"], world.bought()), (&late["job_id"], bought + 2), "{tool}");
    }
}
