"""Device aggregation: what hardware says becomes typed events, typed commands become bytes. Knows no till and no store."""
