//! `minimax-mcp setup` at a terminal: it offers `login`, and elsewhere it never asks.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::home::{Home, KEY};
use crate::stdio::on_stage;

/// Runs a command with a terminal as stdin, stdout and stderr, and gives each answer when its question is shown. Returns
/// whether the command succeeded, and what the terminal showed.
pub fn at_terminal(
    home: &Home,
    settings: &[(&str, &str)],
    arguments: &[&str],
    answers: &[(&str, &str)],
) -> (bool, String) {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
    let terminal = || Stdio::from(OpenOptions::new().read(true).write(true).open(&name).unwrap());
    let mut controller = File::from(controller);
    // The key is asked for at the controlling terminal, which `setsid` makes of stdin.
    let program = home.command(settings, arguments);
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait"]).arg(program.get_program()).args(program.get_args()).env_clear();
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", "/usr/bin:/bin").current_dir(home.path("app"));
    let mut child = command.stdin(terminal()).stdout(terminal()).stderr(terminal()).spawn().unwrap();
    drop(command);
    let (mut screen, mut bytes, mut seen) = (String::new(), [0; 1024], 0);
    for (question, answer) in answers {
        while !screen[seen..].contains(question) {
            let length = controller.read(&mut bytes).unwrap_or_else(|error| panic!("{error}: {screen}"));
            screen.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
        seen = screen.len();
        // A program asks before it switches the echo off. A person needs longer than that to answer.
        let echoes = || tcgetattr(&controller).unwrap().local_modes.contains(LocalModes::ECHO);
        while *question == HIDDEN && echoes() {
            std::thread::sleep(Duration::from_millis(5));
        }
        controller.write_all(answer.as_bytes()).unwrap();
    }
    // The end is an error on some systems, and nothing on others.
    while let Ok(length @ 1..) = controller.read(&mut bytes) {
        screen.push_str(&String::from_utf8_lossy(&bytes[..length]));
    }
    (child.wait().unwrap().success(), screen)
}

const OFFER: &str = "Enter it now";
pub const HIDDEN: &str = "it is not shown";
const CHANGE: &str = "Change this file?";

#[test]
fn without_a_key_setup_offers_login_and_sets_up_the_client_after_any_answer() {
    on_stage(|stage| {
        let url = stage.sandbox.url();
        let at = [("MINIMAX_API_HOST", url.as_str())];
        let home = Home::new();
        let (good, screen) =
            at_terminal(&home, &at, &["setup", "cursor"], &[(OFFER, "n\n"), (CHANGE, "y\n")]);
        assert!(good && screen.contains("minimax-mcp login"), "{screen}");
        assert!(home.path(".cursor/mcp.json").is_file() && !home.path("data/credentials.json").exists());

        let typed = format!("{KEY}\n");
        let answers = [(OFFER, "y\n"), (HIDDEN, typed.as_str()), (CHANGE, "y\n")];
        let (good, screen) = at_terminal(&home, &at, &["setup", "zed"], &answers);
        assert!(good && screen.contains("pays from the balance") && !screen.contains(KEY), "{screen}");
        assert!(!screen.contains("No key is stored yet"), "{screen}");
        home.good(&["logout"]);

        // A key that is refused does not keep the clients from being set up.
        let answers = [(OFFER, "y\n"), (HIDDEN, "sandbox-2049\n"), (CHANGE, "y\n")];
        let (good, screen) = at_terminal(&home, &at, &["setup", "lm-studio"], &answers);
        assert!(good && screen.contains("2049") && screen.contains("No key is stored yet"), "{screen}");
        assert!(home.path(".lmstudio/mcp.json").is_file() && !home.path("data/credentials.json").exists());

        // With a key of the environment, or with --yes, nothing is offered.
        let with_key = [at[0], ("MINIMAX_API_KEY", KEY)];
        let (good, screen) = at_terminal(&home, &with_key, &["setup", "gemini"], &[(CHANGE, "y\n")]);
        assert!(good && !screen.contains(OFFER), "{screen}");
        let (good, screen) = at_terminal(&home, &at, &["setup", "codex", "--yes"], &[]);
        assert!(good && !screen.contains(OFFER) && screen.contains("No key is stored yet"), "{screen}");
        for quiet in ["--dry-run", "--print", "--remove"] {
            let (_, screen) = at_terminal(&home, &at, &["setup", "windsurf", quiet], &[]);
            assert!(!screen.contains(OFFER), "{quiet}: {screen}");
        }
        assert!(stage.sandbox.paid().is_empty());
    });
}

#[test]
fn without_a_terminal_setup_asks_nothing_and_prints_the_line_for_the_key() {
    let home = Home::new();
    let said = home.good(&["setup", "cursor", "--yes"]);
    assert!(!said.contains(OFFER) && said.contains("Run `minimax-mcp login` once"), "{said}");
    let said = home.bad(&["setup", "gemini"]);
    assert!(!said.contains(OFFER) && said.contains("add --yes"), "{said}");
}
