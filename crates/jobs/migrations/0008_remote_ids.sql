-- Who owns the files, tasks and voices at MiniMax, which itself does not tell the callers of one account apart. One row
-- for each id that MiniMax has named for a job or an upload, kept for good. `pending_job` is the job whose request for
-- a voice of that id has left and is not answered yet; such a row keeps others away and grants nothing.
CREATE TABLE remote_ids (
    account     TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('file', 'task', 'voice')),
    id          TEXT NOT NULL,
    principal   TEXT NOT NULL,
    pending_job TEXT,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (account, kind, id)
) STRICT;

CREATE INDEX remote_ids_by_id ON remote_ids (kind, id COLLATE NOCASE);
CREATE INDEX remote_ids_by_principal ON remote_ids (account, principal);

INSERT OR IGNORE INTO remote_ids (account, kind, id, principal, created_at)
SELECT account, 'file', file_id, principal, created_at FROM remote_files;

DROP TABLE remote_files;

-- What the records of jobs name. Of several jobs with one id the latest that bought it is its owner's, and one that
-- was taken over from elsewhere (it has no request) comes last. A record that cannot be read names nothing.
WITH readable AS (
    SELECT id, account, principal, kind, status, task_id, created_at,
           CASE WHEN json_valid(body) THEN body ELSE '{}' END AS body
    FROM jobs
),
named (account, kind, id, principal, created_at, request) AS (
    SELECT account, 'task', task_id, principal, created_at, json_type(body, '$.request') FROM readable
    UNION ALL
    SELECT account, 'file',
           CASE file.type WHEN 'object' THEN CAST(json_extract(file.value, '$.file_id') AS TEXT) END,
           principal, created_at, json_type(body, '$.request')
    FROM readable, json_each(body, '$.files') AS file
    UNION ALL
    SELECT account, 'voice', CAST(json_extract(body, '$.voice_id') AS TEXT), principal, created_at,
           json_type(body, '$.request')
    FROM readable
    UNION ALL
    -- The answer was lost, and the voice may be there.
    SELECT account, 'voice', CAST(json_extract(body, '$.request.voice_id') AS TEXT), principal, created_at,
           json_type(body, '$.request')
    FROM readable WHERE kind = 'voice' AND status = 'unknown'
)
INSERT OR IGNORE INTO remote_ids (account, kind, id, principal, created_at)
SELECT account, kind, id, principal, created_at FROM named
WHERE id IS NOT NULL AND id <> ''
ORDER BY request IS NULL OR request = 'null', created_at DESC;
