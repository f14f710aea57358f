//! What the commands for people say, in English and Chinese.

pub mod texts;
