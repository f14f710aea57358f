-- One row a message about the end of a job, for MINIMAX_WEBHOOK_URL. It is written with the end itself, and stays as long
-- as the job, so that each end is told once. `due_at` is when it may be sent next: the process that takes it moves that on.
CREATE TABLE outbox (
    id         TEXT COLLATE "C" PRIMARY KEY,
    job        TEXT COLLATE "C" NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL,
    tries      BIGINT NOT NULL DEFAULT 0,
    due_at     BIGINT NOT NULL,
    is_open    BIGINT NOT NULL DEFAULT 1,
    created_at BIGINT NOT NULL
);

CREATE INDEX outbox_due ON outbox (due_at) WHERE is_open = 1;
CREATE INDEX outbox_by_job ON outbox (job);
