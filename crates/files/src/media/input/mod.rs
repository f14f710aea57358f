//! Media inputs: from the text of a caller to checked bytes.

pub(crate) mod client_folders;
pub mod content;
pub mod error;
pub(crate) mod handle;
pub mod reference;
pub mod resendable;
pub mod roots;
pub mod uploads;
pub(crate) mod windows_path;
