-- Local to this hub: in which order products and their prices last changed here, for tills that keep a copy of the catalogue.
-- `product` is product.id. A row moves and is never deleted, so a number is never given twice.
CREATE TABLE catalogue_change (
  product INTEGER PRIMARY KEY,
  at INTEGER NOT NULL UNIQUE
) STRICT;
INSERT INTO catalogue_change (product, at) SELECT id, id FROM product;

-- Whoever writes: the shop itself, rows of the cloud in bulk, a scope that changes. A price that comes before its product is told with it.
CREATE TRIGGER product_came AFTER INSERT ON product BEGIN
  INSERT INTO catalogue_change (product, at) VALUES (NEW.id, (SELECT coalesce(max(at), 0) + 1 FROM catalogue_change))
  ON CONFLICT (product) DO UPDATE SET at = excluded.at;
END;
CREATE TRIGGER product_changed AFTER UPDATE ON product BEGIN
  INSERT INTO catalogue_change (product, at) VALUES (NEW.id, (SELECT coalesce(max(at), 0) + 1 FROM catalogue_change))
  ON CONFLICT (product) DO UPDATE SET at = excluded.at;
END;
CREATE TRIGGER price_came AFTER INSERT ON price BEGIN
  INSERT INTO catalogue_change (product, at) SELECT id, (SELECT coalesce(max(at), 0) + 1 FROM catalogue_change) FROM product WHERE sku = NEW.sku
  ON CONFLICT (product) DO UPDATE SET at = excluded.at;
END;
CREATE TRIGGER price_changed AFTER UPDATE ON price BEGIN
  INSERT INTO catalogue_change (product, at) SELECT id, (SELECT coalesce(max(at), 0) + 1 FROM catalogue_change) FROM product WHERE sku = NEW.sku
  ON CONFLICT (product) DO UPDATE SET at = excluded.at;
END;
CREATE TRIGGER price_left AFTER DELETE ON price BEGIN
  INSERT INTO catalogue_change (product, at) SELECT id, (SELECT coalesce(max(at), 0) + 1 FROM catalogue_change) FROM product WHERE sku = OLD.sku
  ON CONFLICT (product) DO UPDATE SET at = excluded.at;
END;

-- A client whose token is worth nothing any more; its row keeps the number from being given again.
ALTER TABLE till ADD COLUMN revoked_ms INTEGER;
