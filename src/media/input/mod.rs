//! Media inputs: from what a caller names to checked bytes.

pub mod content;
pub(crate) mod handle;
pub mod reference;
pub mod roots;
pub mod source;
pub mod uploads;
pub(crate) mod windows_path;
