//! An answer as a stream of events, and what can happen to one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::Value;

use super::super::front::Dropped;
use super::super::platform::Platform;
use super::Fate;

/// The events of an answer.
#[derive(Debug, Default)]
pub(super) struct Film {
    /// Before the words.
    pub head: Vec<String>,
    /// The words, a piece each.
    pub body: Vec<String>,
    /// After them.
    pub tail: Vec<String>,
    /// What a refusal in the middle looks like.
    pub refusal: String,
}

/// An event without a name.
pub(super) fn plain(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// An event that is named by its type.
pub(super) fn named(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data.get("type").and_then(Value::as_str).unwrap_or_default())
}

/// What is sent next.
enum Step {
    Event(String),
    Pause(Duration),
    Break,
}

/// Counts a stream as long as it is there: a client that hangs up drops it.
struct Running(Arc<Platform>);

impl Running {
    fn new(platform: Arc<Platform>) -> Self {
        platform.streaming.fetch_add(1, Ordering::SeqCst);
        Self(platform)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.streaming.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Film {
    pub fn shown(self, platform: Arc<Platform>, fate: Fate) -> Response {
        let steps = self.steps(fate);
        let running = Running::new(platform);
        let events = stream::unfold((steps, running), |(mut steps, running)| async move {
            loop {
                match steps.pop_front()? {
                    Step::Event(event) => return Some((Ok(event), (steps, running))),
                    Step::Pause(pause) => tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = running.0.stopping.cancelled() => return None,
                    },
                    Step::Break => return Some((Err(Dropped), (VecDeque::new(), running))),
                }
            }
        });
        ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
    }

    fn steps(self, fate: Fate) -> VecDeque<Step> {
        let half = self.body.len() / 2;
        let mut steps: VecDeque<Step> = self.head.into_iter().map(Step::Event).collect();
        if fate == Fate::Whole || fate == Fate::Slow {
            for event in self.body {
                steps.push_back(Step::Event(event));
                if fate == Fate::Slow {
                    steps.push_back(Step::Pause(Duration::from_millis(500)));
                }
            }
            steps.extend(self.tail.into_iter().map(Step::Event));
            return steps;
        }
        steps.extend(self.body.into_iter().take(half.max(1)).map(Step::Event));
        match fate {
            Fate::Refused => steps.push_back(Step::Event(self.refusal)),
            // The pause lets the bytes leave before the connection goes.
            Fate::Cut => steps.extend([Step::Pause(Duration::from_millis(50)), Step::Break]),
            Fate::Whole | Fate::Slow | Fate::Faded => {}
        }
        steps
    }
}
