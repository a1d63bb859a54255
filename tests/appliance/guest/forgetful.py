"""The hub with one line of it wrong: synchronous=NORMAL, where SQLite waits for the disk at checkpoints only.

Power cuts must find it. It lives here, so that no shop can be configured so.
"""

import sqlite3
import sys

from hub.cli import main
from sync.db import Database

connect_writer = Database.connect_writer


def forgetful(db: Database) -> sqlite3.Connection:
    """As the hub connects, and then forget to wait."""
    connection = connect_writer(db)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


Database.connect_writer = forgetful  # type: ignore[method-assign]  # the fault
sys.exit(main())
