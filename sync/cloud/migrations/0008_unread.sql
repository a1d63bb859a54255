-- Rows of `fact` that nobody here can read, and which declarations have tried: a later version reads them when it opens the file.
CREATE TABLE unread (
  stream INTEGER NOT NULL,
  n INTEGER NOT NULL,
  tried TEXT NOT NULL,
  PRIMARY KEY (stream, n)
) STRICT, WITHOUT ROWID;
