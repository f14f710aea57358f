//! Bytes in, bytes out, until told to stop.

pub mod stdio;
