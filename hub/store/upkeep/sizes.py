"""How much is in the books: rows of each table, pages, the schema. No content of any row."""

import sqlite3
from typing import Any


def sizes(read: sqlite3.Connection) -> dict[str, Any]:
    """Return schema, pages, free pages, and rows by table. Any: JSON."""
    names = read.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    tables = [row[0] for row in names.fetchall()]
    said = {
        what: read.execute(f"PRAGMA {what}").fetchone()[0] for what in ("user_version", "page_count", "freelist_count")
    }
    return said | {"rows": {name: read.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}}
