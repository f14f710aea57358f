//! Bytes in, bytes out, until told to stop.

mod lines;
pub mod stdio;
