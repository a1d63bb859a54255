-- Sales by the number on their receipt: a store asks for another's.
CREATE TABLE receipt (
  receipt_no TEXT NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (receipt_no, n)
) STRICT, WITHOUT ROWID;
INSERT INTO receipt (receipt_no, n)
SELECT json_extract(CAST(fact.body AS TEXT), '$.receipt_no'), fact.n
FROM fact JOIN feed ON feed.id = fact.stream
WHERE feed.stream = 'sales' AND json_valid(CAST(fact.body AS TEXT))
  AND json_type(CAST(fact.body AS TEXT), '$.receipt_no') = 'text';
