-- Keys by which programs act for a person. The key itself is shown once and kept by nobody here.
CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  -- SHA-256 of the key, in hexadecimal.
  hash TEXT NOT NULL UNIQUE,
  -- The person's name in the cluster.
  owner TEXT NOT NULL,
  -- The person with groups, as of the last login.
  person TEXT NOT NULL,
  label TEXT NOT NULL,
  -- 'read' or 'submit'.
  scope TEXT NOT NULL,
  -- NULL: all projects of the person.
  project TEXT,
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  used_ms BIGINT,
  revoked_ms BIGINT
);
CREATE INDEX api_keys_by_owner ON api_keys (owner, created_ms);

-- Jobs that people submitted. One that the cluster did not take, because it did not answer, is kept here until it is sent
-- again or discarded.
CREATE TABLE submissions (
  -- Made with the form.
  token TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  project TEXT NOT NULL,
  name TEXT NOT NULL,
  -- The form as it was typed, as JSON.
  form TEXT NOT NULL,
  -- The objects, as JSON.
  objects TEXT NOT NULL,
  -- 'pending', 'sent' or 'refused'.
  state TEXT NOT NULL,
  -- Why it was refused.
  message TEXT,
  created_ms BIGINT NOT NULL,
  changed_ms BIGINT NOT NULL
);
CREATE INDEX submissions_by_owner ON submissions (owner, state, changed_ms);
