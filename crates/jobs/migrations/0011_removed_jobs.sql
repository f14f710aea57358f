-- What MINIMAX_KEEP_BYTES counts: the folder of a job's files, and their size.
ALTER TABLE jobs ADD COLUMN folder TEXT;
ALTER TABLE jobs ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;

UPDATE jobs SET
    folder = json_extract(body, '$.folder'),
    bytes = CAST(COALESCE((SELECT SUM(json_extract(jobs.body, file.fullkey || '.saved.bytes'))
                           FROM json_each(jobs.body, '$.files') AS file), 0) AS INTEGER)
WHERE json_valid(body);

DROP INDEX jobs_ended;
CREATE INDEX jobs_ended ON jobs (updated_at, id) WHERE is_open = 0 AND status <> 'unknown';
CREATE INDEX jobs_stored ON jobs (folder, updated_at, id, bytes) WHERE bytes > 0;

-- Jobs that were removed because of their age or size. They keep an idempotency key from buying a second time.
CREATE TABLE removed_jobs (
    id              TEXT PRIMARY KEY NOT NULL,
    principal       TEXT NOT NULL,
    account         TEXT NOT NULL,
    idempotency_key TEXT,
    removed_at      INTEGER NOT NULL
) STRICT;

CREATE INDEX removed_jobs_by_key ON removed_jobs (principal, account, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX removed_jobs_by_age ON removed_jobs (removed_at);
