//! Plays audio with a player that is installed on the machine. The command line is fixed and never contains text from
//! a caller or from MiniMax.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::media::Content;
use bytes::Bytes;
use tempfile::TempPath;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A known player.
#[derive(Debug)]
struct Known {
    program: &'static str,
    /// The arguments to play MP3 from stdin, if the player can.
    stdin: Option<&'static [&'static str]>,
    /// The arguments to play a file. The path follows them.
    file: &'static [&'static str],
}

/// The variable with the path of the audio, for a player that does not accept it as an argument.
const SOUND: &str = "MINIMAX_SOUND";

/// Known players in order of preference. Those that read stdin come first.
const KNOWN: &[Known] = &[
    Known {
        program: "ffplay",
        stdin: Some(&["-nodisp", "-autoexit", "-loglevel", "error", "-f", "mp3", "-i", "pipe:0"]),
        file: &["-nodisp", "-autoexit", "-loglevel", "error", "-i"],
    },
    Known {
        program: "mpv",
        stdin: Some(&["--no-config", "--no-video", "--really-quiet", "-"]),
        file: &["--no-config", "--no-video", "--really-quiet", "--"],
    },
    Known { program: "play", stdin: Some(&["-q", "-t", "mp3", "-"]), file: &["-q"] },
    Known { program: "afplay", stdin: None, file: &[] },
    Known {
        program: "powershell",
        stdin: None,
        file: &[
            "-NoProfile",
            "-NonInteractive",
            "-Command",
            "Add-Type -AssemblyName presentationCore; \
             $player = New-Object System.Windows.Media.MediaPlayer; \
             $player.Open($env:MINIMAX_SOUND); $player.Play(); \
             while (-not $player.NaturalDuration.HasTimeSpan) { Start-Sleep -Milliseconds 50 }; \
             while ($player.Position -lt $player.NaturalDuration.TimeSpan) { Start-Sleep -Milliseconds 100 }",
        ],
    },
];

/// An installed player.
#[derive(Debug, Clone)]
pub struct Player {
    path: PathBuf,
    known: &'static Known,
}

/// Sends audio to a running player. Dropping it ends the audio.
pub type Feed = UnboundedSender<Bytes>;

/// A running player.
#[derive(Debug)]
pub struct Playing {
    child: Child,
    feed: Option<UnboundedReceiver<Bytes>>,
    /// Removed when the player ends.
    _sound: Option<TempPath>,
}

impl Player {
    /// Finds the first known player in `dirs`, the search path. Prefers players that read MP3 from stdin.
    pub fn find(dirs: &[PathBuf]) -> Option<Self> {
        KNOWN.iter().find_map(|known| {
            let names = [known.program.to_owned(), format!("{}.exe", known.program)];
            let paths = dirs.iter().flat_map(|dir| names.iter().map(|name| dir.join(name)));
            let path = paths.into_iter().find(|path| is_program(path))?;
            Some(Self { path, known })
        })
    }

    /// The names of all known players, for a message.
    pub fn names() -> String {
        KNOWN.iter().map(|known| known.program).collect::<Vec<_>>().join(", ")
    }

    /// The name of the player.
    pub fn name(&self) -> &'static str {
        self.known.program
    }

    /// True if the player reads from stdin.
    pub fn streams(&self) -> bool {
        self.known.stdin.is_some()
    }

    /// Starts the player on MP3 that will be fed to it. `None` if it only plays files.
    pub fn start(&self) -> Option<io::Result<(Feed, Playing)>> {
        let arguments = self.known.stdin?;
        let (feed, listening) = unbounded_channel();
        let child = self.command().args(arguments).stdin(Stdio::piped()).spawn();
        Some(child.map(|child| (feed, Playing { child, feed: Some(listening), _sound: None })))
    }

    /// Starts the player on a copy of `content` under a random name.
    pub async fn start_on(&self, mut content: Content, extension: &str) -> io::Result<Playing> {
        let known: String = extension.chars().filter(char::is_ascii_alphanumeric).take(5).collect();
        let aside = tempfile::Builder::new().prefix("minimax-").suffix(&format!(".{known}")).tempfile()?;
        let (file, path) = aside.into_parts();
        let mut file = tokio::fs::File::from_std(file);
        match &mut content {
            Content::Memory(bytes) => file.write_all(bytes).await?,
            Content::Disk(source) => drop(tokio::io::copy(source, &mut file).await?),
        }
        file.flush().await?;
        drop(file);
        let mut command = self.command();
        command.args(self.known.file).env(SOUND, &path).stdin(Stdio::null());
        // PowerShell would parse the path as part of its command, so it gets the path in a variable.
        if self.known.program != "powershell" {
            command.arg(&path);
        }
        Ok(Playing { child: command.spawn()?, feed: None, _sound: Some(path) })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        // Stdout is the protocol, and the player must not see the key.
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        command.env_remove("MINIMAX_API_KEY").env_remove("MINIMAX_PLAN_KEY");
        command
    }
}

impl Playing {
    /// Feeds the player and waits until it ends. Dropping the future kills the player.
    pub async fn until_over(mut self) {
        let stdin = self.child.stdin.take();
        if let (Some(mut fed), Some(mut stdin)) = (self.feed.take(), stdin) {
            while let Some(bytes) = fed.recv().await {
                if let Err(error) = stdin.write_all(&bytes).await {
                    tracing::info!(%error, "the player stopped reading");
                    break;
                }
            }
        }
        match self.child.wait().await {
            Ok(status) if status.success() => {}
            ended => tracing::info!(?ended, "the player failed"),
        }
    }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}
