-- One row an answer that was paid for and that nobody heard: its caller had left before it came. It waits for the same
-- call, and goes when it is handed over.
CREATE TABLE answers (
    principal  TEXT NOT NULL,
    account    TEXT NOT NULL,
    digest     TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (principal, account, digest)
) STRICT;

CREATE INDEX answers_by_age ON answers (created_at);
