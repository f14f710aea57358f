-- What MINIMAX_KEEP_BYTES counts: the folder of a job's files, and their size.
ALTER TABLE jobs ADD COLUMN folder TEXT COLLATE "C";
ALTER TABLE jobs ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;

UPDATE jobs SET
    folder = CAST(body AS json) ->> 'folder',
    bytes = COALESCE((SELECT CAST(SUM(CAST(file #>> '{saved,bytes}' AS BIGINT)) AS BIGINT)
                      FROM json_array_elements(CASE json_typeof(CAST(body AS json) -> 'files')
                                               WHEN 'array' THEN CAST(body AS json) -> 'files' ELSE '[]' END) AS file), 0);

DROP INDEX jobs_ended;
CREATE INDEX jobs_ended ON jobs (updated_at, id) WHERE is_open = 0 AND status <> 'unknown';
CREATE INDEX jobs_stored ON jobs (folder, updated_at, id, bytes) WHERE bytes > 0;

-- Jobs that were removed because of their age or size. They keep an idempotency key from buying a second time.
CREATE TABLE removed_jobs (
    id              TEXT COLLATE "C" PRIMARY KEY,
    principal       TEXT COLLATE "C" NOT NULL,
    account         TEXT COLLATE "C" NOT NULL,
    idempotency_key TEXT COLLATE "C",
    removed_at      BIGINT NOT NULL
);

CREATE INDEX removed_jobs_by_key ON removed_jobs (principal, account, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX removed_jobs_by_age ON removed_jobs (removed_at);
