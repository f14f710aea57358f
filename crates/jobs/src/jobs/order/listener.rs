//! The channel to whatever plays audio while it arrives. The jobs only pass on the chunks.

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
    /// How playback went; sent after `saved`.
    pub heard: oneshot::Receiver<Heard>,
}

/// How the playback of a sound went.
#[derive(Debug, Default)]
pub struct Heard {
    /// When the first audio reached the player.
    pub first: Option<Instant>,
    /// Why not all of the sound was heard.
    pub problem: Option<String>,
}
