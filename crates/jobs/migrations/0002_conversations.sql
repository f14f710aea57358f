-- One row a conversation with a text model: what was said, in its protocol's own words, as JSON in `body`.
CREATE TABLE conversations (
    id         TEXT PRIMARY KEY NOT NULL,
    principal  TEXT NOT NULL,
    api        TEXT NOT NULL,
    model      TEXT NOT NULL,
    turns      INTEGER NOT NULL,
    body       TEXT NOT NULL,
    bytes      INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX conversations_by_age ON conversations (updated_at);
