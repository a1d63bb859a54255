-- Coupons for a segment: one serial of a batch for each person, granted to the store of most purchases. `after_person`: how far
-- the segment was gone through.
CREATE TABLE segment_issue (
  issue_id TEXT PRIMARY KEY,
  body BLOB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('running', 'done', 'budget', 'batch_empty')),
  after_person TEXT NOT NULL,
  given INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  made_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE segment_coupon (
  batch_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  issue_id TEXT NOT NULL,
  person_id TEXT NOT NULL,
  serial TEXT NOT NULL,
  store TEXT NOT NULL,
  PRIMARY KEY (batch_id, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX segment_coupon_person ON segment_coupon (issue_id, person_id);

-- Messages: at most one of a campaign to a person. No address and no text stands here.
CREATE TABLE campaign (
  campaign_id TEXT PRIMARY KEY,
  body BLOB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queueing', 'running', 'stopped', 'quota', 'done')),
  after_person TEXT NOT NULL,
  made_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE message (
  campaign_id TEXT NOT NULL,
  person_id TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'claimed', 'sent', 'failed', 'refused', 'unknown')),
  why TEXT NOT NULL,
  retry_key TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  claimed_ms INTEGER NOT NULL,
  not_before_ms INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  PRIMARY KEY (campaign_id, person_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_state ON message (state, not_before_ms);
CREATE INDEX message_retry_key ON message (retry_key);
CREATE INDEX message_person ON message (person_id);
