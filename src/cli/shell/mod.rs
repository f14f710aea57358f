//! The tools from the shell. A command calls its tool as an MCP client does, in the same process, so that it has the same
//! checks, records and budgets.

pub(super) mod answer;
pub(super) mod exit;
mod list;
mod terminal;
mod values;
mod words;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use rmcp::model::{CallToolRequestParams, JsonObject};
use rmcp::service::RunningService;
use rmcp::{RoleClient, ServiceExt};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use self::answer::{Answer, Output};
use self::exit::Exit;
use self::terminal::Terminal;
use super::arguments::Command;
use super::outcome::Coded;
use crate::config::Config;
use crate::mcp::{Billing, Server};
use crate::serve;
use crate::tools;

/// How long a paid request in flight may delay the exit, because its result is paid for.
const LINGER: Duration = Duration::from_secs(180);

/// How long to wait for the list of jobs that were started, after Ctrl-C or SIGTERM.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one call of `get_job` waits. More calls follow.
const WAIT: u32 = 240;

/// A tool call, and the handling of its result.
struct Order {
    tool: String,
    arguments: JsonObject,
    /// Whether to wait for the end of a job that has not ended.
    waits: bool,
}

/// Runs a command that calls a tool or lists the tools.
pub(super) async fn run(mut config: Config, command: Command) -> Coded {
    config.reach_over_stdio();
    // At the shell, the user has chosen the current folder.
    if let Some(folder) = config.start_dir.clone().filter(|folder| folder.parent().is_some()) {
        config.allowed_dirs.push(folder);
    }
    let warnings = std::mem::take(&mut config.warnings);
    let server = tools::server(config);
    let (made, output) = match command {
        Command::Call { tool, values, dry_run, output, .. } => {
            (order(&server, tool, &values, dry_run), output)
        }
        Command::Tools { tool, json, .. } => match list::tools(&server, tool.as_deref(), json) {
            Some(text) => {
                writeln!(io::stdout(), "{}", text.trim_end())?;
                return Ok(ExitCode::SUCCESS);
            }
            // For an unknown name, the server suggests the right tool.
            None => (Ok(Order::of(tool.unwrap_or_default(), &json!({}))), Output { json, quiet: false }),
        },
        Command::Jobs { id: Some(id), output, .. } => {
            (Ok(Order::of("get_job", &json!({ "job_id": id, "wait_seconds": 0 }))), output)
        }
        Command::Jobs { status, output, .. } => {
            (Ok(Order::of("list_jobs", &json!({ "status": status, "limit": 50 }))), output)
        }
        Command::Wait { ids, output, .. } => {
            (Ok(Order { waits: true, ..Order::of("get_job", &get(&ids)) }), output)
        }
        Command::Account { output, .. } => (Ok(Order::of("check_account", &json!({}))), output),
        Command::Voices { words, output, .. } => {
            (Ok(Order::of("list_voices", &json!({ "query": words.join(" ") }))), output)
        }
        _ => return Err("this command calls no tool".into()),
    };
    let order = match made {
        Ok(order) => order,
        Err(problem) => {
            Answer::refused("argument", problem).print(output)?;
            return Ok(Exit::Usage.into());
        }
    };
    // Even with `--quiet`, because a misspelt budget limits nothing.
    for warning in warnings {
        writeln!(io::stderr(), "minimax-mcp: {warning}")?;
    }
    Ok(carry_out(server, order, output).await?.into())
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Order {
    fn of(tool: impl Into<String>, arguments: &Value) -> Self {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        Self { tool: tool.into(), arguments, waits: false }
    }
}

fn order(server: &Server, tool: String, values: &[String], dry_run: bool) -> Result<Order, String> {
    let mut arguments = values::read(values)?;
    if dry_run {
        arguments.insert("dry_run".to_owned(), true.into());
    }
    let starts_job = server.catalogue().find(&tool).is_some_and(|spec| spec.billing == Billing::Job);
    let waits = starts_job && !arguments.contains_key("wait_seconds");
    Ok(Order { tool, arguments, waits })
}

/// The arguments of `get_job` for one or several jobs.
fn get(ids: &[String]) -> Value {
    match ids {
        [id] => json!({ "job_id": id, "wait_seconds": WAIT }),
        ids => json!({ "job_ids": ids, "wait_seconds": WAIT }),
    }
}

async fn carry_out(server: Server, order: Order, output: Output) -> Result<Exit, Box<dyn std::error::Error>> {
    let started = Timestamp::now();
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (serving, handler) = (TaskTracker::new(), server.clone());
    serving.spawn(async move {
        if let Ok(running) = handler.serve(ours).await {
            let _ = running.waiting().await;
        }
    });
    let client = Terminal::new(output.quiet).serve(theirs).await?;
    let shell = Shell { server, client };
    let awaited = order.waits;
    let spec = shell.server.catalogue().find(&order.tool);
    let costs = spec.is_some_and(|spec| spec.billing != Billing::Free);
    let done = tokio::select! {
        answer = shell.answer(order) => Some(answer),
        () = serve::signal() => None,
    };
    shell.client.service().clear();
    let mut printed = Ok(());
    let exit = if let Some(answer) = &done {
        // A failure to print is handled below, because the jobs must be handed over first.
        printed = answer.print(output);
        if let Err(error) = &printed
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            answer.rescue();
        }
        let exit = Exit::of(answer, awaited);
        if exit == Exit::Settings {
            let help = "`minimax-mcp login` stores a key; `minimax-mcp doctor` says what is wrong; `minimax-mcp settings` shows the \
                        settings.";
            writeln!(io::stderr(), "{help}")?;
        }
        exit
    } else {
        let ids = tokio::time::timeout(PATIENCE, shell.begun_since(started)).await.unwrap_or_default();
        writeln!(io::stderr(), "{}", interrupted(&ids, costs))?;
        Exit::Interrupted
    };
    let Shell { server, client } = shell;
    server.client_gone();
    client.cancel().await?;
    tokio::select! {
        () = server.jobs().shut_down(LINGER) => {}
        () = serve::signal() => server.jobs().shut_down(Duration::ZERO).await,
    }
    match printed {
        // The reader has closed the pipe. The exit code still reports how the call ended.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit),
        printed => printed.map(|()| exit).map_err(Into::into),
    }
}

/// The text after Ctrl-C. `costs` means that the tool costs money.
fn interrupted(ids: &[String], costs: bool) -> String {
    let all = ids.join(" ");
    match ids {
        [] if costs => "Interrupted. No job is running. A request that had already left may be billed: `minimax-mcp jobs` and \
                        `minimax-mcp account` show it."
            .to_owned(),
        [] => "Interrupted.".to_owned(),
        [id] => format!(
            "Interrupted. The job {id} continues. `minimax-mcp wait {id}` waits for its result; `minimax-mcp call \
             cancel_job job_id={id}` cancels it."
        ),
        _ => format!("Interrupted. The jobs {all} continue. `minimax-mcp wait {all}` waits for their results."),
    }
}

/// A server and its only client.
struct Shell {
    server: Server,
    client: RunningService<RoleClient, Terminal>,
}

impl Shell {
    async fn call(&self, tool: String, arguments: JsonObject) -> Answer {
        Answer::of(self.client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await)
    }

    /// The answer of a call, after its jobs have ended if the command waits for them.
    async fn answer(&self, order: Order) -> Answer {
        let asked = order.tool == "get_job";
        let again = asked.then(|| order.arguments.clone());
        let mut answer = self.call(order.tool, order.arguments).await;
        if !order.waits {
            return answer;
        }
        loop {
            let open = answer.open();
            if open.is_empty() || self.all_are_of_others(&open).await {
                return answer;
            }
            // Ask for all jobs, so that the last answer shows all of them.
            let arguments = again.clone().or_else(|| get(&open).as_object().cloned()).unwrap_or_default();
            answer = self.call("get_job".to_owned(), arguments).await;
        }
    }

    /// Whether waiting is useless, because the jobs were bought with another host or key.
    async fn all_are_of_others(&self, ids: &[String]) -> bool {
        let jobs = self.server.jobs();
        for id in ids {
            let job = jobs.get(self.server.principal(), id).await;
            if !matches!(job, Ok(Some(job)) if !jobs.is_ours(&job)) {
                return false;
            }
        }
        true
    }

    /// The jobs that this process has begun since `then` and that have not ended.
    async fn begun_since(&self, then: Timestamp) -> Vec<String> {
        let active = self.server.jobs().active();
        let list = json!({ "limit": 50 }).as_object().cloned().unwrap_or_default();
        let list = self.call("list_jobs".to_owned(), list).await.structured.unwrap_or_default();
        let rows = list.get("jobs").and_then(Value::as_array).into_iter().flatten();
        let begun = rows.filter(|row| {
            let created = row.get("created_at").and_then(Value::as_str);
            created
                .and_then(|at| at.parse::<Timestamp>().ok())
                .is_some_and(|at| at.as_second() >= then.as_second())
        });
        let ids = begun.filter_map(|row| Some(row.get("job_id")?.as_str()?.to_owned()));
        ids.filter(|id| active.contains(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_after_ctrl_c_names_the_job_and_how_to_find_it() {
        assert!(interrupted(&[], true).contains("may be billed"));
        assert!(!interrupted(&[], false).contains("billed"));
        let one = interrupted(&["a".to_owned()], true);
        assert!(one.contains("job a") && one.contains("wait a") && one.contains("job_id=a"), "{one}");
        assert!(interrupted(&["a".to_owned(), "b".to_owned()], true).contains("wait a b"));
    }
}
