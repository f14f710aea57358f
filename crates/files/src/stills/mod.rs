//! Small pictures of files: thumbnails of images, a frame of a video, and the waveform of audio.
//!
//! Frames and waveforms are drawn from bytes that the caller reads. This module bounds what it reads, keeps and decodes,
//! because the files are not trusted. A file that it cannot decode has no picture, and does no other harm.

mod frame;
pub mod thumbnails;
mod wave;

pub use frame::{NoStill, frame};
pub use wave::wave;
