-- Fact, stream 'trail'. Who did what to what, and the reason that was given. No customer stands in it.
CREATE TABLE trail (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  entry_id TEXT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (entry_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX trail_actor ON trail (actor);
CREATE INDEX trail_subject ON trail (subject);
CREATE INDEX trail_at_ms ON trail (at_ms);
-- Fact, stream 'cashiers'. A cashier as a change has made them: name, number, role, the PIN's hash. Which change stands: sync.retail.cashiers.
CREATE TABLE cashier_version (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  change_id TEXT NOT NULL,
  cashier_id TEXT NOT NULL,
  number TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (change_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX cashier_version_cashier_id ON cashier_version (cashier_id);
CREATE INDEX cashier_version_number ON cashier_version (number);
-- The keys by which PINs are hashed: of this store's hubs alone, in no stream.
CREATE TABLE pin_key (
  key_id TEXT PRIMARY KEY,
  secret TEXT NOT NULL,
  made_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Wrong PINs since the last right one, of a cashier and of a till; at this hub only.
CREATE TABLE pin_guess (
  who TEXT PRIMARY KEY,
  wrong INTEGER NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Who is signed in at a till.
CREATE TABLE sign_in (
  till_id TEXT PRIMARY KEY,
  token_hash BLOB NOT NULL,
  cashier_id TEXT NOT NULL,
  expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Approvals of one deed at one till, single use; what stays of them is in the trail.
CREATE TABLE approval (
  approval_id TEXT PRIMARY KEY,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  till_id TEXT NOT NULL,
  given_by TEXT NOT NULL,
  role TEXT NOT NULL,
  expires_ms INTEGER NOT NULL,
  taken_ms INTEGER
) STRICT, WITHOUT ROWID;
