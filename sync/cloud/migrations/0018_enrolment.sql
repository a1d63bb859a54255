-- One-time codes by which a store's hub is enrolled; only hashes are kept. A store has one open code: a newer one replaces it.
CREATE TABLE enrolment (
  code_hash BLOB PRIMARY KEY,
  store TEXT NOT NULL,
  made_ms INTEGER NOT NULL,
  ends_ms INTEGER NOT NULL,
  spent_ms INTEGER,
  token_hash BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX enrolment_store ON enrolment (store);

-- Tokens of stores that were given out, or ended, at run time, beside those of the configuration. `replaces` is the token that
-- ends when this one is first used; one that was ended stays here, so that it is refused for ever.
CREATE TABLE store_token (
  token_hash BLOB PRIMARY KEY,
  store TEXT NOT NULL,
  name TEXT NOT NULL,
  made_ms INTEGER NOT NULL,
  replaces BLOB,
  revoked_ms INTEGER,
  why TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX store_token_store ON store_token (store);
CREATE INDEX store_token_revoked ON store_token (revoked_ms);
