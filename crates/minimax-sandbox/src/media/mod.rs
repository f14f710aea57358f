//! Real media files for ordinary players: pictures that show their prompt, sounds that follow their text, and videos.

pub(crate) mod clip;
pub(crate) mod duration;
pub(crate) mod picture;
pub(crate) mod score;
pub(crate) mod sound;
