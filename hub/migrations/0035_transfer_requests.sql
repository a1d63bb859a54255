-- Register, stream 'transfer_requests'. Goods that head office asks a branch to send to another one.
CREATE TABLE transfer_request (
  request_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  store TEXT NOT NULL,
  receiver TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'withdrawn', 'done')),
  lines TEXT NOT NULL,
  asked_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL,
  note TEXT NOT NULL,
  PRIMARY KEY (request_id),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX transfer_request_state ON transfer_request (state);
-- Fact, stream 'transfers'. A branch does not send what head office asked it for, and why.
CREATE TABLE transfer_refusal (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  refusal_id TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (refusal_id),
  UNIQUE (replica, seq)
) STRICT;
