"""The replicated store: identity, streams, kinds and merge rules. Knows no device and no till."""
