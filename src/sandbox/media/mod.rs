//! Media that ordinary players open: pictures that show their prompt, sounds that follow their text, films of
//! both.

pub mod clip;
pub mod length;
pub mod picture;
pub mod score;
pub mod sound;
