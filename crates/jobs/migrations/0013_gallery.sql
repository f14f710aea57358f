-- What the gallery filters by: the model, and the voice that spoke or was made.
ALTER TABLE jobs ADD COLUMN model TEXT;
ALTER TABLE jobs ADD COLUMN voice TEXT;

UPDATE jobs SET
    model = substr(json_extract(body, '$.model'), 1, 256),
    voice = substr(COALESCE(json_extract(body, '$.voice_id'), json_extract(body, '$.request.voice_setting.voice_id')), 1, 256)
WHERE json_valid(body);
UPDATE jobs SET model = NULL WHERE model = '';
UPDATE jobs SET voice = NULL WHERE voice = '';

CREATE INDEX jobs_by_kind ON jobs (principal, kind, created_at DESC, id DESC);
CREATE INDEX jobs_by_status ON jobs (principal, status, created_at DESC, id DESC);
CREATE INDEX jobs_by_model ON jobs (principal, model, created_at DESC, id DESC) WHERE model IS NOT NULL;
CREATE INDEX jobs_by_voice ON jobs (principal, voice, created_at DESC, id DESC) WHERE voice IS NOT NULL;
CREATE INDEX spending_by_principal ON spending (principal, created_at);
