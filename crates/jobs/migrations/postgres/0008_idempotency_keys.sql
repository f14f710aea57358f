-- An idempotency key buys once at a host, whichever of its keys pays, so it is looked for before the account.
CREATE INDEX jobs_by_idempotency_key ON jobs (principal, idempotency_key, account) WHERE idempotency_key IS NOT NULL;
CREATE INDEX removed_jobs_by_idempotency_key ON removed_jobs (principal, idempotency_key, account) WHERE idempotency_key IS NOT NULL;
DROP INDEX removed_jobs_by_key;
