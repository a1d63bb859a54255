-- Orders as head office sees them (design 3.3): the order, what its steps have come to, whose name is on it until it is closed.
CREATE TABLE web_order (
  order_id TEXT PRIMARY KEY,
  store TEXT NOT NULL,
  state TEXT NOT NULL,
  body BLOB NOT NULL,
  label BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX web_order_state ON web_order (state, order_id);
CREATE TABLE web_order_step (
  step_id TEXT PRIMARY KEY,
  order_id TEXT NOT NULL,
  rep TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX web_order_step_order_id ON web_order_step (order_id);
CREATE TABLE web_order_request (
  request_id TEXT PRIMARY KEY,
  order_id TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX web_order_request_order_id ON web_order_request (order_id);
