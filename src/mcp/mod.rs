//! MCP: how a call reaches a tool, and how a job reaches a client. The tools themselves are in `tools`.
//!
//! A call goes from the [`Server`] through one pipeline to the tool's own function, which reads media with `inputs`,
//! buys with `checkout`, and returns a job view or a view of its own.

pub(crate) mod abandoned_calls;
mod allowed_folders;
pub(crate) mod apps;
pub(crate) mod call_digest;
pub(crate) mod caller;
pub(crate) mod caller_key;
pub(crate) mod catalogue;
pub(crate) mod checkout;
pub(crate) mod choice;
pub(crate) mod cursor;
pub(crate) mod download_links;
pub(crate) mod error;
pub(crate) mod handler;
pub(crate) mod inputs;
mod key_choice;
pub(crate) mod listed_tool;
pub(crate) mod model_name;
pub(crate) mod parameters;
pub(crate) mod pipeline;
pub(crate) mod policy;
pub(crate) mod presenter;
mod preview;
pub(crate) mod progress;
pub(crate) mod prompts;
pub(crate) mod resource_uri;
pub(crate) mod resources;
pub(crate) mod revision;
pub(crate) mod server;
pub(crate) mod subscriptions;
pub(crate) mod tasks;
pub(crate) mod telemetry;
pub(crate) mod uploads;

pub use abandoned_calls::Connection;
pub use caller::Caller;
pub use caller_key::CallerKey;
pub use catalogue::{Billing, Catalogue, Shown, ToolSpec};
pub use choice::Choice;
pub use download_links::{LinkProblem, Linked};
pub use error::{ToolError, Unpaid};
pub use listed_tool::{TakesText, text_of as text_of_list};
pub use parameters::{initialize_problem, wrong_kind};
pub use policy::CallRates;
pub use server::Server;
pub use subscriptions::Session;
pub use uploads::{Handed, Unfit, UploadProblem, Uploads};

pub(crate) use checkout::bill::Bill;
pub(crate) use checkout::{Draft, JobOptions, forty_five};
pub(crate) use error::ERROR_WORD;
