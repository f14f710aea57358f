//! Cloned and designed voices that have not been used yet. MiniMax lists a voice only after its first use.

use super::database::Store;
use super::error::StoreError;
use super::sql::{Row, either, query};

/// A voice that a job made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeVoice {
    /// The id at MiniMax.
    pub id: String,
    /// The tool that made it.
    pub tool: String,
    /// Unix milliseconds.
    pub created_at: i64,
}

/// The most voices that are read. An account has far fewer unused ones.
const MOST: u32 = 100;

/// A speech that names the voice has used it, unless MiniMax refused it. A deleted voice has lost its row in
/// `remote_ids`.
const UNUSED: &str = "
    SELECT made.voice, made.tool, made.created_at FROM (
        SELECT json_extract(body, '$.voice_id') AS voice, json_extract(body, '$.tool') AS tool, created_at
        FROM jobs
        WHERE account = ?1 AND kind = 'voice' AND status NOT IN ('failed', 'cancelled') AND created_at > ?2
          AND (?3 IS NULL OR principal = ?3) AND json_valid(body)
    ) AS made
    WHERE made.voice IS NOT NULL AND (?4 IS NULL OR made.voice = ?4)
      AND EXISTS (SELECT 1 FROM remote_ids WHERE account = ?1 AND kind = 'voice' AND id = made.voice)
      AND NOT EXISTS (
        SELECT 1 FROM jobs WHERE account = ?1 AND kind = 'speech' AND status NOT IN ('failed', 'cancelled')
           AND created_at >= made.created_at AND instr(body, json_quote(made.voice)) > 0)
    ORDER BY made.created_at DESC LIMIT ?5";

const UNUSED_POSTGRES: &str = "
    SELECT made.voice, made.tool, made.created_at FROM (
        SELECT CAST(body AS json) ->> 'voice_id' AS voice, CAST(body AS json) ->> 'tool' AS tool, created_at
        FROM jobs
        WHERE account = ?1 AND kind = 'voice' AND status NOT IN ('failed', 'cancelled') AND created_at > ?2
          AND (?3 IS NULL OR principal = ?3)
    ) AS made
    WHERE made.voice IS NOT NULL AND (?4 IS NULL OR made.voice = ?4)
      AND EXISTS (SELECT 1 FROM remote_ids WHERE account = ?1 AND kind = 'voice' AND id = made.voice)
      AND NOT EXISTS (
        SELECT 1 FROM jobs WHERE account = ?1 AND kind = 'speech' AND status NOT IN ('failed', 'cancelled')
           AND created_at >= made.created_at AND strpos(body, CAST(to_json(made.voice) AS text)) > 0)
    ORDER BY made.created_at DESC LIMIT ?5";

impl Store {
    /// The voices that jobs of an account made after `since` and no speech has used, newest first. `principal` and
    /// `voice` narrow the result.
    pub async fn unused_voices(
        &self,
        account: &str,
        since: i64,
        principal: Option<&str>,
        voice: Option<&str>,
    ) -> Result<Vec<MadeVoice>, StoreError> {
        let query =
            either(UNUSED, UNUSED_POSTGRES).bind(account).bind(since).bind(principal).bind(voice).bind(MOST);
        let rows = query.fetch_all(self.readers()).await.map_err(|error| self.fail(error))?;
        let read = |row: &Row| -> Result<MadeVoice, sqlx::Error> {
            Ok(MadeVoice { id: row.try_get(0)?, tool: row.try_get(1)?, created_at: row.try_get(2)? })
        };
        rows.iter().map(|row| read(row).map_err(|error| self.fail(error))).collect()
    }

    /// Forgets a voice that was deleted at MiniMax.
    pub async fn forget_voice(&self, account: &str, voice: &str) -> Result<(), StoreError> {
        let query = query("DELETE FROM remote_ids WHERE account = ?1 AND kind = 'voice' AND id = ?2");
        let deleted = query.bind(account).bind(voice).execute(self.writers()).await;
        deleted.map(drop).map_err(|error| self.fail(error))
    }
}
