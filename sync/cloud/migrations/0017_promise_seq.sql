-- Which promise was the last to be allocated, without reading all of them.
CREATE INDEX promise_seq ON promise (seq);
