//! Telemetry for the operator: metrics, log lines and traces.
//!
//! Telemetry never delays a call or makes it fail. It reports the tool, a digest of the caller and the outcome of a
//! call. It never reports arguments or keys.

mod call;
mod display;
mod log;
mod metrics;
mod otlp;
mod parent;
mod redact;

pub use call::{ASKED, Call, RequestId, failed, job, job_ended, ordered};
pub use display::{display, in_words, is_blank, plain, quoted};
pub use log::{Telemetry, is_filter, start};
pub use metrics::{Amount, Metrics, Observed, QueueLength, Records, Scrape};
pub use otlp::causes;
pub use parent::Parent;
