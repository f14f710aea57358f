-- One row a process: until when it lives, unless it says so again. A job is leased to the process in `lease_owner` while that
-- one lives, so many jobs need one write. 0 means that the process has handed over its jobs.
CREATE TABLE processes (
    name        TEXT COLLATE "C" PRIMARY KEY,
    alive_until BIGINT NOT NULL
);

INSERT INTO processes (name, alive_until)
SELECT lease_owner, max(lease_until) FROM jobs WHERE is_open = 1 AND lease_owner IS NOT NULL GROUP BY lease_owner;

CREATE INDEX jobs_by_process ON jobs (lease_owner, account) WHERE is_open = 1;

-- One row a rate limit: what all servers together have sent lately, as JSON.
CREATE TABLE rate_limits (
    account TEXT COLLATE "C" NOT NULL,
    name    TEXT COLLATE "C" NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (account, name)
);
