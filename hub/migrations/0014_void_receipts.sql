-- Receipt numbers of sales that gave way to another hub's row and that nobody else has seen: their life has ended, the number is void.
CREATE TABLE void_receipt (
  receipt_no TEXT PRIMARY KEY,
  sale_id TEXT NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id)
) STRICT, WITHOUT ROWID;
