//! `minimax-mcp prune`: removes old jobs now, or counts what would be removed.

use std::io::{self, Write as _};

use clap::Args;

use super::outcome::Outcome;
use crate::bucket::Bucket;
use crate::config::{Config, read_bytes, read_days};
use crate::media::units::size;
use crate::store::{Pruned, Retention, Store, StoreError, random_id};

/// The settings on which a removal depends.
const SETTINGS: &[&str] = &[
    "MINIMAX_MCP_BASE_PATH",
    "MINIMAX_DATA_DIR",
    "MINIMAX_STORE_URL",
    "MINIMAX_KEEP_DAYS",
    "MINIMAX_KEEP_BYTES",
    "MINIMAX_KEEP_FILES",
];

/// What is kept, and how the result is printed.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Say what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// Keep the jobs of this many days; 0 sets no limit. By default MINIMAX_KEEP_DAYS.
    #[arg(long, value_name = "N")]
    keep_days: Option<String>,
    /// Keep this much of the results, such as 20GB; 0 sets no limit. By default MINIMAX_KEEP_BYTES.
    #[arg(long, value_name = "SIZE")]
    keep_bytes: Option<String>,
    /// Print the counts as JSON.
    #[arg(long)]
    json: bool,
}

/// Removes what the options and the settings do not keep.
pub(super) async fn run(options: &Options, config: &Config) -> Outcome {
    if let Some(problem) = config.problems.iter().find(|problem| SETTINGS.contains(&problem.name)) {
        return Err(problem.to_string().into());
    }
    let rules = rules(options, config)?;
    let pruned = match open(config).await? {
        Some(store) => {
            let pruned = store.prune(&rules, crate::clock::earliest(), options.dry_run).await;
            store.close().await;
            pruned.map_err(|error| in_words(&error))?
        }
        None => Pruned::default(),
    };
    if options.json {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&pruned)?)?;
        return Ok(());
    }
    for line in lines(&pruned, options.dry_run) {
        writeln!(io::stdout(), "{line}")?;
    }
    Ok(())
}

fn rules(options: &Options, config: &Config) -> Result<Retention, String> {
    let age = options.keep_days.as_deref().map(read_days).transpose();
    let bytes = options.keep_bytes.as_deref().map(read_bytes).transpose();
    let rules = Retention {
        age: age.map_err(|problem| format!("--keep-days {problem}"))?.unwrap_or(config.keep.age),
        bytes: bytes.map_err(|problem| format!("--keep-bytes {problem}"))?.unwrap_or(config.keep.bytes),
        keeps_files: config.keep.files,
        base: config.base_path.clone(),
        bucket: config.files.clone().map(Bucket::new),
    };
    if rules.age.is_none() && rules.bytes.is_none() {
        return Err("everything is kept: give --keep-days or --keep-bytes, or set MINIMAX_KEEP_DAYS or \
                    MINIMAX_KEEP_BYTES"
            .to_owned());
    }
    Ok(rules)
}

/// Opens the records. `None` if there are none, because this command must not create them.
async fn open(config: &Config) -> Result<Option<Store>, String> {
    let owner = random_id("prune");
    let opened = match &config.store_url {
        Some(url) => Box::pin(Store::connect(url, &config.data_dir, owner)).await,
        None if config.data_dir.join(Store::FILE).exists() => {
            Box::pin(Store::open(&config.data_dir, owner)).await
        }
        None => return Ok(None),
    };
    opened.map(Some).map_err(|error| in_words(&error))
}

fn in_words(error: &StoreError) -> String {
    format!("{error}. {}", error.advice())
}

/// The result for a person.
fn lines(pruned: &Pruned, dry: bool) -> Vec<String> {
    let Pruned { jobs, files, bytes, files_kept, conversations, answers, jobs_failed, .. } = pruned;
    let verb = if dry { "would be removed" } else { "removed" };
    let mut lines = vec![format!(
        "{verb}: {}, {} ({}), {}, {}",
        count(*jobs, "job"),
        count(*files, "file"),
        size(*bytes),
        count(*conversations, "conversation"),
        count(*answers, "answer"),
    )];
    if let Some(purchases @ 1..) = pruned.purchases {
        lines.push(format!("removed: the costs of {}; their sums are kept", count(purchases, "purchase")));
    }
    if *files_kept > 0 {
        lines.push(format!("{} of these jobs: kept", count(*files_kept, "file")));
    }
    lines.extend(
        pruned
            .files_changed
            .iter()
            .map(|path| format!("kept, because it was changed after it was saved: {}", path.display())),
    );
    if *jobs_failed > 0 {
        lines.push(format!("{} kept, because a file could not be removed", count(*jobs_failed, "job")));
    }
    lines
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
