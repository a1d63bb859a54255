-- Members: identities as keyed hashes, links, consents, points; what is kept here alone to find a member and to answer again.

-- Fact, stream 'people'. What a member has agreed to, or not.
CREATE TABLE consent (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  consent_id TEXT NOT NULL,
  member_id TEXT NOT NULL,
  purpose TEXT NOT NULL CHECK (purpose IN ('marketing', 'profile')),
  choice TEXT NOT NULL CHECK (choice IN ('in', 'out')),
  body TEXT NOT NULL,
  UNIQUE (consent_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX consent_member_id ON consent (member_id);
-- Fact, stream 'people'. What a member is known by, as a keyed hash.
CREATE TABLE identity (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  identity_id TEXT NOT NULL,
  member_id TEXT NOT NULL,
  of TEXT NOT NULL,
  hash TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (identity_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX identity_member_id ON identity (member_id);
-- A look-up finds all that it needs here: among half a million members the row itself would be four more pages.
CREATE INDEX identity_found ON identity (hash, of, member_id, identity_id);
-- Register, stream 'identity_keys'. A key under which identities are hashed.
CREATE TABLE identity_key (
  key_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  secret TEXT NOT NULL,
  is_chains INTEGER NOT NULL CHECK (is_chains IN (0, 1)),
  begun_ms INTEGER NOT NULL,
  PRIMARY KEY (key_id),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
-- Fact, stream 'people'. Two members are one person.
CREATE TABLE member_link (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  link_id TEXT NOT NULL,
  a TEXT NOT NULL,
  b TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (link_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX member_link_a ON member_link (a);
CREATE INDEX member_link_b ON member_link (b);
-- Fact, stream 'people'. An identity or a link was taken back.
CREATE TABLE member_undo (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  undo_id TEXT NOT NULL,
  what TEXT NOT NULL CHECK (what IN ('identity', 'link')),
  undone TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (undo_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX member_undo_undone ON member_undo (undone);
-- Register, stream 'member_points'. What a member has earned and burned in another store. Summed by the cloud from its facts.
CREATE TABLE member_points (
  member_id TEXT NOT NULL,
  store TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  points INTEGER NOT NULL,
  PRIMARY KEY (member_id, store),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
-- Fact, stream 'points'. An entry of a member's points that is no sale and no return.
CREATE TABLE points_entry (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  entry_id TEXT NOT NULL,
  reason TEXT NOT NULL CHECK (reason IN ('earn', 'burn', 'return', 'adjust')),
  body TEXT NOT NULL,
  UNIQUE (entry_id),
  UNIQUE (replica, seq)
) STRICT;

-- What a request about a member has done, so that it is answered the same again; the hash is keyed, and goes with the member.
CREATE TABLE member_write (
  write_id TEXT PRIMARY KEY,
  what TEXT NOT NULL,
  member_id TEXT NOT NULL,
  content_hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX member_write_member_id ON member_write (member_id);

-- Members that are not erased, and the words that a manager finds them by. A tree, not FTS5: a word that is deleted there stays in the
-- file until segments merge.
CREATE TABLE member_known (
  id INTEGER PRIMARY KEY,
  member_id TEXT NOT NULL UNIQUE,
  words TEXT NOT NULL
) STRICT;
CREATE TABLE member_word (
  word TEXT NOT NULL,
  id INTEGER NOT NULL REFERENCES member_known (id),
  PRIMARY KEY (word, id)
) STRICT, WITHOUT ROWID;

-- Who was erased; the list beside the database follows.
CREATE TABLE erased_member (
  member_id TEXT PRIMARY KEY,
  is_listed INTEGER NOT NULL CHECK (is_listed IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX erased_member_unlisted ON erased_member (is_listed) WHERE is_listed = 0;

-- A member's points: the sum of effects of all facts that count here, changed in their transactions.
CREATE TABLE point_balance (
  member_id TEXT PRIMARY KEY,
  points INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Points that were burned here without a line, by fact: the cap of a day, and what the cloud has not confirmed yet.
CREATE TABLE point_burn (
  entity TEXT NOT NULL,
  key TEXT NOT NULL,
  member_id TEXT NOT NULL,
  business_date TEXT NOT NULL,
  points INTEGER NOT NULL,
  burned_ms INTEGER NOT NULL,
  PRIMARY KEY (entity, key, member_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX point_burn_member ON point_burn (member_id, business_date);
