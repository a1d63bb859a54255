"""Tags of members: given by hand, or by a segment that gives one to whoever is in it. Functions of a write job, and reads.

A person bears the tags of all its members, whoever gave them.
"""

import json
from collections.abc import Iterable
from sqlite3 import Connection

BY_HAND = ""


def tag(tx: Connection, member_id: str, name: str, *, source: str = BY_HAND, now_ms: int) -> bool:
    """Give a tag; return whether that was news."""
    return bool(
        tx.execute(
            "INSERT INTO member_tag (member_id, tag, source, tagged_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (member_id, name, source, now_ms),
        ).rowcount
    )


def untag(tx: Connection, ids: Iterable[str], name: str, *, source: str = BY_HAND) -> bool:
    """Take a tag from all members of a person; return whether there was one of that source."""
    return bool(
        tx.execute(
            "DELETE FROM member_tag WHERE member_id IN (SELECT value FROM json_each(?)) AND tag = ? AND source = ?",
            (json.dumps(sorted(ids)), name, source),
        ).rowcount
    )


def tags_of(read: Connection, ids: Iterable[str]) -> list[tuple[str, str, int]]:
    """Return (tag, source, since when) of a person."""
    return read.execute(
        """
        SELECT tag, source, MIN(tagged_ms) FROM member_tag WHERE member_id IN (SELECT value FROM json_each(?))
        GROUP BY tag, source ORDER BY tag, source
        """,
        (json.dumps(sorted(ids)),),
    ).fetchall()


def persons_with(read: Connection, names: Iterable[str]) -> set[str]:
    """Return the persons who bear one of these tags."""
    rows = read.execute(
        """
        SELECT DISTINCT COALESCE(person_member.person_id, member_tag.member_id) FROM member_tag
        LEFT JOIN person_member ON person_member.member_id = member_tag.member_id
        WHERE member_tag.tag IN (SELECT value FROM json_each(?))
        """,
        (json.dumps(sorted(names)),),
    )
    return {person for (person,) in rows}
