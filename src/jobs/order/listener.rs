//! Where audio is heard while it arrives. Playing it is not the jobs' work: they hand up the chunks.

use std::path::PathBuf;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// The jobs' side of a listener. Dropping it tells the player that no more audio comes.
#[derive(Debug)]
pub struct Listener {
    /// Each chunk as it arrives.
    pub chunks: mpsc::UnboundedSender<Bytes>,
    /// The complete file.
    pub saved: oneshot::Sender<PathBuf>,
    /// What became of playing it; sent after `saved`.
    pub heard: oneshot::Receiver<Heard>,
}

/// What became of playing a sound.
#[derive(Debug, Default)]
pub struct Heard {
    /// When the first audio reached the player.
    pub first: Option<Instant>,
    /// Why not all of it was heard.
    pub problem: Option<String>,
}
