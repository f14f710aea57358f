-- How many jobs there are of each kind and status is asked every few seconds, wherever somebody keeps figures.
CREATE INDEX jobs_by_standing ON jobs (kind, status);
