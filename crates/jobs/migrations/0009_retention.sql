-- What has ended is removed after a while (MINIMAX_KEEP_DAYS), oldest first, in small batches.
CREATE INDEX jobs_ended ON jobs (updated_at) WHERE is_open = 0 AND status <> 'unknown';
CREATE INDEX spending_by_age ON spending (created_at);

-- What a process has spent in rows that were removed. A process may run for longer than rows are kept, and its budget
-- holds for as long as it runs.
CREATE TABLE spending_totals (
    process    TEXT NOT NULL,
    account    TEXT NOT NULL,
    currency   TEXT NOT NULL,
    settled    INTEGER NOT NULL,
    unknown    INTEGER NOT NULL,
    unpriced   INTEGER NOT NULL,
    PRIMARY KEY (process, account, currency)
) STRICT;
