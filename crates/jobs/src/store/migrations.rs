//! The migrations of both databases, as parts of the program.
//!
//! `sqlx::migrate!` would do the same, and compile SQLite and both drivers a second time for the compiler's machine.

use std::sync::LazyLock;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Names and texts of the files of one folder.
macro_rules! files {
    ($folder:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../", $folder, "/", $name, ".sql")))),*]
    };
}

const OF_SQLITE: &[(&str, &str)] = files!("migrations":
    "0001_jobs" "0002_conversations" "0003_spending" "0004_tasks" "0005_answers" "0006_standings" "0007_remote_files"
    "0008_remote_ids" "0009_retention" "0010_processes" "0011_removed_jobs" "0012_outbox" "0013_gallery" "0014_sorting"
    "0015_idempotency_keys"
);

const OF_POSTGRES: &[(&str, &str)] = files!("migrations/postgres":
    "0001_store" "0002_processes" "0003_removed_jobs" "0004_outbox" "0005_gallery" "0006_list" "0007_sorting"
    "0008_idempotency_keys"
);

/// The migrations of SQLite's file.
pub(super) static SQLITE: LazyLock<Migrator> = LazyLock::new(|| migrator(OF_SQLITE));

/// The migrations of PostgreSQL's tables.
pub(super) static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| migrator(OF_POSTGRES));

fn migrator(files: &[(&'static str, &'static str)]) -> Migrator {
    let migration = |(name, sql): &(&'static str, &'static str)| {
        let (version, description) = name.split_once('_')?;
        let description = description.replace('_', " ").into();
        Some(Migration::new(
            version.parse().ok()?,
            description,
            MigrationType::Simple,
            (*sql).into_sql_str(),
            false,
        ))
    };
    Migrator::with_migrations(files.iter().filter_map(migration).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    #[tokio::test]
    async fn every_file_of_the_folders_is_a_migration_with_the_name_and_checksum_that_sqlx_gives_it() {
        for (folder, ours) in [("migrations", &*SQLITE), ("migrations/postgres", &*POSTGRES)] {
            let of = |migrator: &Migrator| {
                let row =
                    |one: &Migration| (one.version, (one.description.to_string(), one.checksum.to_vec()));
                migrator.iter().map(row).collect::<BTreeMap<_, _>>()
            };
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            let read = Migrator::new(folder.as_path()).await.unwrap();
            assert!(read.iter().count() > 5);
            assert_eq!(of(ours), of(&read));
        }
    }
}
