//! Notifications on the desktop of this machine, shown by a program of the system.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::jobs::{Job, Message, now};

/// The program.
const PROGRAM: &str = if cfg!(target_os = "macos") {
    "osascript"
} else if cfg!(windows) {
    "powershell.exe"
} else {
    "notify-send"
};

/// The longest time that the program may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Jobs that ended longer ago than this, in milliseconds, are not shown.
const LATE: i64 = 10 * 60_000;

/// The longest line, in characters.
const LONGEST: usize = 120;

/// The arguments that show a notification. The texts follow as further arguments, which no shell parses.
const APPLE: &[&str] = &[
    "-e",
    "on run argv",
    "-e",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "-e",
    "end run",
];

/// The script that shows a notification. It reads the texts from variables and inserts them as text nodes, so nothing in
/// them is executed.
const WINDOWS: &str = "$ErrorActionPreference = 'Stop'
$manager = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]
$xml = $manager::GetTemplateContent([Windows.UI.Notifications.ToastTemplateType]::ToastText02)
$texts = $xml.GetElementsByTagName('text')
$null = $texts.Item(0).AppendChild($xml.CreateTextNode($env:MINIMAX_NOTE_TITLE))
$null = $texts.Item(1).AppendChild($xml.CreateTextNode($env:MINIMAX_NOTE_TEXT))
$shell = '{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsPowerShell\\v1.0\\powershell.exe'
$manager::CreateToastNotifier($shell).Show([Windows.UI.Notifications.ToastNotification]::new($xml))";

/// The notifications of this machine.
#[derive(Debug)]
pub(super) struct Desktop(PathBuf);

impl Desktop {
    /// Finds the program in `dirs`, the search path.
    pub(super) fn find(dirs: &[PathBuf]) -> Result<Self, &'static str> {
        let found = dirs.iter().map(|dir| dir.join(PROGRAM)).find(|path| path.is_file());
        found.map(Self).ok_or(PROGRAM)
    }

    /// Shows that a job has ended, unless that was long ago. A failure is only logged.
    pub(super) async fn show(&self, message: &Message, job: &Job) {
        if now().saturating_sub(message.created_at) > LATE {
            return;
        }
        let (title, text) = note(job);
        match timeout(LIMIT, self.command(&title, &text).status()).await {
            Ok(Ok(status)) if status.success() => {}
            Ok(Ok(status)) => {
                tracing::warn!(%status, "{PROGRAM} failed to show a notification (MINIMAX_NOTIFY)");
            }
            Ok(Err(error)) => tracing::warn!(%error, "{PROGRAM} did not start (MINIMAX_NOTIFY)"),
            Err(_) => tracing::warn!("{PROGRAM} did not end in time (MINIMAX_NOTIFY)"),
        }
    }

    fn command(&self, title: &str, text: &str) -> Command {
        let mut command = Command::new(&self.0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        if cfg!(target_os = "macos") {
            command.args(APPLE).args([title, text]);
        } else if cfg!(windows) {
            command.args(["-NoProfile", "-NonInteractive", "-Command", WINDOWS]);
            command.env("MINIMAX_NOTE_TITLE", title).env("MINIMAX_NOTE_TEXT", text);
        } else {
            command.args(["--app-name=minimax-mcp", "--", title, text]);
        }
        command
    }
}

/// The title and the text: the kind of the job, how it ended, and the name of its file. The prompt is left out, except for
/// the part of it in the file name.
fn note(job: &Job) -> (String, String) {
    let title = plain(&format!("{} {}", job.kind.word(), job.state.status()));
    let saved = job.files.iter().filter_map(|file| file.saved.as_ref());
    let mut names = saved.filter_map(|saved| Path::file_name(&saved.path)?.to_str());
    let text = match (names.next(), names.count()) {
        (None, _) => plain(&job.id),
        (Some(name), 0) => plain(name),
        (Some(name), more) => format!("{} (+{more})", plain(name)),
    };
    (title, text)
}

/// A line without characters that a desktop could interpret as markup.
fn plain(text: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || " -_.,()".contains(letter);
    text.chars().take(LONGEST).map(|letter| if is_plain(letter) { letter } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(names: &[&str]) -> Job {
        let files: Vec<_> = names
            .iter()
            .map(|name| {
                let saved =
                    json!({ "path": format!("/out/{name}"), "bytes": 1, "sha256": "", "mime_type": "" });
                json!({ "name": "a", "mime_type": "", "saved": saved })
            })
            .collect();
        serde_json::from_value(json!({
            "id": "video-1", "principal": "owner", "kind": "video", "tool": "", "model": "", "account": "",
            "prompt": "hunter2", "request": {}, "digest": "", "state": { "at": "done" }, "files": files,
            "created_at": 1, "updated_at": 1,
        }))
        .unwrap()
    }

    #[test]
    fn a_note_names_the_kind_the_state_and_a_file_and_has_no_markup() {
        let title = "video succeeded".to_owned();
        assert_eq!(note(&job(&[])), (title.clone(), "video-1".to_owned()));
        assert_eq!(note(&job(&["a-fox.mp4"])), (title.clone(), "a-fox.mp4".to_owned()));
        assert_eq!(note(&job(&["狐狸.mp4", "b"])), (title, "狐狸.mp4 (+1)".to_owned()));
        for text in ["<b>x</b> &amp; \"$(reboot)\" `x`\n", &"<".repeat(1000)] {
            let plain = plain(text);
            assert!(
                !plain.contains(['<', '>', '&', '"', '$', '`', '\n']) && plain.len() <= LONGEST,
                "{plain}"
            );
        }
    }
}
