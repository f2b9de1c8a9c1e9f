-- Where people are told of their applications: the address that their provider has verified, as of their last visit.
CREATE TABLE contacts (
  person TEXT PRIMARY KEY,
  address TEXT NOT NULL,
  language TEXT NOT NULL,
  changed_ms BIGINT NOT NULL
);

-- What is to be told, once each: the id says of what and to whom.
CREATE TABLE notices (
  id TEXT PRIMARY KEY,
  application TEXT NOT NULL,
  event TEXT NOT NULL,
  way TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  -- When it may be tried next; a server that tries it moves this on first, so that two do not send it at once.
  next_ms BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  sent_ms BIGINT,
  -- Why the last attempt failed.
  fault TEXT
);
CREATE INDEX notices_due ON notices (sent_ms, next_ms);
