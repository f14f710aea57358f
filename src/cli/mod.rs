//! The command line.

mod checks;
#[cfg(feature = "sandbox")]
mod demo;
mod doctor;
mod greeting;
mod outcome;
#[cfg_attr(not(feature = "sandbox"), path = "no_sandbox.rs")]
mod sandbox;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use directories::{BaseDirs, UserDirs};

use self::outcome::Outcome;
use crate::config::{Config, DEFAULT_LOG, Places, SETTINGS};
use crate::facts;
use crate::media::private;
use crate::serve::http::access::Access;
use crate::serve::{http, stdio};
use crate::telemetry::{self, in_words};
use crate::tools;

/// An MCP server for MiniMax (Hailuo): chat, speech, voices, images, video, music and files.
#[derive(Debug, Parser)]
#[command(name = "minimax-mcp", version, after_help = short_help(), after_long_help = settings_help())]
struct Arguments {
    /// Use a simulator of MiniMax inside this program: no key, no cost, no network.
    ///
    /// Jobs and files of the simulator are kept apart, in the folders `sandbox` below the data folder and the base
    /// folder.
    #[arg(long)]
    sandbox: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve MCP over stdin and stdout (the default without a command), or over HTTP.
    Serve {
        /// Serve Streamable HTTP at http://ADDR/mcp instead.
        #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:8765", value_parser = address)]
        http: Option<SocketAddr>,
        /// With --http: serve the older transport too, at /sse. Deprecated; for clients that know no other.
        #[arg(long, requires = "http")]
        sse: bool,
        /// Use a simulator of MiniMax inside this program: no key, no cost, no network.
        #[arg(long)]
        sandbox: bool,
    },
    /// Find what is wrong with the key, network, settings or folders, and how to fix it.
    ///
    /// Costs nothing and changes nothing. The exit status is 1 if something is wrong, and 0 otherwise.
    Doctor {
        /// Print the findings as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Try it without a key: make an image, a spoken sentence, and a video from the image.
    Demo {
        /// The folder for the files.
        #[arg(long, value_name = "DIR", default_value = "minimax-demo")]
        out: PathBuf,
    },
    /// Run only the simulator of MiniMax, for your own tests. Prints its address.
    Sandbox {
        /// The port; 0 takes any free one.
        #[arg(long, default_value_t = 0, value_parser = port)]
        port: u16,
        /// The folder for its state; a temporary folder by default.
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
    if arguments.sandbox
        && matches!(
            arguments.command,
            Some(Command::Demo { .. } | Command::Doctor { .. } | Command::Sandbox { .. })
        )
    {
        let words = "--sandbox is for serving: `demo` and `sandbox` always use the simulator, and `doctor` never does";
        let _ = Arguments::command().error(clap::error::ErrorKind::ArgumentConflict, words).print();
        return ExitCode::from(2);
    }
    let mut config = Config::read(environment, &places());
    if let Ok(folder) = std::env::current_dir() {
        let warnings = config.start_in(&folder);
        config.warnings.extend(warnings);
    }
    config.warn_of_unknown(names());
    let key_source =
        if config.key.is_some() { "MINIMAX_API_KEY" } else { "the file of MINIMAX_API_KEY_FILE" };
    if let Some(path) = config.key_file.clone() {
        config.take_key(std::fs::read_to_string(path));
    }
    // Must come before the first use of a table.
    if let Some(Err(problem)) = config.facts_file.as_deref().map(facts::install) {
        config.found("MINIMAX_FACTS_FILE", problem);
    }
    checks::add_warnings(&mut config);
    // Commands for a person print what happens themselves.
    if config.log == DEFAULT_LOG {
        match arguments.command {
            Some(Command::Demo { .. }) => "warn".clone_into(&mut config.log),
            Some(Command::Doctor { .. }) => "error".clone_into(&mut config.log),
            _ => {}
        }
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
            let outcome = runtime.block_on(obey(arguments, config, key_source));
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
    let legal = "must be an IP address and a port, such as 127.0.0.1:8765, or 0.0.0.0:8765 to listen to other machines";
    numbers.as_deref().unwrap_or(text).parse().map_err(|_| match port(text.trim_start_matches(':')) {
        Ok(port) => format!("must be an IP address and a port; for this machine only: 127.0.0.1:{port}"),
        Err(_) => legal.to_owned(),
    })
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "must be a port, 0 to 65535".to_owned())
}

async fn obey(arguments: Arguments, config: Config, key_source: &str) -> Outcome {
    let command = arguments.command.unwrap_or(Command::Serve { http: None, sse: false, sandbox: false });
    match command {
        Command::Serve { http, sse, sandbox } => {
            let http = http.map(|address| (address, http::Options { sse }));
            Box::pin(serve(config, arguments.sandbox || sandbox, http)).await
        }
        Command::Doctor { json } => {
            let proxy = doctor::Proxy::of(&config.host, environment);
            Box::pin(doctor::run(config, key_source, proxy, json)).await
        }
        Command::Demo { out } => Box::pin(sandbox::run_demo(&out, &places())).await,
        Command::Sandbox { port, dir } => sandbox::run_alone(port, dir).await,
    }
}

async fn serve(config: Config, at_sandbox: bool, http: Option<(SocketAddr, http::Options)>) -> Outcome {
    let (mut config, sandbox) = if at_sandbox { with_sandbox(config).await } else { (config, None) };
    if http.is_none() {
        config.reach_over_stdio();
    }
    for problem in &config.problems {
        tracing::warn!("{problem}");
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
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

/// Starts the sandbox. If it cannot start, the problem goes to the settings: a client gets its handshake, and each call
/// says what is wrong.
async fn with_sandbox(config: Config) -> (Config, Option<sandbox::Sandbox>) {
    let mut config = config.at_sandbox("");
    // The sandbox creates its folder in the data folder before the store does. The data folder must be private from
    // the start.
    if let Err(error) = private::folder(&config.data_dir) {
        let problem = format!("cannot be used: {}", checks::at(&config.data_dir, &error));
        tracing::warn!("MINIMAX_DATA_DIR {problem}");
    }
    match sandbox::start(config.data_dir.join("simulator")).await {
        Ok(sandbox) => {
            config.host = sandbox.url();
            tracing::info!("sandbox: a simulator of MiniMax at {}; nothing is billed", config.host);
            (config, Some(sandbox))
        }
        Err(problem) => {
            config.found("MINIMAX_DATA_DIR", problem);
            (config, None)
        }
    }
}

async fn over_stdio(config: Config) -> Outcome {
    if io::stdin().is_terminal() {
        writeln!(
            io::stderr(),
            "minimax-mcp speaks MCP on stdin and stdout, so an MCP client starts it. To try it without a client or a \
             key, run `minimax-mcp demo`; `minimax-mcp --help` lists the settings."
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
        _ if error.raw_os_error().is_some() => {
            io::Error::new(error.kind(), format!("--http {address}: {}", in_words(&error)))
        }
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
    // A value that is no text is kept with a mark, so that it can be named.
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
fn names() -> impl Iterator<Item = String> {
    std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned())
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

/// The settings that most users need, as `-h` prints them: name and a few words.
const COMMON: &[(&str, &str)] = &[
    ("MINIMAX_API_KEY", "the key, from platform.minimax.io or platform.minimax.cn"),
    ("MINIMAX_REGION", "`global` or `cn`, where the key is from"),
    ("MINIMAX_MCP_BASE_PATH", "the folder for results"),
    ("MINIMAX_ALLOWED_DIRS", "more folders to read and write"),
    ("MINIMAX_BUDGET_DAY", "the most to spend in 24 hours, such as `5 USD`"),
    ("MINIMAX_CONFIRM_ABOVE", "ask a person above this price"),
    ("MINIMAX_TOOLSETS", "which tools are offered"),
    ("MINIMAX_DATA_DIR", "the folder for the job records"),
];

fn short_help() -> String {
    let rows = COMMON.iter().map(|(name, words)| format!("  {name:<22} {}\n", words.replace('`', "")));
    format!(
        "Settings are environment variables. The most used:\n{}`minimax-mcp --help` lists all of them.",
        rows.collect::<String>()
    )
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
