-- Visitors (design 3.3, Footfall): what is kept of each people counter, and the quarter hours that it adds up to.

-- Local to this hub: a sensor's last reading and what it takes to know a message again. See sync.retail.visitors.footfall.Sensor.
CREATE TABLE footfall_sensor (
  sensor TEXT PRIMARY KEY,
  at_ms INTEGER,
  is_at_good INTEGER NOT NULL CHECK (is_at_good IN (0, 1)),
  boot TEXT,
  former_boots TEXT NOT NULL,
  in_total INTEGER,
  out_total INTEGER,
  delta_n INTEGER,
  delta_bits INTEGER NOT NULL,
  delta_ids TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Tallies, stream 'footfall': who came and left in a UTC quarter hour, by who wrote it; only grows. A row that changes takes a
-- new seq.
CREATE TABLE footfall (
  entrance TEXT NOT NULL,
  quarter_ms INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  entered INTEGER NOT NULL,
  exited INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (entrance, quarter_ms, replica),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX footfall_quarter ON footfall (quarter_ms);
