"""Members whose cells have come from another shop or the cloud: found from now on, or forgotten in all copies that are here.

`erased_member` says who was erased and is not in the list beside the database yet (hub.erasures). Functions of a write job.
"""

from collections.abc import Iterable
from sqlite3 import Connection

from hub.store.people.member_words import index_member
from hub.store.people.people import is_erased
from sync.retail.people.members import MEMBER


def members_arrived(tx: Connection, member_ids: Iterable[str]) -> None:
    """Bring what is kept here of these members in line with what stands of them now."""
    for member_id in sorted(set(member_ids)):
        if is_erased(tx, member_id):
            forget_local(tx, member_id)
        else:
            index_member(tx, member_id)


def forget_local(tx: Connection, member_id: str) -> None:
    """Forget what is kept here alone of a member whose `erased` stands, whoever wrote it."""
    index_member(tx, member_id)
    text = "CAST(body AS TEXT)"
    tx.execute(  # rows that this version could not read say more than it knows
        f"DELETE FROM unknown_row WHERE stream = ? AND json_valid({text}) AND {text} ->> '$.key' = ?",
        (MEMBER.stream, member_id),
    )
    tx.execute("UPDATE member_write SET content_hash = x'' WHERE member_id = ?", (member_id,))
    tx.execute("INSERT INTO erased_member (member_id, is_listed) VALUES (?, 0) ON CONFLICT DO NOTHING", (member_id,))


def unlisted(read: Connection) -> list[str]:
    """Return who was erased and is not in the list yet."""
    return [row[0] for row in read.execute("SELECT member_id FROM erased_member WHERE is_listed = 0").fetchall()]


def note_listed(tx: Connection, member_ids: Iterable[str]) -> None:
    """Note that these are in the list."""
    tx.executemany("UPDATE erased_member SET is_listed = 1 WHERE member_id = ?", [(each,) for each in member_ids])
