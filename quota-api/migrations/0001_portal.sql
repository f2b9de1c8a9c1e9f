-- Applications that are not yet submitted; what is submitted is an object in the cluster.
CREATE TABLE drafts (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  body TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  changed_ms BIGINT NOT NULL,
  -- Name of the Application object once it was submitted.
  application TEXT
);
CREATE INDEX drafts_by_owner ON drafts (owner, changed_ms);

-- Files beside a draft or an application: private, only their digests are in the cluster.
CREATE TABLE attachments (
  id TEXT PRIMARY KEY,
  draft TEXT NOT NULL REFERENCES drafts (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  media_type TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  bytes BIGINT NOT NULL,
  content BYTEA NOT NULL,
  created_ms BIGINT NOT NULL
);
CREATE INDEX attachments_by_draft ON attachments (draft);
