-- What the gallery sorts by besides time and size: the price, and the length of what was made in milliseconds. Prices of one
-- currency are together: see `Money::rank`.
ALTER TABLE jobs ADD COLUMN price BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN length BIGINT NOT NULL DEFAULT 0;

UPDATE jobs SET
    price = CASE WHEN status IN ('failed', 'cancelled') AND task_id IS NULL THEN 0 ELSE
        CAST(round(COALESCE(CAST(CAST(body AS json) #>> '{cost,actual}' AS numeric),
                            CAST(CAST(body AS json) #>> '{cost,estimated}' AS numeric), 0) * 1000000) AS BIGINT)
        + CASE CAST(body AS json) #>> '{cost,currency}' WHEN 'CNY' THEN 72057594037927936 ELSE 0 END END,
    length = COALESCE((SELECT MAX(CAST(file #>> '{saved,duration_ms}' AS BIGINT))
                       FROM json_array_elements(COALESCE(CAST(body AS json) -> 'files', '[]')) AS file), 0);

CREATE INDEX jobs_by_price ON jobs (principal, price DESC, id DESC);
CREATE INDEX jobs_by_length ON jobs (principal, length DESC, id DESC);
CREATE INDEX jobs_by_size ON jobs (principal, bytes DESC, id DESC);
