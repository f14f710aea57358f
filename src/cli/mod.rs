//! The command line.

mod arguments;
mod checks;
mod completions;
mod database;
#[cfg(feature = "sandbox")]
mod demo;
mod doctor;
mod flags;
mod gallery;
mod greeting;
mod login;
mod outcome;
mod prune;
#[cfg_attr(not(feature = "sandbox"), path = "no_sandbox.rs")]
mod sandbox;
mod settings_table;
mod setup;
mod shell;

mod usage;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read as _, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use directories::{BaseDirs, UserDirs};
use tokio::runtime::{Builder, Runtime};

use self::arguments::{Arguments, Command, World};
use self::flags::Flags;
use self::login::Stored;
use self::outcome::{Coded, Outcome};
use self::setup::clients::{Folders, System};
use crate::config::{Config, DEFAULT_LOG, KeyKind, Places};
use crate::facts;
use crate::gallery::pages;
use crate::media::private;
use crate::serve::http::access::Access;
use crate::serve::{http, stdio};
use crate::telemetry::{self, in_words};
use crate::texts::{self, Language};
use crate::tools;

/// The largest file with a key that is read, in bytes. Real ones are much smaller.
const MOST: u64 = 64 << 10;

/// Runs the command that the arguments name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let typed: Vec<_> = arguments.into_iter().collect();
    let arguments = match Arguments::try_parse_from(&typed) {
        Ok(arguments) => arguments,
        Err(error) => return usage::print(error, &typed, Language::of(environment)),
    };
    if arguments.sandbox && arguments.command.as_ref().is_some_and(|command| !command.has_sandbox()) {
        let words = "--sandbox is for serving and for calling tools: `demo` and `sandbox` always use the simulator, and \
                     other commands never do";
        let _ = Arguments::command().error(clap::error::ErrorKind::ArgumentConflict, words).print();
        return ExitCode::from(2);
    }
    let chosen = arguments.command.as_ref().and_then(Command::language);
    chosen.unwrap_or_else(|| Language::of(environment)).speak();
    let folder = std::env::current_dir().ok();
    let flags = settings_of(&arguments, folder.as_deref());
    let lookup = |name: &str| match flags.value(name) {
        Some(value) => Some(value.to_owned()),
        None => environment(name).filter(|_| !flags.hides(name)),
    };
    let (mut config, stored) = settings(&arguments, lookup);
    if let Some(folder) = folder {
        config.start_in(&folder);
    }
    config.warn_of_unknown(names());
    let given = |name: &str| environment(name).filter(|_| !flags.hides(name));
    let (mut key_text, mut plan_text) = (given("MINIMAX_API_KEY"), given("MINIMAX_PLAN_KEY"));
    let is_stored = |used: fn(&Stored) -> bool| stored.as_ref().is_some_and(used);
    let from_environment = config.key.is_some() && !is_stored(|stored| stored.key_in_use);
    let plan_from_environment = config.plan_key.is_some() && !is_stored(|stored| stored.plan_key_in_use);
    if let Some(path) = config.key_file.clone() {
        let text = read_text(&path, "a key");
        if !from_environment {
            key_text = text.as_ref().ok().cloned();
        }
        config.take_key(text);
    }
    if let Some(path) = config.plan_key_file.clone() {
        let text = read_text(&path, "a key");
        if !plan_from_environment {
            plan_text = text.as_ref().ok().cloned();
        }
        config.take_plan_key(text);
    }
    if let Some(path) = config.webhook.secret_file.clone() {
        config.take_webhook_secret(read_text(&path, "the secret of a webhook"));
    }
    let sources = doctor::Sources {
        key: match &stored {
            Some(stored) if stored.key_in_use => doctor::KeySource::login(stored.place("MINIMAX_API_KEY")),
            _ if from_environment => doctor::KeySource::setting("MINIMAX_API_KEY", key_text),
            _ => doctor::KeySource::setting("MINIMAX_API_KEY_FILE", key_text),
        },
        plan_key: match &stored {
            Some(stored) if stored.plan_key_in_use => {
                doctor::KeySource::login(stored.place("MINIMAX_PLAN_KEY"))
            }
            _ if plan_from_environment => doctor::KeySource::setting("MINIMAX_PLAN_KEY", plan_text),
            _ => doctor::KeySource::setting("MINIMAX_PLAN_KEY_FILE", plan_text),
        },
    };
    // Must come before the first use of a table.
    if let Some(Err(problem)) = config.facts_file.as_deref().map(facts::install) {
        config.found("MINIMAX_FACTS_FILE", problem);
    }
    let over_http = matches!(arguments.command, Some(Command::Serve { http: Some(_), .. }));
    if !over_http && !matches!(arguments.command, Some(Command::Doctor { .. })) {
        checks::add_folder_warnings(&mut config);
    }
    checks::add_warnings(&mut config);
    config.judge_ignored(over_http);
    // Commands for a person print what happens themselves.
    if config.log == DEFAULT_LOG {
        match arguments.command {
            Some(Command::Demo { .. }) => "warn".clone_into(&mut config.log),
            None | Some(Command::Serve { .. } | Command::Sandbox { .. }) => {}
            Some(_) => "error".clone_into(&mut config.log),
        }
    }
    let outcome = match runtime_for(arguments.command.as_ref()) {
        Ok(runtime) => {
            let telemetry = telemetry::start(&config.log, &config.telemetry, runtime.handle());
            let outcome = runtime.block_on(obey(arguments, config, stored.as_ref(), (&sources, &flags)));
            // Tasks of the runtime send the last spans. A runtime with one thread makes progress only while it is waited for.
            let stopping = runtime.spawn_blocking(move || telemetry.stop());
            let _ = runtime.block_on(stopping);
            // A blocked read of stdin must not delay the exit.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(code) => code,
        // A reader such as `head` that stops reading is not a failure.
        Err(error) if is_closed_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "minimax-mcp: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// The runtime for a command. It has few threads, because a server mostly waits, and hosts start one per window. On stdio,
/// with a single client, one thread is enough: a switch between threads takes longer than most work between two waits. Long
/// work runs on blocking threads.
fn runtime_for(command: Option<&Command>) -> io::Result<Runtime> {
    let mut builder = match command {
        None | Some(Command::Serve { http: None, .. }) => Builder::new_current_thread(),
        Some(_) => Builder::new_multi_thread(),
    };
    builder.worker_threads(2).max_blocking_threads(64).enable_all().build()
}

/// The settings that are given as options. At the shell, relative paths are resolved against the current folder. For a
/// server they are refused, as in its variables.
fn settings_of(arguments: &Arguments, folder: Option<&std::path::Path>) -> Flags {
    let Some((flags, by_person)) = arguments.command.as_ref().and_then(Command::flags) else {
        return Flags::default();
    };
    let mut flags = flags.clone();
    if let Some(folder) = folder.filter(|_| by_person) {
        flags.relative_to(folder);
    }
    flags
}

/// Reads the settings, and the keys that `login` stored, which are used if no setting gives a key.
fn settings(
    arguments: &Arguments,
    lookup: impl Fn(&str) -> Option<String> + Copy,
) -> (Config, Option<Stored>) {
    let mut config = Config::read(lookup, &places());
    let no_use = |command: &Command| command.needs_no_stored_key(&config);
    if arguments.sandbox || arguments.command.as_ref().is_some_and(no_use) {
        return (config, None);
    }
    let has_plan_key = config.plan_key.is_some() || config.plan_key_file.is_some();
    let has_key = config.key.is_some() || config.key_file.is_some();
    match Stored::read(&config.data_dir) {
        Ok(Some(mut stored)) => {
            stored.use_beside(has_key, has_plan_key);
            let unread = stored.read_keyring().err();
            if stored.is_in_use() {
                config = Config::read(|name| stored.setting(name, lookup), &places());
            }
            if let Some(why) = unread {
                report_unread(&mut config, &stored, why);
            }
            (config, Some(stored))
        }
        Ok(None) => (config, None),
        Err(warning) => {
            if !has_key {
                config.key_note = Some(warning.clone());
                config.warnings.push(warning);
            }
            (config, None)
        }
    }
}

/// Says why a key of the keyring is not there. Without any key, no call can buy anything. With another one, calls are refused,
/// because that would pay for what the missing key has to pay for.
fn report_unread(config: &mut Config, stored: &Stored, why: String) {
    if config.keys().first.is_none() {
        config.key_note = Some(why.clone());
        config.warnings.push(why);
        return;
    }
    for setting in stored.unread() {
        config.found(setting, format!("has no value: {why}"));
    }
}

/// Reads the file of a setting that holds one key, or something like it, as `what` says.
fn read_text(path: &Path, what: &str) -> io::Result<String> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MOST + 1).read_to_string(&mut text));
    match read {
        Ok(_) if text.len() as u64 > MOST => Err(io::Error::other(format!("it is too long for {what}"))),
        Ok(_) => Ok(text),
        Err(error) => Err(io::Error::new(error.kind(), in_words(&error))),
    }
}

/// The folders of clients on this machine.
fn client_folders(home: &Path) -> Folders {
    let project = std::env::current_dir().unwrap_or_default();
    Folders::new(System::HERE, home, &project, environment)
}

fn set_up(options: &setup::Options, config: &Config, stored: Option<&Stored>) -> Outcome {
    let set = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
    let around = setup::Surroundings {
        config,
        stored,
        folders: client_folders(&config.home),
        program: std::env::current_exe()?,
        data_dir: set("MINIMAX_DATA_DIR"),
        region: set("MINIMAX_REGION"),
    };
    setup::run(options, &around)
}

/// Stores the key that the user enters. Without one, the clients are still set up.
async fn log_in_first(config: &Config) -> Result<Option<Stored>, io::Error> {
    if let Err(error) = login::store(&login::Options::default(), config).await {
        writeln!(io::stderr(), "minimax-mcp: {}", texts::setup::login_failed(error))?;
    }
    Ok(Stored::read(&config.data_dir).unwrap_or_default())
}

async fn obey(
    arguments: Arguments,
    config: Config,
    stored: Option<&Stored>,
    (sources, flags): (&doctor::Sources, &Flags),
) -> Coded {
    let command =
        arguments.command.unwrap_or(Command::Serve { http: None, sse: false, world: World::default() });
    match command {
        Command::Serve { http, sse, world } => {
            let http = http.map(|address| (address, http::Options { sse, pages: Some(pages) }));
            Box::pin(serve(config, arguments.sandbox || world.sandbox, http)).await?;
        }
        Command::Doctor { json, .. } => {
            let proxy = doctor::Proxy::of(&config.host, environment);
            let folders = client_folders(&config.home);
            Box::pin(doctor::run(config, sources, proxy, &folders, json)).await?;
        }
        Command::Setup(options) => {
            let mut stored = stored.cloned();
            if stored.is_none() && setup::wants_login(&options, &config)? {
                stored = Box::pin(log_in_first(&config)).await?;
            }
            set_up(&options, &config, stored.as_ref())?;
        }
        Command::Login(options) => Box::pin(login::run(&options, &config)).await?,
        Command::Logout(_) => {
            login::forget(&config)?;
        }
        Command::Demo { out } => Box::pin(sandbox::run_demo(&out, &places())).await?,
        Command::Sandbox { port, dir } => sandbox::run_alone(port, dir).await?,
        Command::Migrate => database::migrate(&config).await?,
        Command::Prune(options) => prune::run(&options, &config).await?,
        Command::Import { from } => database::import(&config, from.as_deref()).await?,
        Command::Settings { json, .. } => settings_table::print(&config, flags, stored, environment, json)?,
        Command::Completions { shell } => completions::print(shell)?,
        Command::Man { command } => completions::print_manual(command.as_deref())?,
        Command::Gallery { port, no_open, world } => {
            let at_sandbox = arguments.sandbox || world.sandbox;
            let (config, sandbox) = if at_sandbox { with_sandbox(config).await } else { (config, None) };
            Box::pin(gallery::run(config, port, !no_open)).await?;
            if let Some(sandbox) = sandbox {
                sandbox.stop().await;
            }
        }
        Command::Call { ref world, .. }
        | Command::Tools { ref world, .. }
        | Command::Jobs { ref world, .. }
        | Command::Wait { ref world, .. }
        | Command::Account { ref world, .. }
        | Command::Voices { ref world, .. } => {
            let at_sandbox = arguments.sandbox || world.sandbox;
            let (config, sandbox) = if at_sandbox { with_sandbox(config).await } else { (config, None) };
            let code = Box::pin(shell::run(config, command)).await;
            if let Some(sandbox) = sandbox {
                sandbox.stop().await;
            }
            return code;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config, at_sandbox: bool, http: Option<(SocketAddr, http::Options)>) -> Outcome {
    let (mut config, sandbox) = if at_sandbox { with_sandbox(config).await } else { (config, None) };
    // Over HTTP a problem ends the start, and is its error.
    if http.is_none() {
        config.reach_over_stdio();
        for problem in &config.problems {
            tracing::warn!("{problem}");
        }
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
            config.problems.push(problem);
            (config, None)
        }
    }
}

async fn over_stdio(config: Config) -> Outcome {
    if io::stdin().is_terminal() {
        writeln!(
            io::stderr(),
            "minimax-mcp speaks MCP on stdin and stdout, so an MCP client starts it. To try it without a client or a \
             key, run `minimax-mcp demo`; `minimax-mcp settings` lists the settings."
        )?;
    }
    // The future holds the handlers of all methods.
    Ok(Box::pin(stdio::serve(tools::server(config))).await?)
}

async fn over_http(mut config: Config, address: SocketAddr, options: http::Options) -> Outcome {
    // Over stdio, calls explain what is wrong. Here a person or a service manager sees that the start failed.
    config.problems.extend(checks::unusable_places(&config));
    config.problems.extend(config.unfilled_key().filter(|_| !config.http.caller_keys));
    if !config.problems.is_empty() {
        let problems: Vec<_> = config.problems.iter().map(ToString::to_string).collect();
        return Err(problems.join("\nminimax-mcp: ").into());
    }
    if let Some(path) = &config.http.token_file {
        http::tokens::warn_of_others(path).await;
        config.http.tokens =
            http::tokens::read(path, config.http.currency, config.http.private_webhooks).await?;
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
    if config.key_kind() == KeyKind::Missing && !config.http.caller_keys {
        let why = config.key_note.as_deref().unwrap_or("no MiniMax key is set");
        tracing::warn!(
            "{why}: calls to MiniMax are refused until MINIMAX_API_KEY or MINIMAX_API_KEY_FILE is set"
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
    // A value that is not UTF-8 keeps a replacement character, so that an error can report it.
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
        // Without a home folder, use the temporary folder.
        home: home.as_ref().map_or_else(std::env::temp_dir, |dirs| dirs.home_dir().to_owned()),
        desktop: desktop.map(ToOwned::to_owned),
        data: home.as_ref().map_or_else(std::env::temp_dir, |dirs| dirs.data_dir().to_owned()),
    }
}
