-- An idempotency key buys once at a host, whichever key of the account pays, so it is looked for without the account.
CREATE INDEX jobs_by_idempotency_key ON jobs (principal, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX removed_jobs_by_idempotency_key ON removed_jobs (principal, idempotency_key) WHERE idempotency_key IS NOT NULL;
DROP INDEX removed_jobs_by_key;
