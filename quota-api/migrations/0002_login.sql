-- Logins that have begun and not ended. Nothing here lets anybody in: the browser's cookie and the provider's code are missing.
CREATE TABLE login_attempts (
  -- SHA-256 of the cookie that binds the login to the browser that began it.
  binding TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  -- SHA-256 of the state in the browser's address.
  state TEXT NOT NULL,
  nonce TEXT NOT NULL,
  verifier TEXT NOT NULL,
  return_to TEXT NOT NULL,
  expires_ms BIGINT NOT NULL
);
CREATE INDEX login_attempts_by_expiry ON login_attempts (expires_ms);

CREATE TABLE sessions (
  -- SHA-256 of the cookie, or of what kubectl renews its token with.
  id TEXT PRIMARY KEY,
  -- Name for the person's own list; opens nothing.
  handle TEXT NOT NULL UNIQUE,
  -- browser or kubectl.
  kind TEXT NOT NULL,
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  -- The provider's name for its own session, by which it ends ours.
  sid TEXT,
  principal TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  seen_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  -- Id before the last renewal: who shows it again has stolen it, or was robbed.
  replaced TEXT,
  -- Device codes typed in it that do not exist.
  misses BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX sessions_by_person ON sessions (issuer, subject, sid);
CREATE INDEX sessions_by_expiry ON sessions (expires_ms);
CREATE INDEX sessions_by_replaced ON sessions (replaced);

-- Logout tokens that were obeyed, until they expire: none is obeyed twice.
CREATE TABLE logout_tokens (
  -- SHA-256 of issuer and jti.
  id TEXT PRIMARY KEY,
  expires_ms BIGINT NOT NULL
);
CREATE INDEX logout_tokens_by_expiry ON logout_tokens (expires_ms);

-- Keys by which the API server knows our tokens.
CREATE TABLE signing_keys (
  id TEXT PRIMARY KEY,
  -- PKCS#8, hexadecimal.
  private TEXT NOT NULL,
  created_ms BIGINT NOT NULL
);

-- kubectl on its way in (RFC 8628).
CREATE TABLE device_grants (
  -- SHA-256 of the device code.
  id TEXT PRIMARY KEY,
  user_code TEXT NOT NULL UNIQUE,
  -- waiting, approved or denied.
  state TEXT NOT NULL,
  principal TEXT,
  sid TEXT,
  -- When the session from which it was approved ends.
  until_ms BIGINT,
  polled_ms BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL
);
CREATE INDEX device_grants_by_expiry ON device_grants (expires_ms);

-- People of a provider that lets in anybody, who ask to be let in here.
CREATE TABLE guests (
  user_name TEXT PRIMARY KEY,
  shown_name TEXT NOT NULL,
  email TEXT,
  reason TEXT NOT NULL,
  -- asked, approved or refused.
  state TEXT NOT NULL,
  asked_ms BIGINT NOT NULL,
  decided_by TEXT,
  decision TEXT,
  decided_ms BIGINT
);
CREATE INDEX guests_by_state ON guests (state, asked_ms);
