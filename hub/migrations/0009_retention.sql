-- Retention and audit (design 3.2, 3.4): what outlives rows that were pruned, and how far streams were pruned and looked at.

-- What pruned facts did, by who wrote them: to the cached stock (on_hand), and to the writer's own levels (the others). Together
-- with the facts that are still here it gives every sum.
CREATE TABLE opening (
  replica INTEGER NOT NULL REFERENCES replica (id),
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  on_hand INTEGER NOT NULL,
  received INTEGER NOT NULL,
  issued INTEGER NOT NULL,
  picked INTEGER NOT NULL,
  PRIMARY KEY (replica, sku, location)
) STRICT, WITHOUT ROWID;

-- The last receipt number of a series that was pruned.
CREATE TABLE opening_receipt (
  till_id TEXT NOT NULL,
  series TEXT NOT NULL,
  last_n INTEGER NOT NULL,
  PRIMARY KEY (till_id, series)
) STRICT, WITHOUT ROWID;

-- Keys of pruned facts: what repeats one is known by it. `said` is what is left to answer, JSON.
CREATE TABLE pruned_key (
  entity TEXT NOT NULL,
  key TEXT NOT NULL,
  content_hash BLOB NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  pruned_ms INTEGER NOT NULL,
  said TEXT NOT NULL,
  PRIMARY KEY (entity, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX pruned_key_age ON pruned_key (pruned_ms);

-- Up to where the rows of a log are no more here, and its digest there.
CREATE TABLE floor (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  last INTEGER NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY (replica, stream)
) STRICT, WITHOUT ROWID;

-- How far the required peer held a stream on that day. One that was restored, and holds less, has not held the rest for long.
CREATE TABLE ack_mark (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  noted_ms INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (replica, stream, noted_ms)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER ack_fell_back AFTER UPDATE OF last ON acked WHEN NEW.last < OLD.last AND NEW.peer = 'cloud' BEGIN
  UPDATE ack_mark SET last = NEW.last WHERE replica = NEW.replica AND stream = NEW.stream AND last > NEW.last;
END;

-- Rows (after, last] of another's log that nobody could send any more.
CREATE TABLE hole (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  after INTEGER NOT NULL,
  last INTEGER NOT NULL,
  noted_ms INTEGER NOT NULL,
  PRIMARY KEY (replica, stream, last)
) STRICT, WITHOUT ROWID;

-- Local: what is done by itself once a day, when it was done last, how often, and what it found.
CREATE TABLE upkeep (
  task TEXT PRIMARY KEY,
  done_ms INTEGER NOT NULL,
  n INTEGER NOT NULL,
  found INTEGER NOT NULL,
  said TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Local: how far a log was compared with the peer.
CREATE TABLE audited (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (replica, stream)
) STRICT, WITHOUT ROWID;

CREATE INDEX print_job_ended ON print_job (changed_ms) WHERE state IN ('printed', 'failed', 'unknown');
