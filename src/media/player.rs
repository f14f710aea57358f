//! The player that this machine has, and what it is told. Its command line is fixed: no word of a caller or of
//! MiniMax is ever part of it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use bytes::Bytes;
use tempfile::TempPath;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A program that plays sound.
#[derive(Debug)]
struct Known {
    program: &'static str,
    /// Plays MP3 from stdin, where it can.
    stdin: Option<&'static [&'static str]>,
    /// Plays the file whose path comes last.
    file: &'static [&'static str],
}

/// The path of the sound, for a player that does not take it as an argument.
const SOUND: &str = "MINIMAX_SOUND";

/// In the order in which they are looked for; those that read stdin come first.
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

/// A player that was found.
#[derive(Debug, Clone)]
pub struct Player {
    path: PathBuf,
    known: &'static Known,
}

/// Where a playing sound takes its bytes from. It ends when this is dropped.
pub type Feed = UnboundedSender<Bytes>;

/// A player that is running.
#[derive(Debug)]
pub struct Playing {
    child: Child,
    feed: Option<UnboundedReceiver<Bytes>>,
    /// Removed when the player has ended.
    _sound: Option<TempPath>,
}

impl Player {
    /// The first known player in `dirs`, the search path: one that reads MP3 from stdin if there is any.
    pub fn find(dirs: &[PathBuf]) -> Option<Self> {
        KNOWN.iter().find_map(|known| {
            let names = [known.program.to_owned(), format!("{}.exe", known.program)];
            let paths = dirs.iter().flat_map(|dir| names.iter().map(|name| dir.join(name)));
            let path = paths.into_iter().find(|path| is_program(path))?;
            Some(Self { path, known })
        })
    }

    /// Every player that is looked for, for a sentence.
    pub fn names() -> String {
        KNOWN.iter().map(|known| known.program).collect::<Vec<_>>().join(", ")
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.known.program
    }

    /// Whether it plays what is fed to it.
    pub fn streams(&self) -> bool {
        self.known.stdin.is_some()
    }

    /// Starts it on MP3 that is still to come; `None` if it only plays files.
    pub fn start(&self) -> Option<io::Result<(Feed, Playing)>> {
        let arguments = self.known.stdin?;
        let (feed, listening) = unbounded_channel();
        let child = self.command().args(arguments).stdin(Stdio::piped()).spawn();
        Some(child.map(|child| (feed, Playing { child, feed: Some(listening), _sound: None })))
    }

    /// Starts it on a copy of `content`, under a name that says nothing.
    pub async fn start_on(&self, mut content: super::Content, extension: &str) -> io::Result<Playing> {
        let known: String = extension.chars().filter(char::is_ascii_alphanumeric).take(5).collect();
        let aside = tempfile::Builder::new().prefix("minimax-").suffix(&format!(".{known}")).tempfile()?;
        let (file, path) = aside.into_parts();
        let mut file = tokio::fs::File::from_std(file);
        match &mut content {
            super::Content::Memory(bytes) => file.write_all(bytes).await?,
            super::Content::Disk(source) => drop(tokio::io::copy(source, &mut file).await?),
        }
        file.flush().await?;
        drop(file);
        let mut command = self.command();
        command.args(self.known.file).env(SOUND, &path).stdin(Stdio::null());
        // A shell would take a path for more of its program.
        if self.known.program != "powershell" {
            command.arg(&path);
        }
        Ok(Playing { child: command.spawn()?, feed: None, _sound: Some(path) })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        // Stdout is the protocol's, and the key is nobody else's.
        command.stdout(Stdio::null()).stderr(Stdio::null()).env_remove("MINIMAX_API_KEY").kill_on_drop(true);
        command
    }
}

impl Playing {
    /// Feeds the player and waits for its end. Dropped half way, it kills the player.
    pub async fn until_over(mut self) {
        let stdin = self.child.stdin.take();
        if let (Some(mut fed), Some(mut stdin)) = (self.feed.take(), stdin) {
            while let Some(bytes) = fed.recv().await {
                if let Err(error) = stdin.write_all(&bytes).await {
                    tracing::info!(%error, "the player stopped listening");
                    break;
                }
            }
        }
        match self.child.wait().await {
            Ok(status) if status.success() => {}
            ended => tracing::info!(?ended, "the player ended badly"),
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
