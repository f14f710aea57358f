-- One row a request that costs money, whether a job stands behind it (then under the job's id) or not. Amounts are
-- whole millionths of the currency. What counts is `actual`, before it is known `estimate`, and nothing once `released`.
CREATE TABLE spending (
    id         TEXT PRIMARY KEY NOT NULL,
    principal  TEXT NOT NULL,
    account    TEXT NOT NULL,
    process    TEXT NOT NULL,
    tool       TEXT NOT NULL,
    model      TEXT NOT NULL,
    currency   TEXT NOT NULL,
    estimate   INTEGER,
    actual     INTEGER,
    state      TEXT NOT NULL CHECK (state IN ('reserved', 'settled', 'released', 'unknown')),
    consent    TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX spending_by_time ON spending (account, created_at);
CREATE INDEX spending_by_process ON spending (process);
-- A person's yes is good for one purchase.
CREATE UNIQUE INDEX spending_by_consent ON spending (consent) WHERE consent IS NOT NULL;

-- Random keys of this folder, so that every process of it can open what another has sealed.
CREATE TABLE secrets (
    name  TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT;
