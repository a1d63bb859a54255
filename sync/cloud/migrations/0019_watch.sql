-- What each life of a store's hub has said of itself last: version, copies, what waits there. `said` is JSON as it came.
CREATE TABLE hub_status (
  rep TEXT PRIMARY KEY,
  store TEXT NOT NULL,
  said BLOB NOT NULL,
  said_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX hub_status_store ON hub_status (store);
