-- What mosquitto's password file says of a device's token; only of clients that were paired since.
ALTER TABLE till ADD COLUMN mqtt_hash TEXT;
-- Phones that Wi-Fi probes heard at a place in an hour, of this hub only. `heard` has a bit for each quarter hour with a report.
CREATE TABLE probe_hour (
  place TEXT NOT NULL,
  hour_ms INTEGER NOT NULL,
  date TEXT NOT NULL,
  steady INTEGER NOT NULL,
  randomised INTEGER NOT NULL,
  heard INTEGER NOT NULL,
  PRIMARY KEY (place, hour_ms)
) STRICT, WITHOUT ROWID;
-- The same in a trading day. `salts` were used in it: one, and one more for each start of the hub, after which a phone is another.
CREATE TABLE probe_day (
  place TEXT NOT NULL,
  date TEXT NOT NULL,
  steady INTEGER NOT NULL,
  randomised INTEGER NOT NULL,
  salts INTEGER NOT NULL,
  PRIMARY KEY (place, date)
) STRICT, WITHOUT ROWID;
