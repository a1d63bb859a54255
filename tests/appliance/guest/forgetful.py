"""The hub with one line of it wrong: synchronous=NORMAL, where SQLite waits for the disk at checkpoints only.

Power cuts must find it. It lives here, so that no shop can be configured so.
"""

import sqlite3
import sys
from typing import Any

import sync.db
from hub.cli import main

connect_writer = sync.db.connect_writer


def forgetful(*given: Any) -> sqlite3.Connection:
    """As the hub connects, and then forget to wait."""
    connection = connect_writer(*given)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


sync.db.connect_writer = forgetful
sys.exit(main())
