"""Print results: how each job of the print ledger ended, as facts of stream `prints`. The ledger is
hub.store.selling.printing.
"""

from sqlite3 import Connection

from sync.model import Dot, Replica
from sync.retail.prints import PRINT_RESULT, PrintResult
from sync.store.writing import record_fact


def record_results(tx: Connection, replica: Replica, *results: PrintResult) -> Dot:
    """Write down results in the write job that changed the ledger; no commit of their own."""
    return record_fact(tx, replica, PRINT_RESULT, *results)
