//! Bytes in and out of this machine: what a caller names as input becomes checked bytes, what a generation
//! made becomes a file, and nothing is read, written or fetched that the owner of the machine did not mean to
//! share.
//!
//! * [`guard`]: which hosts may be fetched from.
//! * [`roots`]: which folders may be read and written.
//! * [`input`]: a media input as a model writes it; [`blob`]: its bytes, checked against the limits of an
//!   endpoint.
//! * [`mod@folder`], [`name`]: where a result goes and what it is called; [`output`]: how it gets there whole
//!   or not at all, and is gone on with where it broke off.
//! * [`archive`], [`subtitle`]: results that come in another form than they are wanted in.
//! * [`inbox`]: files that callers at other machines hand in.
//! * [`player`]: sounds to the loudspeaker.
//! * [`kind`], [`probe`]: what a file really is, how large and how long.
//!
//! Nothing here knows an endpoint, a job or a tool. Limits come in as plain data and problems go out as
//! sentences without a subject, so that the caller can put the name of the argument in front.

pub mod archive;
pub mod blob;
mod bring;
mod document;
mod fetcher;
pub mod folder;
pub mod guard;
mod handle;
pub mod inbox;
pub mod input;
mod kept;
pub mod kind;
mod land;
pub mod link;
pub mod name;
pub mod output;
mod part;
pub mod player;
pub mod preview;
pub mod probe;
pub mod roots;
mod secret;
mod source;
mod space;
pub mod subtitle;
mod version;
mod whole;
mod windows;

pub use archive::{Archive, Temporary};
pub use blob::{Blob, Content, Limits, Opened, check, load, open_input};
pub use document::document;
pub use fetcher::Fetcher;
pub use folder::{OutputProblem, folder, prepare, prepare_again};
pub use guard::{Guard, Refused};
pub use inbox::{HandedIn, Inbox, InboxProblem, handed_in};
pub use input::{InputProblem, Reference, file_id, file_uri, parse};
pub use kept::{Intact, KeptFiles};
pub use kind::Kind;
pub use link::{FetchProblem, fetch};
pub use name::file_name;
pub use output::{Expect, Saved, download, save, save_stream, save_what_comes};
pub use player::Player;
pub use preview::{Preview, preview};
pub use roots::Roots;
pub use source::Source;
pub use space::room;
pub use subtitle::SubtitleFormat;
