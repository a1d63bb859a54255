-- People of all channels (design 3.3, Member), worked out of rows that stores and head office have written.
CREATE TABLE person_member (
  member_id TEXT PRIMARY KEY,
  person_id TEXT NOT NULL,
  is_known INTEGER NOT NULL CHECK (is_known IN (0, 1)),
  tier TEXT NOT NULL,
  birth_month INTEGER NOT NULL,
  language TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX person_member_person ON person_member (person_id);
CREATE TABLE person_identity (
  identity_id TEXT PRIMARY KEY,
  member_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX person_identity_hash ON person_identity (hash, kind);
CREATE INDEX person_identity_member ON person_identity (member_id);
CREATE TABLE person_link (
  link_id TEXT PRIMARY KEY,
  a TEXT NOT NULL,
  b TEXT NOT NULL,
  evidence TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX person_link_a ON person_link (a);
CREATE INDEX person_link_b ON person_link (b);
CREATE TABLE person_undo (
  what TEXT NOT NULL,
  undone TEXT NOT NULL,
  PRIMARY KEY (what, undone)
) STRICT, WITHOUT ROWID;
CREATE TABLE person_consent (
  consent_id TEXT PRIMARY KEY,
  member_id TEXT NOT NULL,
  store TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX person_consent_member ON person_consent (member_id);

-- Entries of points that name a member, by the fact that has them.
CREATE TABLE person_points (
  stream TEXT NOT NULL,
  n INTEGER NOT NULL,
  member_id TEXT NOT NULL,
  store TEXT NOT NULL,
  points INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (stream, n, member_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX person_points_member ON person_points (member_id);

-- What members have bought, in shops (channel 'store') and elsewhere; what came back is noted on it whatever came first.
CREATE TABLE purchase (
  channel TEXT NOT NULL,
  purchase_id TEXT NOT NULL,
  member_id TEXT NOT NULL,
  store TEXT NOT NULL,
  city TEXT NOT NULL,
  currency TEXT NOT NULL,
  amount INTEGER NOT NULL,
  refunded INTEGER NOT NULL,
  is_kept INTEGER NOT NULL CHECK (is_kept IN (0, 1)),
  bought_ms INTEGER NOT NULL,
  PRIMARY KEY (channel, purchase_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX purchase_member ON purchase (member_id);
CREATE TABLE purchase_line (
  channel TEXT NOT NULL,
  purchase_id TEXT NOT NULL,
  line INTEGER NOT NULL,
  sku TEXT NOT NULL,
  qty INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  back_qty INTEGER NOT NULL,
  back_amount INTEGER NOT NULL,
  PRIMARY KEY (channel, purchase_id, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX purchase_line_sku ON purchase_line (sku);
CREATE TABLE purchase_back (
  channel TEXT NOT NULL,
  purchase_id TEXT NOT NULL,
  return_id TEXT NOT NULL,
  line INTEGER NOT NULL,
  qty INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY (channel, purchase_id, return_id, line)
) STRICT, WITHOUT ROWID;

-- Members whom head office or a channel has enrolled: near which store, '' for all that share members. What the cloud has said
-- of people, and of whom: the facts that a region gets.
CREATE TABLE web_member (
  member_id TEXT PRIMARY KEY,
  store TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE web_fact (
  n INTEGER PRIMARY KEY,
  member_id TEXT NOT NULL,
  other TEXT NOT NULL
) STRICT;

-- Who may be one person and waits for a person to decide; decided: joined or apart.
CREATE TABLE join_case (
  member_id TEXT NOT NULL,
  other TEXT NOT NULL,
  why TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'joined', 'apart')),
  opened_ms INTEGER NOT NULL,
  closed_ms INTEGER NOT NULL,
  PRIMARY KEY (member_id, other)
) STRICT, WITHOUT ROWID;
CREATE INDEX join_case_state ON join_case (state, opened_ms);

-- Tags: source '' by hand, else the segment that gives it.
CREATE TABLE member_tag (
  member_id TEXT NOT NULL,
  tag TEXT NOT NULL,
  source TEXT NOT NULL,
  tagged_ms INTEGER NOT NULL,
  PRIMARY KEY (member_id, tag, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_tag_tag ON member_tag (tag);

-- Serials that members were given, by a shop (its issue) or for a segment; serials that a purchase redeemed.
CREATE TABLE person_coupon (
  serial TEXT NOT NULL,
  member_id TEXT NOT NULL,
  given_by TEXT NOT NULL,
  given_ms INTEGER NOT NULL,
  PRIMARY KEY (serial, member_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX person_coupon_member ON person_coupon (member_id);
CREATE TABLE purchase_coupon (
  channel TEXT NOT NULL,
  purchase_id TEXT NOT NULL,
  serial TEXT NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY (channel, purchase_id, serial)
) STRICT, WITHOUT ROWID;
