//! Small pictures of files: thumbnails of images, a frame of a video, and the waveform of a sound.
//!
//! Frames and waveforms are drawn from bytes that others read. This module bounds what it reads, holds and decodes, because the files come from
//! elsewhere. A file that it cannot decode has no such picture, and nothing else comes of it.

mod frame;
pub mod thumbnails;
mod wave;

pub use frame::{NoStill, frame};
pub use wave::wave;
