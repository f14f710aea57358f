-- What the gallery filters by: the model, and the voice that spoke or was made.
ALTER TABLE jobs ADD COLUMN model TEXT COLLATE "C";
ALTER TABLE jobs ADD COLUMN voice TEXT COLLATE "C";

UPDATE jobs SET
    model = NULLIF(left(CAST(body AS json) ->> 'model', 256), ''),
    voice = NULLIF(left(COALESCE(CAST(body AS json) ->> 'voice_id', CAST(body AS json) #>> '{request,voice_setting,voice_id}'),
                        256), '');

CREATE INDEX jobs_by_kind ON jobs (principal, kind, created_at DESC, id DESC);
CREATE INDEX jobs_by_status ON jobs (principal, status, created_at DESC, id DESC);
CREATE INDEX jobs_by_model ON jobs (principal, model, created_at DESC, id DESC) WHERE model IS NOT NULL;
CREATE INDEX jobs_by_voice ON jobs (principal, voice, created_at DESC, id DESC) WHERE voice IS NOT NULL;
CREATE INDEX spending_by_principal ON spending (principal, created_at);
