//! Shared by all endpoints: state on disk and in memory, requests and their checks, errors, faults, rate limits.
//!
//! Nothing here imports an endpoint.

pub(crate) mod blocking;
pub(crate) mod clock;
pub(crate) mod errors;
pub(crate) mod fault_injection;
pub(crate) mod faults;
pub(crate) mod field_rules;
pub(crate) mod ids;
pub(crate) mod journal;
pub(crate) mod lock;
pub(crate) mod media_input;
pub(crate) mod pace;
pub(crate) mod rate_limits;
pub(crate) mod request;
pub(crate) mod request_log;
pub(crate) mod routes;
pub(crate) mod signed_links;
pub(crate) mod state;
pub(crate) mod store;
pub(crate) mod tasks;
