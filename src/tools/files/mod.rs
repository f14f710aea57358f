//! Files that MiniMax keeps.

pub(crate) mod manage;
pub(crate) mod transfer;
