"""What goes with a member who is erased, beside the register itself: tags, open cases, places in segments, who was written to.

Sales, points, consents and links stay, with ids and keyed hashes, as in the shops. A function of a write job.
"""

from sqlite3 import Connection


def forget_rows(tx: Connection, member_id: str) -> None:
    """Leave nothing of a member that is not a ledger."""
    tx.execute("DELETE FROM member_tag WHERE member_id = ?", (member_id,))
    tx.execute("DELETE FROM join_case WHERE member_id = ? OR other = ?", (member_id, member_id))
    tx.execute("DELETE FROM segment_member WHERE person_id = ?", (member_id,))
