//! The outbox: messages about ended jobs, until they are delivered.
//!
//! A message is written in the transaction in which its job ends, so none is lost with the process. A process that
//! takes a message postpones its next try in the same statement, so that no other process sends it in the meantime. A
//! message's id depends only on the job and its end. So a receiver recognizes a message that it gets twice, because a
//! process died before it recorded the receiver's answer.

use super::database::Store;
use super::error::StoreError;
use super::pool::Connection;
use super::sql::{Row, query};
use crate::clock::now;
use crate::record::Job;

/// How long the delivery of a message is tried, in milliseconds.
const LIFE: i64 = 24 * 3_600_000;

/// The time from each try to the next, in milliseconds. The first is longer than a try may take; the last repeats.
const PAUSES: [i64; 6] = [20_000, 60_000, 300_000, 900_000, 1_800_000, 3_600_000];

/// The most messages that a process takes at once.
const BATCH: i64 = 8;

/// A message that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id, the same at every try.
    pub id: String,
    /// The job that has ended.
    pub job: String,
    /// What happened, such as `job.succeeded`.
    pub kind: String,
    /// How often it was tried, including this time.
    pub tries: i64,
    /// When the job ended, in Unix milliseconds.
    pub created_at: i64,
}

impl Store {
    /// This store, which from now on writes a message when a job ends.
    #[must_use]
    pub(crate) fn announcing(self, announces: bool) -> Self {
        Self { announces, ..self }
    }

    /// Writes the message about the end of a job. Part of each write of a job.
    pub(super) async fn announce(&self, connection: &mut Connection, job: &Job) -> Result<(), StoreError> {
        if !self.announces || !job.state.is_over() {
            return Ok(());
        }
        let status = job.state.status();
        let row = query(
            "INSERT INTO outbox (id, job, kind, due_at, created_at) VALUES (?1, ?2, ?3, ?4, ?4)
             ON CONFLICT DO NOTHING",
        );
        let row = row.bind(format!("msg_{}_{status}", job.id)).bind(&job.id).bind(format!("job.{status}"));
        row.bind_moment(now(), 0).execute(connection).await.map(drop).map_err(|error| self.fail(error))
    }

    /// Takes the due messages, except those that another process is taking.
    pub(crate) async fn due_messages(&self) -> Result<Vec<Message>, StoreError> {
        // Usually no message is due, and then this must not wait for the write lock.
        let waiting = query("SELECT 1 FROM outbox WHERE is_open = 1 AND due_at <= ?1 LIMIT 1");
        let waiting = waiting.bind_moment(now(), 0).fetch_optional(self.readers()).await;
        if waiting.map_err(|error| self.fail(error))?.is_none() {
            return Ok(Vec::new());
        }
        let taken = query(format!(
            "WITH due AS MATERIALIZED (
                SELECT id FROM outbox WHERE is_open = 1 AND due_at <= ?1 ORDER BY due_at LIMIT ?2
                FOR UPDATE SKIP LOCKED)
             UPDATE outbox SET tries = tries + 1, due_at = ?1 + {}
             WHERE id IN (SELECT id FROM due) RETURNING id, job, kind, tries, created_at",
            pause()
        ));
        let rows = taken.bind_moment(now(), 0).bind(BATCH).fetch_all(self.writers()).await;
        let read = |row: &Row| -> Result<Message, sqlx::Error> {
            Ok(Message {
                id: row.try_get("id")?,
                job: row.try_get("job")?,
                kind: row.try_get("kind")?,
                tries: row.try_get("tries")?,
                created_at: row.try_get("created_at")?,
            })
        };
        let rows = rows.map_err(|error| self.fail(error))?;
        rows.iter().map(|row| read(row).map_err(|error| self.fail(error))).collect()
    }

    /// Notes that a message is not sent again.
    pub(crate) async fn end_message(&self, id: &str) -> Result<(), StoreError> {
        let ended = query("UPDATE outbox SET is_open = 0 WHERE id = ?1").bind(id);
        ended.execute(self.writers()).await.map(drop).map_err(|error| self.fail(error))
    }

    /// Drops messages that were not delivered within a day. Returns how many.
    pub(crate) async fn give_up_messages(&self) -> Result<u64, StoreError> {
        let old = query("UPDATE outbox SET is_open = 0 WHERE is_open = 1 AND created_at < ?1");
        old.bind_moment(now(), -LIFE).execute(self.writers()).await.map_err(|error| self.fail(error))
    }
}

/// The pause after a try, in SQL.
fn pause() -> String {
    let [rest @ .., last] = PAUSES;
    let rows: Vec<_> =
        rest.iter().enumerate().map(|(tries, pause)| format!("WHEN {tries} THEN {pause}")).collect();
    format!("CASE tries {} ELSE {last} END", rows.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn store(dir: &tempfile::TempDir, owner: &str) -> Store {
        Store::open(dir.path(), owner.to_owned()).await.unwrap().announcing(true)
    }

    /// A job that has just ended.
    async fn end(store: &Store, id: &str) -> Job {
        let mut job: Job = serde_json::from_value(json!({
            "id": id, "principal": "ada", "kind": "image", "tool": "text_to_image", "model": "", "account": "a",
            "prompt": "", "request": {}, "digest": "", "state": { "at": "submitting", "sent": true },
            "created_at": now(), "updated_at": now(),
        }))
        .unwrap();
        store.insert(&job, None).await.unwrap();
        job.state = serde_json::from_value(json!({ "at": "done" })).unwrap();
        assert!(store.save_progress(&job).await.unwrap());
        job
    }

    async fn run(store: &Store, sql: &'static str) {
        sqlx::query(sql).execute(store.sqlite()).await.unwrap();
    }

    #[tokio::test]
    async fn a_message_about_the_end_of_a_job_is_recorded_once_and_only_if_the_settings_want_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir, "me").await;
        end(&store.announcing(false), "quiet").await;
        let store = self::store(&dir, "me").await;
        let mut job = end(&store, "image-1").await;
        let first = store.due_messages().await.unwrap();
        let told: Vec<_> =
            first.iter().map(|message| (&*message.id, &*message.kind, message.tries)).collect();
        assert_eq!(told, [("msg_image-1_succeeded", "job.succeeded", 1)]);
        store.end_message(&first[0].id).await.unwrap();
        // Its files are downloaded again, and it ends in the same way.
        for state in [json!({ "at": "fetching" }), json!({ "at": "done" })] {
            job.state = serde_json::from_value(state).unwrap();
            assert!(store.save_progress(&job).await.unwrap());
        }
        run(&store, "UPDATE outbox SET due_at = 0").await;
        assert_eq!(store.due_messages().await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_message_is_sent_by_one_process_and_repeated_until_it_is_accepted_or_a_day_old() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (store(&dir, "one").await, store(&dir, "two").await);
        end(&one, "image-1").await;
        let (first, second) = tokio::join!(one.due_messages(), two.due_messages());
        assert_eq!(first.unwrap().len() + second.unwrap().len(), 1);
        for tries in 2..=9_usize {
            assert_eq!(two.due_messages().await.unwrap(), [], "not before its time");
            let wait: i64 =
                sqlx::query_scalar("SELECT due_at FROM outbox").fetch_one(one.sqlite()).await.unwrap();
            let pause = PAUSES.get(tries - 2).copied().unwrap_or(3_600_000);
            assert!((pause - 10_000..=pause).contains(&(wait - now())), "{tries}: {}", wait - now());
            run(&one, "UPDATE outbox SET due_at = 0").await;
            let again = two.due_messages().await.unwrap();
            assert_eq!(
                again.iter().map(|message| message.tries).collect::<Vec<_>>(),
                [i64::try_from(tries).unwrap()]
            );
        }
        assert_eq!(one.give_up_messages().await.unwrap(), 0);
        run(&one, "UPDATE outbox SET due_at = 0, created_at = created_at - 24 * 3600 * 1000 - 1").await;
        assert_eq!(one.give_up_messages().await.unwrap(), 1);
        assert_eq!(one.due_messages().await.unwrap(), []);
    }
}
