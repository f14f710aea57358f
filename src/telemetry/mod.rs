//! What the people who run the server see of it: figures, log lines that belong together, and traces.
//!
//! Nothing here holds up a call or lets one fail. What leaves says which tool was called, by whose digest and how it
//! ended; never what it was given, and no key.

mod call;
mod display;
mod log;
mod metrics;
mod otlp;
mod parent;
mod redact;

pub use call::{ASKED, Call, RequestId, failed, job, job_ended, ordered};
pub use display::{display, quoted};
pub use log::{Telemetry, start};
pub use metrics::{Amount, Line, Metrics, Observed, Records, Scrape};
pub use otlp::causes;
pub use parent::Parent;
