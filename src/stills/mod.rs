//! Pictures of files that are not images: a frame of a video, and the waveform of audio.
//!
//! The caller reads the bytes. This module bounds what it reads, keeps and decodes, because the files are not trusted. A
//! file that it cannot decode has no picture, and does no other harm.

mod frame;
mod wave;

pub use frame::{NoStill, frame};
pub use wave::wave;
