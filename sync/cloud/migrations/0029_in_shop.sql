-- Where a purchase was made: at a till, a store's hub's (channel `store`) or a web shop's own, or on line.
ALTER TABLE purchase ADD COLUMN in_shop INTEGER NOT NULL DEFAULT 0;
UPDATE purchase SET in_shop = 1 WHERE channel = 'store';
