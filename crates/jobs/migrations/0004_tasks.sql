-- MiniMax may give two orders the same task id. Both are paid for, so both are kept.
DROP INDEX jobs_by_task;
CREATE INDEX jobs_by_task ON jobs (principal, account, task_id) WHERE task_id IS NOT NULL;
