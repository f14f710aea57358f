//! Results: from a link to a verified file in its folder.

pub mod archive;
pub mod bucket;
pub(crate) mod disk_space;
pub(crate) mod document;
pub mod fetcher;
pub mod file_name;
pub mod folder;
pub mod guard;
pub mod integrity;
pub mod link;
pub(crate) mod partial_file;
pub mod post;
pub mod removal;
pub(crate) mod resume;
pub mod save;
pub mod target;
pub(crate) mod validator;
pub(crate) mod writer;
