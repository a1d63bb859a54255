"""The schema of the hub as numbered steps, applied by sync.migrate."""

MIGRATIONS = "hub.migrations"
