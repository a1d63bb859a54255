-- Exchanges are found by their id: it stands on the return that is a part of one.
CREATE INDEX sale_return_exchange ON sale_return (body ->> '$.return.exchange_id')
WHERE body ->> '$.return.exchange_id' IS NOT NULL;
