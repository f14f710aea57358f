//! Media in and out of this machine. Turns the media inputs of callers into checked bytes and results into files.
//! Reads, writes and fetches only what the owner of the machine allows.
//!
//! * [`input`]: media inputs, allowed folders, uploads of HTTP callers, the secret scan.
//! * [`mod@download`]: the rules for hosts, resumable downloads, folders and names of results.
//! * [`probe`]: the real type, size and duration of a file, and whether it is complete.
//! * [`subtitle`]: conversion of subtitles. [`private`]: files that other users of the machine cannot read.
//! * [`units`]: sizes and lengths in words.
//!
//! This module knows nothing about endpoints, jobs or tools. Limits come in as plain data. Errors are sentences
//! without a subject, so that the caller can put the name of the argument in front.

pub mod download;
mod encoding;
pub mod input;
pub mod private;
pub mod probe;
mod secret_scan;
pub mod subtitle;
pub mod units;

pub use download::archive::{Archive, Temporary};
pub use download::bucket::{Notes, ToBucket, Unfinished, copy_to_key};
pub use download::disk_space::room;
pub use download::document::document;
pub use download::fetcher::Fetcher;
pub use download::file_name::{file_name, key_of};
pub use download::folder::{
    OutputProblem, folder, is_still_allowed, prepare, prepare_again, prepare_delivery, prepare_next,
};
pub use download::guard::{Guard, Refused};
pub use download::integrity::{Recorded, VerifiedFiles};
pub use download::link::{FetchProblem, fetch};
pub use download::partial_file::Resume;
pub use download::post::{NotTaken, Poster};
pub use download::removal::{Reach, Removal, remove_object, remove_result};
pub use download::save::{download, save, save_stream, save_what_comes};
pub use download::target::{Expect, Saved};
pub use input::content::{Blob, Content, Limits, Opened, check, check_now, load, open_input};
pub use input::error::InputProblem;
pub use input::fetched::{fetched, sweep as sweep_fetched};
pub use input::reference::{Reference, file_id, file_uri, parse};
pub use input::roots::Roots;
pub use input::source::Source;
pub use input::uploads::{HandedIn, Inbox, InboxProblem, handed_in};
pub use probe::preview::{Preview, preview, shrink};
pub use probe::sniff::Kind;
pub use subtitle::SubtitleFormat;
