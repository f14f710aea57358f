-- Who has sent a file to MiniMax, which itself tells the callers of one account not apart.
CREATE TABLE remote_files (
    account    TEXT NOT NULL,
    file_id    TEXT NOT NULL,
    principal  TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account, file_id)
) STRICT;
