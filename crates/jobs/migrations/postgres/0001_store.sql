-- The tables of migrations/*.sql as PostgreSQL has them. Texts are compared by their bytes, as SQLite does it, whatever the
-- language of the database: accounts that share their limits are found by a range of names.

-- One row a job. What SQL has to find is in columns; the job itself is JSON in `body`.
CREATE TABLE jobs (
    id              TEXT COLLATE "C" PRIMARY KEY,
    principal       TEXT COLLATE "C" NOT NULL,
    account         TEXT COLLATE "C" NOT NULL,
    kind            TEXT COLLATE "C" NOT NULL,
    status          TEXT COLLATE "C" NOT NULL,
    is_open         BIGINT NOT NULL CHECK (is_open IN (0, 1)),
    task_id         TEXT COLLATE "C",
    idempotency_key TEXT COLLATE "C",
    search          TEXT NOT NULL,
    body            TEXT NOT NULL CHECK (CAST(body AS json) IS NOT NULL),
    lease_owner     TEXT COLLATE "C",
    lease_until     BIGINT NOT NULL DEFAULT 0,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);

CREATE UNIQUE INDEX jobs_by_key ON jobs (principal, account, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- MiniMax may give two orders the same task id. Both are paid for, so both are kept.
CREATE INDEX jobs_by_task ON jobs (principal, account, task_id) WHERE task_id IS NOT NULL;
CREATE INDEX jobs_by_age ON jobs (principal, created_at DESC, id DESC);
CREATE INDEX jobs_by_standing ON jobs (kind, status);
CREATE INDEX jobs_open ON jobs (account, lease_until) WHERE is_open = 1;
CREATE INDEX jobs_ended ON jobs (updated_at) WHERE is_open = 0 AND status <> 'unknown';

-- One row a conversation with a text model, as JSON in `body`.
CREATE TABLE conversations (
    id         TEXT COLLATE "C" PRIMARY KEY,
    principal  TEXT COLLATE "C" NOT NULL,
    api        TEXT NOT NULL,
    model      TEXT NOT NULL,
    turns      BIGINT NOT NULL,
    body       TEXT NOT NULL,
    bytes      BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX conversations_by_age ON conversations (updated_at);
CREATE INDEX conversations_by_principal ON conversations (principal, updated_at);

-- One row a request that costs money, whether a job stands behind it (then under the job's id) or not. Amounts are whole
-- millionths of the currency. What counts is `actual`, before it is known `estimate`, and nothing once `released`.
CREATE TABLE spending (
    id         TEXT COLLATE "C" PRIMARY KEY,
    principal  TEXT COLLATE "C" NOT NULL,
    account    TEXT COLLATE "C" NOT NULL,
    process    TEXT COLLATE "C" NOT NULL,
    tool       TEXT NOT NULL,
    model      TEXT NOT NULL,
    currency   TEXT COLLATE "C" NOT NULL,
    estimate   BIGINT,
    actual     BIGINT,
    state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('reserved', 'settled', 'released', 'unknown')),
    consent    TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX spending_by_time ON spending (account, created_at);
CREATE INDEX spending_by_process ON spending (process);
CREATE INDEX spending_by_age ON spending (created_at);
-- A person's consent is valid for one purchase.
CREATE UNIQUE INDEX spending_by_consent ON spending (consent) WHERE consent IS NOT NULL;

-- What a process has spent in rows that were removed.
CREATE TABLE spending_totals (
    process    TEXT COLLATE "C" NOT NULL,
    account    TEXT COLLATE "C" NOT NULL,
    currency   TEXT COLLATE "C" NOT NULL,
    settled    BIGINT NOT NULL,
    unknown    BIGINT NOT NULL,
    unpriced   BIGINT NOT NULL,
    PRIMARY KEY (process, account, currency)
);

-- Random keys, so that every replica can open what another has sealed.
CREATE TABLE secrets (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value BYTEA NOT NULL
);

-- One row a paid answer whose caller had left.
CREATE TABLE answers (
    principal  TEXT COLLATE "C" NOT NULL,
    account    TEXT COLLATE "C" NOT NULL,
    digest     TEXT COLLATE "C" NOT NULL,
    body       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (principal, account, digest)
);

CREATE INDEX answers_by_age ON answers (created_at);

-- Who owns the files, tasks and voices at MiniMax. `pending_job` is the job whose request for a voice of that id has left and
-- is not answered yet; such a row keeps others away and grants nothing.
CREATE TABLE remote_ids (
    account     TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL CHECK (kind IN ('file', 'task', 'voice')),
    id          TEXT COLLATE "C" NOT NULL,
    principal   TEXT COLLATE "C" NOT NULL,
    pending_job TEXT COLLATE "C",
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (account, kind, id)
);

CREATE INDEX remote_ids_by_id ON remote_ids (kind, lower(id));
CREATE INDEX remote_ids_by_principal ON remote_ids (account, principal);
