"""The schema of the cloud end's database, as numbered SQL files."""

MIGRATIONS = "sync.cloud.migrations"
