"""Replicas, streams and cursors in SQLite. The tables are the same at both ends; the domain rows are with the entities."""
