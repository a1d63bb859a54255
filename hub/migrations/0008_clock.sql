-- Local: the hub's clock as it was saved last (docs/clock.md). Written with the stamps that it gave, else every few minutes.
CREATE TABLE clock (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  physical_ms INTEGER NOT NULL,
  logical INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  wall_ms INTEGER NOT NULL,
  trust INTEGER NOT NULL,
  contact_ms INTEGER NOT NULL,
  slack_ms INTEGER NOT NULL,
  source TEXT NOT NULL,
  since_ms INTEGER NOT NULL,
  boot TEXT NOT NULL,
  uptime_ms INTEGER NOT NULL
) STRICT;
