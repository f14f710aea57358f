-- One row a job. What SQL has to find stands in columns; the job itself is JSON in `body`.
CREATE TABLE jobs (
    id              TEXT PRIMARY KEY NOT NULL,
    principal       TEXT NOT NULL,
    account         TEXT NOT NULL,
    kind            TEXT NOT NULL,
    status          TEXT NOT NULL,
    is_open         INTEGER NOT NULL,
    task_id         TEXT,
    idempotency_key TEXT,
    search          TEXT NOT NULL,
    body            TEXT NOT NULL,
    lease_owner     TEXT,
    lease_until     INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX jobs_by_key ON jobs (principal, account, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX jobs_by_task ON jobs (principal, account, task_id) WHERE task_id IS NOT NULL;
CREATE INDEX jobs_by_age ON jobs (principal, created_at DESC, id DESC);
CREATE INDEX jobs_open ON jobs (account, lease_until) WHERE is_open = 1;
