"""The cloud's database on PostgreSQL: the same functions, statements and numbered files as on SQLite, behind the same calls."""
