//! Files and media inputs. Turns a caller's input into checked bytes, and reads only files that the owner of the machine
//! allows.
//!
//! * [`input`]: media inputs, allowed folders, uploads of HTTP callers. `secret_scan`: what must not be sent.
//! * `file_name`: names that are legal on every system. `encoding`: any encoding of texts, to UTF-8.
//! * [`probe`]: the real type, size and duration of a file, and whether it is complete.
//! * [`subtitle`]: conversion of subtitles. [`private`]: files that other users of the machine cannot read.
//! * [`units`]: sizes and lengths in words. [`player`]: the loudspeaker.
//!
//! This module knows nothing about endpoints, jobs or tools. Limits are passed in as plain data. Errors are sentences
//! without a subject, so that the caller can put the name of the argument in front.

mod encoding;
pub(crate) mod file_name;
pub mod input;
pub mod player;
pub mod private;
pub mod probe;
mod secret_scan;
pub mod subtitle;
pub mod units;

pub use file_name::{file_name, key_of};
pub use input::content::{Blob, Content, Limits, Opened, check, check_now, load, open_input};
pub use input::error::InputProblem;
pub use input::reference::{Reference, file_id, file_uri, parse};
pub use input::resendable::Resendable;
pub use input::roots::Roots;
pub use input::uploads::{HandedIn, UploadFolder, UploadProblem, handed_in};
pub use probe::preview::{Preview, preview, shrink};
pub use probe::sniff::Kind;
pub use subtitle::SubtitleFormat;
