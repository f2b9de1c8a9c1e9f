-- Sums of samples of the pool, at four grains. A mean is a sum divided by `samples`, so that missing samples are seen and
-- never counted as zero.
CREATE TABLE use_history (
  grain TEXT NOT NULL,
  start_ms BIGINT NOT NULL,
  -- pool, member, class, purpose, organisation or country.
  scope TEXT NOT NULL,
  name TEXT NOT NULL,
  samples BIGINT NOT NULL,
  capacity_gpus BIGINT NOT NULL,
  guarantee_gpus BIGINT NOT NULL,
  guaranteed_gpus BIGINT NOT NULL,
  borrowed_gpus BIGINT NOT NULL,
  queued_claims BIGINT NOT NULL,
  queued_gpus BIGINT NOT NULL,
  most_used_gpus BIGINT NOT NULL,
  -- Samples in which a claim waited although its member's guarantee had room for it, and the GPUs of that room.
  missed_samples BIGINT NOT NULL,
  missed_gpus BIGINT NOT NULL,
  -- Samples in which nobody could tell.
  unmeasured_samples BIGINT NOT NULL,
  reclaiming_claims BIGINT NOT NULL,
  late_claims BIGINT NOT NULL,
  millijoules BIGINT NOT NULL,
  PRIMARY KEY (grain, scope, start_ms, name)
);

-- Which minutes were sampled, so that of several servers one samples each minute.
CREATE TABLE sampled (
  minute_ms BIGINT PRIMARY KEY
);

-- Every text of a treaty that was seen.
CREATE TABLE treaty_texts (
  uid TEXT NOT NULL,
  generation BIGINT NOT NULL,
  name TEXT NOT NULL,
  seen_ms BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (uid, generation)
);
CREATE INDEX treaty_texts_by_time ON treaty_texts (seen_ms);

CREATE TABLE incidents (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail TEXT NOT NULL,
  begun_ms BIGINT NOT NULL,
  -- 0 while it lasts.
  ended_ms BIGINT NOT NULL
);
CREATE INDEX incidents_by_time ON incidents (begun_ms);
CREATE INDEX incidents_that_last ON incidents (ended_ms);

-- How long claims waited that started in an hour: counts of claims by length class, from which percentiles of any
-- span follow.
CREATE TABLE wait_history (
  start_ms BIGINT NOT NULL,
  member TEXT NOT NULL,
  basis TEXT NOT NULL,
  at_most_seconds BIGINT NOT NULL,
  claims BIGINT NOT NULL,
  PRIMARY KEY (start_ms, member, basis, at_most_seconds)
);
