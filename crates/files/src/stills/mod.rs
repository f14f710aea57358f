//! Pictures that stand for what is no picture: a frame of a video, and the waveform of a sound.
//!
//! This module works on bytes that others read for it. It bounds what it reads, holds and decodes, because the files come from
//! elsewhere. A file that it cannot decode has no such picture, and nothing else comes of it.

mod frame;
mod wave;

pub use frame::{NoStill, frame};
pub use wave::wave;
