-- Fact, stream 'orders'. What was ordered: lines, of what kind, until when.
CREATE TABLE shop_order (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  order_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('click_and_collect', 'ship_from_store', 'home_delivery')),
  body TEXT NOT NULL,
  UNIQUE (order_id),
  UNIQUE (replica, seq)
) STRICT;
-- Fact, stream 'order_steps'. A step that an order's owner took.
CREATE TABLE order_step (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  step_id TEXT NOT NULL,
  order_id TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('created', 'allocated', 'picking', 'ready', 'expired', 'cancelled', 'shipped', 'collected')),
  told_id TEXT,
  request_id TEXT,
  body TEXT NOT NULL,
  UNIQUE (step_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX order_step_order_id ON order_step (order_id);
CREATE INDEX order_step_told_id ON order_step (told_id);
CREATE INDEX order_step_request_id ON order_step (request_id);
-- Fact, stream 'order_requests'. Somebody who does not own an order wants it in a state.
CREATE TABLE order_request (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  order_id TEXT NOT NULL,
  wants TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (request_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX order_request_order_id ON order_request (order_id);
-- Register, stream 'order_labels'. As little of the customer as an order's label needs.
CREATE TABLE order_label (
  order_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  name TEXT NOT NULL,
  address TEXT NOT NULL,
  PRIMARY KEY (order_id),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX order_step_state ON order_step (state, order_id);

-- Orders that no step has closed: a shop has some dozens of them among all that it ever had. Local to this hub.
CREATE TABLE open_order (
  order_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TRIGGER order_came AFTER INSERT ON shop_order WHEN NOT EXISTS (
  SELECT 1 FROM order_step WHERE order_id = NEW.order_id AND state IN ('collected', 'shipped', 'cancelled', 'expired')
) BEGIN
  INSERT INTO open_order (order_id) VALUES (NEW.order_id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER order_ended AFTER INSERT ON order_step WHEN NEW.state IN ('collected', 'shipped', 'cancelled', 'expired') BEGIN
  DELETE FROM open_order WHERE order_id = NEW.order_id;
END;

-- What was scanned for an order, and wrong hand-over codes. Local to this hub: what is picked goes with the step to ready.
CREATE TABLE order_scan (
  scan_id TEXT PRIMARY KEY,
  order_id TEXT NOT NULL,
  sku TEXT NOT NULL,
  qty INTEGER NOT NULL,
  till_id TEXT NOT NULL,
  scanned_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE order_scan_line (
  scan_id TEXT NOT NULL REFERENCES order_scan (scan_id),
  order_id TEXT NOT NULL,
  line INTEGER NOT NULL,
  qty INTEGER NOT NULL,
  PRIMARY KEY (order_id, line, scan_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE order_guess (
  order_id TEXT PRIMARY KEY,
  wrong INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
