-- When the shop is asked for a refund's lines, of one that came as a sum; NULL where there is nothing to ask, or it was answered.
ALTER TABLE channel_refund ADD COLUMN ask_at_ms INTEGER DEFAULT 0;
CREATE INDEX channel_refund_ask ON channel_refund (channel, ask_at_ms);
