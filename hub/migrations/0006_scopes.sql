-- Scopes (design 3.4): what of the cloud's streams this store gets. A row that has left its scope is kept, gone = 1 and its seq
-- negated: it is in no stream any more, and comes back with a put of the same version.

-- Register, stream 'branch_levels'. What lies at the other branches, and since when that is known. Summed by the cloud from their levels.
CREATE TABLE branch_level (
  sku TEXT NOT NULL,
  store TEXT NOT NULL,
  location TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  on_hand INTEGER NOT NULL,
  as_of_ms INTEGER NOT NULL,
  PRIMARY KEY (sku, store, location),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;

-- The scope of each stream that is received now. `is_whole` once its snapshot has been; until then `keeps_seen` says that it replaces
-- another one, whose rows leave unless they have been seen in it: (walk_entity, walk_key) is how far they were looked through.
-- `has_left` once anything has left.
CREATE TABLE scope (
  base TEXT PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  is_whole INTEGER NOT NULL CHECK (is_whole IN (0, 1)),
  keeps_seen INTEGER NOT NULL CHECK (keeps_seen IN (0, 1)),
  has_left INTEGER NOT NULL CHECK (has_left IN (0, 1)),
  walk_entity TEXT NOT NULL DEFAULT '',
  walk_key TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE TABLE scope_seen (
  base TEXT NOT NULL,
  entity TEXT NOT NULL,
  key TEXT NOT NULL,
  PRIMARY KEY (base, entity, key)
) STRICT, WITHOUT ROWID;

-- The other sizes and colours of a style.
CREATE INDEX product_style ON product (style) WHERE style IS NOT NULL;

-- An earlier version kept rows of scopes unread: they are sent again.
DELETE FROM unknown_row WHERE instr(stream, '@') > 1;
DELETE FROM received WHERE instr(stream, '@') > 1;
