-- What mosquitto's password file says of a device's token; only of clients that were paired since.
ALTER TABLE till ADD COLUMN mqtt_hash TEXT;
-- Wi-Fi probes, of this hub only: what one quarter hour at a place came to. No address and no hash of one is stored.
CREATE TABLE probe_window (
  place TEXT NOT NULL,
  quarter_ms INTEGER NOT NULL,
  date TEXT NOT NULL,
  steady INTEGER NOT NULL,
  randomised INTEGER NOT NULL,
  sightings INTEGER NOT NULL,
  PRIMARY KEY (place, quarter_ms)
) STRICT, WITHOUT ROWID;
-- A probe's day at a place: phones told apart under that day's salt, and how much of the day the probe was heard.
CREATE TABLE probe_day (
  place TEXT NOT NULL,
  date TEXT NOT NULL,
  steady INTEGER NOT NULL,
  randomised INTEGER NOT NULL,
  new_salts INTEGER NOT NULL,
  PRIMARY KEY (place, date)
) STRICT, WITHOUT ROWID;
