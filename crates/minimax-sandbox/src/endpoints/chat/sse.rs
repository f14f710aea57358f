//! Server-sent events, and the ways a stream can end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::Value;

use crate::endpoints::chat::reply::Ending;
use crate::engine::faults::Dropped;
use crate::engine::state::AppState;

/// The events of an answer, already serialised.
#[derive(Debug, Default)]
pub(crate) struct EventStream {
    /// Events before the text.
    pub head: Vec<String>,
    /// The text, one event per piece.
    pub body: Vec<String>,
    /// Events after the text.
    pub tail: Vec<String>,
    /// The event that reports an error in the middle of the text.
    pub error: String,
}

/// An event without a name.
pub(crate) fn plain(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// An event named after its `type` field.
pub(crate) fn named(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data.get("type").and_then(Value::as_str).unwrap_or_default())
}

/// A step of a stream.
enum Step {
    Event(String),
    Pause(Duration),
    Reset,
}

/// Counts an open stream. It is dropped when the stream ends or the client hangs up.
struct Running(Arc<AppState>);

impl Running {
    fn new(state: Arc<AppState>) -> Self {
        state.streaming.fetch_add(1, Ordering::SeqCst);
        Self(state)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.streaming.fetch_sub(1, Ordering::SeqCst);
    }
}

impl EventStream {
    /// The response that streams these events.
    pub fn into_response(self, state: Arc<AppState>, ending: Ending) -> Response {
        let steps = self.steps(ending);
        let running = Running::new(state);
        let events = stream::unfold((steps, running), |(mut steps, running)| async move {
            loop {
                match steps.pop_front()? {
                    Step::Event(event) => return Some((Ok(event), (steps, running))),
                    Step::Pause(pause) => tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = running.0.stopping.cancelled() => return None,
                    },
                    Step::Reset => return Some((Err(Dropped), (VecDeque::new(), running))),
                }
            }
        });
        ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
    }

    fn steps(self, ending: Ending) -> VecDeque<Step> {
        let half = self.body.len() / 2;
        let mut steps: VecDeque<Step> = self.head.into_iter().map(Step::Event).collect();
        if ending == Ending::Complete || ending == Ending::Slow {
            for event in self.body {
                steps.push_back(Step::Event(event));
                if ending == Ending::Slow {
                    steps.push_back(Step::Pause(Duration::from_millis(500)));
                }
            }
            steps.extend(self.tail.into_iter().map(Step::Event));
            return steps;
        }
        steps.extend(self.body.into_iter().take(half.max(1)).map(Step::Event));
        match ending {
            Ending::Error => steps.push_back(Step::Event(self.error)),
            // The pause lets the bytes leave before the connection closes.
            Ending::Reset => steps.extend([Step::Pause(Duration::from_millis(50)), Step::Reset]),
            Ending::Complete | Ending::Slow | Ending::Truncated => {}
        }
        steps
    }
}
