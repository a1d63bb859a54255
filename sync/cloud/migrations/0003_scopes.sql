-- Scopes (design 3.4): what of a stream which stores get, each as a stream of its own. A definition that nobody has any more loses
-- its rows; should it come back, it is another scope (`generation`), because what has left it meanwhile is not known.
-- `last` is the seq of its newest row. A store's own scope has no definition.
CREATE TABLE scope (
  id INTEGER PRIMARY KEY,
  base TEXT NOT NULL,
  stream TEXT NOT NULL UNIQUE,
  definition TEXT NOT NULL,
  generation INTEGER NOT NULL,
  last INTEGER NOT NULL,
  is_served INTEGER NOT NULL CHECK (is_served IN (0, 1))
) STRICT;
CREATE INDEX scope_base ON scope (base, definition);

CREATE TABLE scope_of (
  store TEXT NOT NULL,
  base TEXT NOT NULL,
  scope INTEGER NOT NULL REFERENCES scope (id),
  PRIMARY KEY (store, base)
) STRICT, WITHOUT ROWID;

-- The rows of a scope, the newest of each key. `body` is what travels; NULL where that is the catalogue's own row (entity, key).
CREATE TABLE scope_row (
  scope INTEGER NOT NULL,
  entity TEXT NOT NULL,
  key TEXT NOT NULL,
  seq INTEGER NOT NULL,
  digest BLOB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('put', 'gone', 'whole')),
  body BLOB,
  PRIMARY KEY (scope, entity, key),
  UNIQUE (scope, seq)
) STRICT, WITHOUT ROWID;

-- Levels that have changed since they were summed up for other branches; many changes of one level are one.
CREATE TABLE level_changed (
  store TEXT NOT NULL,
  key TEXT NOT NULL,
  received_ms INTEGER NOT NULL,
  PRIMARY KEY (store, key)
) STRICT, WITHOUT ROWID;
