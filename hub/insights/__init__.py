"""What the figures say: read-only questions to the database, a file a subject."""
