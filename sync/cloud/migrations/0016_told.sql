-- How far each log of an ended life must be here, by who said so (JSON: rep -> stream -> last); `wanted` is the largest of them.
ALTER TABLE ended_life ADD COLUMN told TEXT NOT NULL DEFAULT '{}';
