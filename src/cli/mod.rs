//! The command line.

#[cfg(feature = "sandbox")]
mod demo;
mod greeting;
mod outcome;
#[cfg_attr(not(feature = "sandbox"), path = "no_sandbox.rs")]
mod sandbox;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use directories::{BaseDirs, UserDirs};

use self::outcome::{Outcome, about};
use crate::config::{Config, Places, SETTINGS};
use crate::facts;
use crate::media::private;
use crate::serve::http::access::Access;
use crate::serve::{http, stdio};
use crate::telemetry::{self, in_words};
use crate::tools;

/// An MCP server for MiniMax (Hailuo): chat, speech, voices, images, video, music and files.
#[derive(Debug, Parser)]
#[command(name = "minimax-mcp", version, after_help = settings_help())]
struct Arguments {
    /// Talk to a MiniMax inside this program instead of the real one: no key, no cost, no network.
    #[arg(long, global = true)]
    sandbox: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve MCP over stdin and stdout, which is what happens without a command; or over HTTP.
    Serve {
        /// Serve Streamable HTTP at http://ADDR/mcp instead.
        #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:8765", value_parser = address)]
        http: Option<SocketAddr>,
        /// With --http: the older transport too, at /sse. Deprecated; for clients that know no other.
        #[arg(long, requires = "http")]
        sse: bool,
    },
    /// Show it all without a key: an image, a spoken sentence, and a video made from the image.
    Demo {
        /// Where the files go.
        #[arg(long, value_name = "DIR", default_value = "minimax-demo")]
        out: PathBuf,
    },
    /// Run the MiniMax imitation alone, for tests of your own; prints its address.
    Sandbox {
        /// The port; 0 takes a free one.
        #[arg(long, default_value_t = 0, value_parser = port)]
        port: u16,
        /// Where it keeps its state; a temporary folder by default.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// Runs the command that the arguments name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to stdout and errors to stderr. No server runs yet, so stdout is free.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let mut config = Config::read(environment, &places());
    let warnings = std::env::current_dir().map(|folder| config.start_in(&folder)).unwrap_or_default();
    if let Some(path) = config.key_file.clone() {
        config.take_key(std::fs::read_to_string(path));
    }
    if let Some(path) = config.plan_key_file.clone() {
        config.take_plan_key(std::fs::read_to_string(path));
    }
    // Must come before the first use of a table.
    if let Some(Err(problem)) = config.facts_file.as_deref().map(facts::install) {
        config.found("MINIMAX_FACTS_FILE", problem);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // A server mostly waits, and hosts start one per window.
        .worker_threads(2)
        .max_blocking_threads(64)
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => {
            let telemetry = telemetry::start(&config.log, &config.telemetry, runtime.handle());
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            let outcome = runtime.block_on(obey(arguments, config));
            telemetry.stop();
            // A blocked read of stdin must not delay the exit.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "minimax-mcp: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Parses the address that `--http` gives.
fn address(text: &str) -> Result<SocketAddr, String> {
    let numbers = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    numbers.as_deref().unwrap_or(text).parse().map_err(|_| {
        let here = match text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
            Ok(port) => format!("127.0.0.1:{port} for this machine alone, or 0.0.0.0:{port}"),
            Err(_) => "127.0.0.1:8765, or 0.0.0.0:8765".to_owned(),
        };
        format!("it must be an IP address and a port, such as {here} to listen to other machines")
    })
}

/// Parses the port that `--port` gives.
fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "it must be a number from 0 to 65535; 0 takes a free port".to_owned())
}

async fn obey(arguments: Arguments, config: Config) -> Outcome {
    match arguments.command.unwrap_or(Command::Serve { http: None, sse: false }) {
        Command::Serve { http, sse } => {
            let http = http.map(|address| (address, http::Options { sse }));
            Box::pin(serve(config, arguments.sandbox, http)).await
        }
        Command::Demo { out } => sandbox::run_demo(&out).await,
        Command::Sandbox { port, dir } => sandbox::run_alone(port, dir).await,
    }
}

async fn serve(config: Config, at_sandbox: bool, http: Option<(SocketAddr, http::Options)>) -> Outcome {
    let sandbox = if at_sandbox {
        // The sandbox creates its folder in the data folder before the store does. The data folder must be private
        // from the start.
        if let Err(error) = private::folder(&config.data_dir) {
            let error = in_words(&error);
            tracing::warn!(folder = %config.data_dir.display(), error, "the data folder is not private");
        }
        Some(sandbox::start(config.data_dir.join("sandbox")).await?)
    } else {
        None
    };
    let config = match &sandbox {
        Some(sandbox) => config.at_sandbox(&sandbox.url()),
        None => config,
    };
    if let Some(note) = config.keys_note() {
        tracing::warn!("{note}");
    }
    match http {
        Some((address, options)) => over_http(config, address, options).await?,
        None => Box::pin(over_stdio(config)).await?,
    }
    if let Some(sandbox) = sandbox {
        sandbox.stop().await;
    }
    Ok(())
}

async fn over_stdio(config: Config) -> Outcome {
    for problem in &config.problems {
        tracing::warn!("{problem}");
    }
    if io::stdin().is_terminal() {
        writeln!(
            io::stderr(),
            "minimax-mcp speaks MCP on stdin and stdout: an MCP client starts it. See `minimax-mcp --help`, \
             or try `minimax-mcp demo`."
        )?;
    }
    // The future holds the handlers of all methods.
    Ok(Box::pin(stdio::serve(tools::server(config))).await?)
}

async fn over_http(mut config: Config, address: SocketAddr, options: http::Options) -> Outcome {
    // Over stdio, calls explain what is wrong. Here a person or a service manager starts the server and reads the end.
    if !config.problems.is_empty() {
        let problems: Vec<_> = config.problems.iter().map(ToString::to_string).collect();
        return Err(problems.join("\nminimax-mcp: ").into());
    }
    if let Some(path) = &config.http.token_file {
        http::tokens::warn_of_others(path).await;
        config.http.tokens = http::tokens::read(path, config.http.currency).await?;
    }
    let access = Access::new(&config.http);
    let listener = http::bind(address, &access).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => io::Error::new(
            error.kind(),
            format!("{address} is taken by another program; choose another with --http"),
        ),
        _ if error.raw_os_error().is_some() => about(format!("--http {address}"))(error),
        _ => error,
    })?;
    let at = listener.local_addr()?;
    let url = format!("http://{at}");
    config.http.public_url.get_or_insert_with(|| url.clone());
    if config.reach_over_http() {
        tracing::warn!(
            "MINIMAX_API_KEY is not used: with MINIMAX_MCP_CALLER_KEYS each request brings its own key, in the header \
             X-MiniMax-Api-Key"
        );
    }
    if io::stderr().is_terminal() {
        write!(io::stderr(), "{}", greeting::greeting(&config, &access, &url))?;
    } else {
        tracing::info!("MCP at {url}/mcp");
    }
    http::serve(tools::server(config), listener, access, options).await;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn places() -> Places {
    let home = BaseDirs::new();
    let users = UserDirs::new();
    let desktop = users.as_ref().and_then(UserDirs::desktop_dir).filter(|dir| dir.is_dir());
    Places {
        // Without a home folder, the temporary folder is the best that there is.
        home: home.as_ref().map_or_else(std::env::temp_dir, |dirs| dirs.home_dir().to_owned()),
        desktop: desktop.map(ToOwned::to_owned),
        data: home.as_ref().map_or_else(std::env::temp_dir, |dirs| dirs.data_dir().to_owned()),
    }
}

/// The settings as `--help` prints them.
pub fn settings_help() -> String {
    let rows = SETTINGS.iter().map(|setting| {
        let plain = |text: &str| text.replace('`', "");
        format!("  {}\n      {}. Default: {}\n", setting.name, plain(setting.meaning), plain(setting.default))
    });
    format!("Settings, from the environment:\n{}", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_its_machine_is_completed_in_the_error() {
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
