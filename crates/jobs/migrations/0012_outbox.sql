-- One row a message about the end of a job, for MINIMAX_WEBHOOK_URL. It is written with the end itself, and stays as long
-- as the job, so that each end is told once. `due_at` is when it may be sent next: the process that takes it moves that on.
CREATE TABLE outbox (
    id         TEXT PRIMARY KEY NOT NULL,
    job        TEXT NOT NULL,
    kind       TEXT NOT NULL,
    tries      INTEGER NOT NULL DEFAULT 0,
    due_at     INTEGER NOT NULL,
    is_open    INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX outbox_due ON outbox (due_at) WHERE is_open = 1;
CREATE INDEX outbox_by_job ON outbox (job);
