//! Downloads results: from a link to a verified file in its folder, or to an object in the bucket.
//!
//! Fetches only from hosts that the [`Guard`] allows, resumes broken downloads, and puts a file in its place once it is
//! complete and of the right type. Knows nothing about endpoints, jobs or tools.

pub mod archive;
pub mod bucket;
pub(crate) mod disk_space;
pub(crate) mod document;
pub mod fetched;
pub mod fetcher;
pub mod folder;
pub mod guard;
pub mod integrity;
pub mod link;
pub(crate) mod partial_file;
pub mod post;
pub mod removal;
pub(crate) mod resume;
pub mod save;
pub(crate) mod validator;
pub(crate) mod writer;

pub use archive::{Archive, Temporary};
pub use bucket::{Notes, ToBucket, Unfinished, copy_to_key};
pub use disk_space::room;
pub use document::document;
pub use fetched::{fetched, sweep as sweep_fetched};
pub use fetcher::{Fetcher, download};
pub use folder::{
    OutputProblem, folder, is_still_allowed, prepare, prepare_again, prepare_next, prepare_stream,
};
pub use guard::{Guard, Refused};
pub use integrity::{Recorded, VerifiedFiles};
pub use link::{FetchProblem, fetch};
pub use partial_file::Resume;
pub use post::{NotTaken, Poster};
pub use removal::{Reach, Removal, remove_object, remove_result};
pub use save::{save, save_now, save_stream, save_what_comes};
pub use writer::{Expect, Saved};
