-- Local to this hub: what each configured device was when it was last found, and which of them another device stands in for.
CREATE TABLE device_seen (
  device_id TEXT PRIMARY KEY,
  attached TEXT NOT NULL,
  seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE device_take_over (
  device_id TEXT PRIMARY KEY,
  instead_of TEXT NOT NULL,
  usb TEXT NOT NULL,
  taken_by TEXT NOT NULL,
  taken_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
