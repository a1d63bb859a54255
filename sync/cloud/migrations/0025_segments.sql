-- Segments: every version of a declared filter, and who is in one since when, until when (0: still).
CREATE TABLE segment (
  segment TEXT NOT NULL,
  version INTEGER NOT NULL,
  body BLOB NOT NULL,
  made_ms INTEGER NOT NULL,
  PRIMARY KEY (segment, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE segment_run (
  segment TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  run_ms INTEGER NOT NULL,
  count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE segment_member (
  segment TEXT NOT NULL,
  person_id TEXT NOT NULL,
  entered_ms INTEGER NOT NULL,
  version INTEGER NOT NULL,
  left_ms INTEGER NOT NULL,
  PRIMARY KEY (segment, person_id, entered_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX segment_member_person ON segment_member (person_id);
