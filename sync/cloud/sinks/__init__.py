"""Sinks: what the feed is poured into, effectively once. One file a kind."""
