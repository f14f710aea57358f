-- What the gallery sorts by besides time and size: the price, and the length of what was made in milliseconds. Prices of one
-- currency are together: see `Money::rank`.
ALTER TABLE jobs ADD COLUMN price INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN length INTEGER NOT NULL DEFAULT 0;

UPDATE jobs SET
    price = CASE WHEN status IN ('failed', 'cancelled') AND task_id IS NULL THEN 0 ELSE
        CAST(round(COALESCE(json_extract(body, '$.cost.actual'), json_extract(body, '$.cost.estimated'), 0) * 1000000) AS INTEGER)
        + CASE json_extract(body, '$.cost.currency') WHEN 'CNY' THEN 72057594037927936 ELSE 0 END END,
    length = COALESCE((SELECT MAX(CAST(json_extract(value, '$.saved.duration_ms') AS INTEGER))
                       FROM json_each(body, '$.files') WHERE type = 'object'), 0)
WHERE json_valid(body) AND json_type(body) = 'object' AND json_type(body, '$.cost') = 'object';

CREATE INDEX jobs_by_price ON jobs (principal, price DESC, id DESC);
CREATE INDEX jobs_by_length ON jobs (principal, length DESC, id DESC);
CREATE INDEX jobs_by_size ON jobs (principal, bytes DESC, id DESC);
