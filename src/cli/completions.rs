//! Completions for shells, and the manual page.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap::builder::PossibleValuesParser;

use super::arguments::Arguments;
use super::outcome::Outcome;
use crate::tools;

const PROGRAM: &str = "minimax-mcp";

/// The command line with the names of the tools. The parser itself accepts any name, because the server also knows other
/// names and suggests the right one.
fn with_tools() -> clap::Command {
    let names: Vec<_> = tools::catalogue().specs().map(|spec| spec.name).collect();
    let know = |command: clap::Command| {
        let names = PossibleValuesParser::new(names.clone());
        command.mut_arg("tool", |argument| argument.value_parser(names).hide_possible_values(true))
    };
    Arguments::command().mut_subcommand("call", know).mut_subcommand("tools", know)
}

/// Prints the completions for a shell.
pub(super) fn print(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut with_tools(), PROGRAM, &mut script);
    Ok(io::stdout().write_all(&script)?)
}

/// Prints the manual page of the program, or of a command.
pub(super) fn print_manual(command: Option<&str>) -> Outcome {
    let mut program = Arguments::command();
    program.build();
    let page = match command {
        None => program,
        Some(name) => {
            let found = program.find_subcommand(name).cloned();
            let found = found
                .ok_or_else(|| format!("there is no command `{name}`; `minimax-mcp --help` lists them"))?;
            // The page of `minimax-mcp call` is called minimax-mcp-call.
            found.display_name(format!("{PROGRAM}-{name}"))
        }
    };
    let mut text = Vec::new();
    // A command's page would otherwise have an empty version.
    let source = concat!("minimax-mcp ", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(page).source(source).render(&mut text)?;
    Ok(io::stdout().write_all(&text)?)
}
