//! The commands and options of the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::flags::Flags;
use super::shell::answer::Output;
use super::shell::exit;
use super::{login, prune, setup};
use crate::config::Config;
use crate::texts::{Language, LanguageOption};

/// An MCP server for MiniMax (Hailuo): chat, speech, voices, images, video, music and files.
#[derive(Debug, Parser)]
#[command(name = "minimax-mcp", version, after_help = SETTINGS)]
pub(super) struct Arguments {
    /// Use a simulator of MiniMax inside this program: no key, no cost, no network.
    #[arg(long)]
    pub(super) sandbox: bool,

    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// The end of the help. It names the settings that most users need.
const SETTINGS: &str = "\
Settings are environment variables: MINIMAX_API_KEY, MINIMAX_REGION, MINIMAX_BUDGET_DAY and more.
`minimax-mcp settings` explains each and shows its value; options such as --region take precedence.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve MCP over stdin and stdout (the default without a command), or over HTTP.
    #[command(display_order = 1)]
    Serve {
        /// Serve Streamable HTTP at http://ADDR/mcp instead.
        #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:8765", value_parser = address)]
        http: Option<SocketAddr>,
        /// With --http: serve the older transport too, at /sse. Deprecated; for clients that support no other.
        #[arg(long, requires = "http")]
        sse: bool,
        #[command(flatten)]
        world: World,
    },
    /// Find what is wrong with the key, network, settings or folders, and how to fix it.
    ///
    /// Costs nothing and changes nothing. The exit status is 1 if something is wrong, and 0 otherwise; a warning alone
    /// leaves it 0.
    #[command(display_order = 2)]
    Doctor {
        /// Print the findings as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        language: LanguageOption,
    },
    /// Add this server to your MCP clients: Claude, Cursor, VS Code, Codex and others.
    ///
    /// Shows what it will write, and asks. Comments, order and other servers stay as they are, and a copy of the old file is
    /// kept beside it. At a terminal it offers `login` if no key is known. `--remove` undoes it, and leaves an entry that
    /// you wrote yourself.
    #[command(display_order = 2)]
    Setup(setup::Options),
    /// Store the MiniMax API key for all clients, in a file that only you can read.
    ///
    /// Asks for the key, or reads it from stdin, and finds its region. The server uses it when MINIMAX_API_KEY is not set.
    /// A plan's key (sk-cp-…) is stored beside the key of the balance: run it once for each.
    #[command(display_order = 2)]
    Login(login::Options),
    /// Delete the keys that `login` stored.
    #[command(display_order = 2)]
    Logout(LanguageOption),
    /// Try it without a key: make an image, a spoken sentence, and a video from the image.
    #[command(display_order = 3)]
    Demo {
        /// The folder for the files.
        #[arg(long, value_name = "DIR", default_value = "minimax-demo")]
        out: PathBuf,
    },
    /// Run only the simulator of MiniMax, for your own tests. Prints its address.
    #[command(display_order = 4)]
    Sandbox {
        /// The port; 0 takes any free one.
        #[arg(long, default_value_t = 0, value_parser = port)]
        port: u16,
        /// The folder for its state; a temporary folder by default.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Call a tool: minimax-mcp call text_to_image prompt="A red fox" aspect_ratio=16:9.
    ///
    /// The result goes to stdout; progress, questions and errors go to stderr. A call that starts a job waits for its
    /// end, unless wait_seconds is given. Ctrl-C ends the waiting, not the job.
    #[command(display_order = 5, after_help = exit::help())]
    Call {
        /// The tool; `minimax-mcp tools` lists them.
        #[arg(index = 1)]
        tool: String,
        /// Arguments: KEY=TEXT; KEY=@FILE for the text of a file (@- for stdin, @@ for a text that starts with @);
        /// KEY:=JSON for JSON. A repeated KEY makes a list.
        #[arg(index = 2, value_name = "KEY=VALUE")]
        values: Vec<String>,
        /// Check and price the call, and send nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        world: World,
    },
    /// List the tools, or the parameters of one tool.
    #[command(display_order = 6)]
    Tools {
        /// The tool to explain.
        tool: Option<String>,
        /// Print the definitions as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        world: World,
    },
    /// List the jobs, or show one job.
    #[command(display_order = 7, after_help = exit::help())]
    Jobs {
        /// The job to show.
        id: Option<String>,
        /// Only jobs in this state.
        #[arg(long, conflicts_with = "id")]
        status: Option<String>,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        world: World,
    },
    /// Wait for jobs and print their results.
    #[command(display_order = 8, after_help = exit::help())]
    Wait {
        /// The jobs, up to 20.
        #[arg(required = true, num_args = 1..=20)]
        ids: Vec<String>,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        world: World,
    },
    /// Show the key, plan, balance and spending.
    #[command(display_order = 9, after_help = exit::help())]
    Account {
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        world: World,
    },
    /// List the voices, or those that fit some words: minimax-mcp voices english narrator.
    #[command(display_order = 10, after_help = exit::help())]
    Voices {
        /// Words to search for.
        words: Vec<String>,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        world: World,
    },
    /// Look at what was made, in a browser: pictures, players, prompts and prices.
    ///
    /// Serves the gallery to this machine alone, and opens it with a link that works once. Ctrl-C ends it.
    #[command(display_order = 10)]
    Gallery {
        /// The port; 0 takes any free one.
        #[arg(long, default_value_t = 0, value_parser = port)]
        port: u16,
        /// Print the link, and open no browser.
        #[arg(long)]
        no_open: bool,
        #[command(flatten)]
        world: World,
    },
    /// Create or update the tables in the database of MINIMAX_STORE_URL.
    ///
    /// A server does this when it starts. This command does it before, with a user that may change tables. It may run
    /// several times, also at once.
    #[command(display_order = 11)]
    Migrate,
    /// Copy the job records of a data folder to the database of MINIMAX_STORE_URL.
    ///
    /// No server may use the folder while it runs. Nothing is removed from it. What is in the database already stays as it
    /// is, so an interrupted copy can be started again.
    #[command(display_order = 11)]
    Import {
        /// The data folder; the one of the settings by default.
        #[arg(value_name = "DIR")]
        from: Option<PathBuf>,
    },
    /// Remove old jobs now: their records, costs and files. --dry-run counts them.
    ///
    /// A server does this every hour if MINIMAX_KEEP_DAYS or MINIMAX_KEEP_BYTES is set. Jobs that are running, whose
    /// outcome is unknown or whose files have not been saved stay, as do files outside the results folder and files that
    /// were changed.
    #[command(display_order = 11)]
    Prune(prune::Options),
    /// Explain every setting, with its value and where it comes from.
    #[command(display_order = 11)]
    Settings {
        /// Print the settings as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// Print the completions for a shell.
    #[command(display_order = 12)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or that of a command.
    #[command(display_order = 13)]
    Man {
        /// The command.
        command: Option<String>,
    },
}

/// The settings of one run, and whether MiniMax is simulated.
#[derive(Debug, Default, Args)]
pub(super) struct World {
    /// Use a simulator of MiniMax inside this program: no key, no cost, no network.
    ///
    /// Jobs and files of the simulator are kept apart, in the folders `sandbox` below the data folder and the base
    /// folder.
    #[arg(long)]
    pub(super) sandbox: bool,
    #[command(flatten)]
    pub(super) flags: Flags,
}

impl Command {
    /// The settings and the simulator, for a command that talks to MiniMax.
    fn world(&self) -> Option<&World> {
        match self {
            Self::Serve { world, .. }
            | Self::Call { world, .. }
            | Self::Tools { world, .. }
            | Self::Jobs { world, .. }
            | Self::Wait { world, .. }
            | Self::Account { world, .. }
            | Self::Gallery { world, .. }
            | Self::Voices { world, .. } => Some(world),
            Self::Settings { .. }
            | Self::Doctor { .. }
            | Self::Demo { .. }
            | Self::Sandbox { .. }
            | Self::Setup(_)
            | Self::Login(_)
            | Self::Logout(_)
            | Self::Migrate
            | Self::Prune(_)
            | Self::Import { .. }
            | Self::Completions { .. }
            | Self::Man { .. } => None,
        }
    }

    /// The settings that are given as options, and whether a person gave them for a single call.
    pub(super) fn flags(&self) -> Option<(&Flags, bool)> {
        match self {
            Self::Settings { flags, .. } => Some((flags, true)),
            _ => self.world().map(|world| (&world.flags, !matches!(self, Self::Serve { .. }))),
        }
    }

    /// The language option of the command, if it was given.
    pub(super) fn language(&self) -> Option<Language> {
        match self {
            Self::Doctor { language, .. } | Self::Logout(language) => language.lang,
            Self::Setup(options) => options.language.lang,
            Self::Login(options) => options.language.lang,
            _ => None,
        }
    }

    /// Whether the command talks to MiniMax, so that the simulator can take its place.
    pub(super) fn has_sandbox(&self) -> bool {
        self.world().is_some()
    }

    /// Whether the key that `login` stored is not needed: MiniMax is simulated, or the command is about that key.
    pub(super) fn needs_no_stored_key(&self, config: &Config) -> bool {
        match self {
            Self::Demo { .. }
            | Self::Sandbox { .. }
            | Self::Login(_)
            | Self::Logout(_)
            | Self::Migrate
            | Self::Prune(_)
            | Self::Import { .. } => true,
            Self::Serve { http, world, .. } => world.sandbox || (http.is_some() && config.http.caller_keys),
            _ => self.world().is_some_and(|world| world.sandbox),
        }
    }
}

/// Parses the address that `--http` gives.
fn address(text: &str) -> Result<SocketAddr, String> {
    let numbers = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let legal = "must be an IP address and a port, such as 127.0.0.1:8765, or 0.0.0.0:8765 to listen to other machines";
    numbers.as_deref().unwrap_or(text).parse().map_err(|_| match port(text.trim_start_matches(':')) {
        Ok(port) => format!("must be an IP address and a port; for this machine only: 127.0.0.1:{port}"),
        Err(_) => legal.to_owned(),
    })
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "must be a port, 0 to 65535".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_about_an_address_without_a_host_gives_the_complete_address() {
        for (text, named) in
            [(":9000", "127.0.0.1:9000"), ("9000", "127.0.0.1:9000"), ("abc", "127.0.0.1:8765")]
        {
            let said = address(text).unwrap_err();
            assert!(said.contains(named), "{text}: {said}");
        }
        assert_eq!(address("localhost:9000"), address("127.0.0.1:9000"));
        for text in ["abc", "-1", "65536", ""] {
            assert!(port(text).unwrap_err().contains("0 to 65535"), "{text}");
        }
        assert_eq!(port("0"), Ok(0));
    }
}
