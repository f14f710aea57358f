//! What a file really is: its type, size and duration, and whether it is complete.

pub mod metadata;
pub mod preview;
pub mod sniff;
