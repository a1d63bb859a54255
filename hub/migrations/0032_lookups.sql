-- Words to search by, with an index of their beginnings up to four signs: a beginning that many products have is read in their order,
-- and not gathered first from all words that begin so. 7 MiB of it for 200,000 products. The version before reads and writes it too.
CREATE VIRTUAL TABLE product_text_new
  USING fts5 (words, tokenize = 'unicode61 remove_diacritics 2', detail = 'none', prefix = '1 2 3 4');
INSERT INTO product_text_new (rowid, words) SELECT rowid, words FROM product_text;
DROP TABLE product_text;
ALTER TABLE product_text_new RENAME TO product_text;
-- The words themselves, read out of that index: which ones begin with what is longer.
CREATE VIRTUAL TABLE product_text_word USING fts5vocab (product_text, instance);

-- Local to this hub: which promotions stand, as a word that is new whenever one of them changes. What was read of them is kept by it.
CREATE TABLE promotion_version (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  version TEXT NOT NULL
) STRICT;
INSERT INTO promotion_version (one, version) VALUES (1, hex(randomblob(8)));
CREATE TRIGGER promotion_came AFTER INSERT ON promotion BEGIN
  UPDATE promotion_version SET version = hex(randomblob(8));
END;
CREATE TRIGGER promotion_changed AFTER UPDATE ON promotion BEGIN
  UPDATE promotion_version SET version = hex(randomblob(8));
END;
CREATE TRIGGER promotion_left AFTER DELETE ON promotion BEGIN
  UPDATE promotion_version SET version = hex(randomblob(8));
END;
