-- Webhooks: who is told of which rows at which address, how far they are, and what they would not take. A secret stands here as it
-- is, because it signs; nobody is shown it again. `worker` serves it until `worker_until_ms`: two workers tell nobody twice.
CREATE TABLE webhook (
  name TEXT PRIMARY KEY,
  url TEXT NOT NULL,
  streams TEXT NOT NULL,
  kinds TEXT NOT NULL,
  attempts_max INTEGER NOT NULL,
  secret TEXT NOT NULL,
  former_secret TEXT NOT NULL DEFAULT '',
  former_until_ms INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'disabled')),
  why TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0,
  next_ms INTEGER NOT NULL DEFAULT 0,
  dead_in_a_row INTEGER NOT NULL DEFAULT 0,
  worker TEXT NOT NULL DEFAULT '',
  worker_until_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE webhook_cursor (
  webhook TEXT NOT NULL REFERENCES webhook (name) ON DELETE CASCADE,
  stream TEXT NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (webhook, stream)
) STRICT, WITHOUT ROWID;

-- By the row's place, never by its content: who is erased is in no dead letter.
CREATE TABLE dead_letter (
  webhook TEXT NOT NULL REFERENCES webhook (name) ON DELETE CASCADE,
  message_id TEXT NOT NULL,
  stream TEXT NOT NULL,
  n INTEGER NOT NULL,
  kind TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  why TEXT NOT NULL,
  dead_ms INTEGER NOT NULL,
  is_due INTEGER NOT NULL DEFAULT 0 CHECK (is_due IN (0, 1)),
  PRIMARY KEY (webhook, message_id)
) STRICT, WITHOUT ROWID;
