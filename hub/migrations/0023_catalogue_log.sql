-- In which order products and their prices last changed here, as a log that is only appended to: a price that comes costs one row
-- at the end and no search for the one before it. Numbers go on where they were, so that the copies that tills have stay good.
DROP TRIGGER product_came;
DROP TRIGGER product_changed;
DROP TRIGGER price_came;
DROP TRIGGER price_changed;
DROP TRIGGER price_left;
ALTER TABLE catalogue_change RENAME TO catalogue_change_before;
CREATE TABLE catalogue_change (
  at INTEGER PRIMARY KEY,
  product INTEGER NOT NULL
) STRICT;
INSERT INTO catalogue_change (at, product) SELECT at, product FROM catalogue_change_before ORDER BY at;
DROP TABLE catalogue_change_before;

-- Whoever writes: the shop itself, rows of the cloud in bulk, a scope that changes. A price that comes before its product is told with it.
CREATE TRIGGER product_came AFTER INSERT ON product BEGIN
  INSERT INTO catalogue_change (product) VALUES (NEW.id);
END;
CREATE TRIGGER product_changed AFTER UPDATE ON product BEGIN
  INSERT INTO catalogue_change (product) VALUES (NEW.id);
END;
CREATE TRIGGER price_came AFTER INSERT ON price BEGIN
  INSERT INTO catalogue_change (product) SELECT id FROM product WHERE sku = NEW.sku;
END;
CREATE TRIGGER price_changed AFTER UPDATE ON price BEGIN
  INSERT INTO catalogue_change (product) SELECT id FROM product WHERE sku = NEW.sku;
END;
CREATE TRIGGER price_left AFTER DELETE ON price BEGIN
  INSERT INTO catalogue_change (product) SELECT id FROM product WHERE sku = OLD.sku;
END;
