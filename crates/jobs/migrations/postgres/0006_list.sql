-- A page of jobs of one kind and status comes from one index, also where the two go together and the planner cannot know it. It
-- takes the place of the index of the counts.
CREATE INDEX jobs_by_kind_and_status ON jobs (kind, status, principal, created_at DESC, id DESC);
DROP INDEX jobs_by_standing;
