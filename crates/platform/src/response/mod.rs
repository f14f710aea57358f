//! From the bytes of an answer to values: event streams, JSON with faults in it, sounds that are decoded while they arrive.
//!
//! A paid answer is read as far as it can be, and kept whole where it cannot. This module knows no endpoint and sends nothing.

pub(crate) mod body;
pub mod clip;
pub(crate) mod envelope;
pub(crate) mod lifted;
pub(crate) mod raw;
pub(crate) mod sse;
pub(crate) mod tolerant;
