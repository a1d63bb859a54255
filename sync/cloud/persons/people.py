"""Who is one person, out of facts of stream `people`: identities, links, undos, consents. Functions of a write job, and reads.

    person_member    member -> the smallest id of its person, worked out anew where a link came or was taken back
    owners           who is known by an identity, under any key
    consents_of      what the members of a person have said, each with the store that heard it

The rules are the shop's (sync.retail.people). Not here: clear values (sync.cloud.persons.registers), what is written
(sync.cloud.persons.writing).
"""

import json
from collections.abc import Iterable, Mapping
from sqlite3 import Connection

import msgspec

from sync.json_errors import NOT_JSON
from sync.retail.people.consents import PURPOSES, ConsentFact, Purpose, Word, opt_outs, word
from sync.retail.people.identities import IdentityFact
from sync.retail.people.people import PERSON_MAX, LinkFact, UndoFact

PeopleFact = IdentityFact | LinkFact | UndoFact | ConsentFact

_people = msgspec.json.Decoder(PeopleFact)
_consent = msgspec.json.Decoder(ConsentFact).decode


def take_fact(tx: Connection, store: str, body: bytes) -> None:
    """Enter a fact that a store, or this cloud, has written; one that is here already changes nothing."""
    try:
        fact = _people.decode(body)
    except NOT_JSON:
        return
    if isinstance(fact, IdentityFact):
        tx.execute(
            """
            INSERT INTO person_identity (identity_id, member_id, kind, hash) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING
            """,
            (fact.identity_id, fact.member_id, fact.of, fact.hash),
        )
    elif isinstance(fact, ConsentFact):
        tx.execute(
            """
            INSERT INTO person_consent (consent_id, member_id, store, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING
            """,
            (fact.consent_id, fact.member_id, store, body),
        )
    elif isinstance(fact, LinkFact):
        tx.execute(
            "INSERT INTO person_link (link_id, a, b, evidence) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (fact.link_id, fact.a, fact.b, fact.evidence),
        )
        _regroup(tx, (fact.a, fact.b))
    else:
        tx.execute(
            "INSERT INTO person_undo (what, undone) VALUES (?, ?) ON CONFLICT DO NOTHING", (fact.what, fact.undone)
        )
        if fact.what == "link":
            ends = tx.execute("SELECT a, b FROM person_link WHERE link_id = ?", (fact.undone,)).fetchone()
            _regroup(tx, ends or ())


def person_of(read: Connection, member_id: str) -> str:
    """Return the id of the person that a member is of, its own where nobody is joined to it."""
    row = read.execute("SELECT person_id FROM person_member WHERE member_id = ?", (member_id,)).fetchone()
    return str(row[0]) if row else member_id


def members_of(read: Connection, person_id: str) -> list[str]:
    """Return all ids of a person, the smallest, which is the person's, first."""
    rows = read.execute(
        "SELECT member_id FROM person_member WHERE person_id = ? ORDER BY member_id", (person_id,)
    ).fetchall()
    return [member for (member,) in rows] or [person_id]


def person_ids(read: Connection, member_id: str) -> list[str]:
    """Return all ids of the person that a member is of."""
    return members_of(read, person_of(read, member_id))


def owners(read: Connection, kind: str, hashes: Iterable[str]) -> list[str]:
    """Return the persons, not erased, who are known by one of these hashes of an identity."""
    rows = read.execute(
        """
        SELECT DISTINCT person_member.person_id FROM person_identity
        JOIN person_member ON person_member.member_id = person_identity.member_id
        WHERE person_identity.hash IN (SELECT value FROM json_each(?)) AND person_identity.kind = ?
          AND person_member.is_known = 1 AND NOT EXISTS (
            SELECT 1 FROM person_undo WHERE what = 'identity' AND undone = person_identity.identity_id)
        ORDER BY person_member.person_id
        """,
        (json.dumps(sorted(hashes)), kind),
    ).fetchall()
    return [person for (person,) in rows]


def identities_of(read: Connection, member_id: str) -> list[tuple[str, str]]:
    """Return (key, kind) of the identities of a member that stand."""
    return read.execute(
        """
        SELECT identity_id, kind FROM person_identity
        WHERE member_id = ? AND NOT EXISTS (SELECT 1 FROM person_undo WHERE what = 'identity' AND undone = identity_id)
        ORDER BY kind, identity_id
        """,
        (member_id,),
    ).fetchall()


def links_of(read: Connection, ids: Iterable[str]) -> list[tuple[str, str, str, str]]:
    """Return (key, a, b, evidence) of the links that stand between these members."""
    return read.execute(
        """
        SELECT link_id, a, b, evidence FROM person_link
        WHERE a IN (SELECT value FROM json_each(?))
          AND NOT EXISTS (SELECT 1 FROM person_undo WHERE what = 'link' AND undone = link_id)
        ORDER BY link_id
        """,
        (json.dumps(sorted(ids)),),
    ).fetchall()


def consents_of(read: Connection, ids: Iterable[str]) -> list[tuple[str, ConsentFact]]:
    """Return what these members have said, oldest first, each with the store that heard it."""
    rows = read.execute(
        """
        SELECT store, body FROM person_consent WHERE member_id IN (SELECT value FROM json_each(?)) ORDER BY consent_id
        """,
        (json.dumps(sorted(ids)),),
    ).fetchall()
    return sorted(((store, _consent(body)) for store, body in rows), key=lambda each: (each[1].at, each[1].consent_id))


def words_of(read: Connection, ids: Iterable[str]) -> dict[str, Word]:
    """Return a person's word by purpose."""
    facts = [fact for _, fact in consents_of(read, ids)]
    return {purpose: word(facts, purpose) for purpose in PURPOSES}


def seen_opt_outs(read: Connection, ids: Iterable[str], purpose: Purpose) -> tuple[str, ...]:
    """Return the opt-outs that an opt-in written now has seen."""
    return tuple(sorted(opt_outs((fact for _, fact in consents_of(read, ids)), purpose)))


def all_words(read: Connection, purpose: Purpose) -> Mapping[str, Word]:
    """Return person -> word, of everybody who has said anything of a purpose."""
    said: dict[str, list[ConsentFact]] = {}
    rows = read.execute(
        """
        SELECT COALESCE(person_member.person_id, person_consent.member_id), person_consent.body FROM person_consent
        LEFT JOIN person_member ON person_member.member_id = person_consent.member_id
        """
    )
    for person, body in rows:
        said.setdefault(person, []).append(_consent(body))
    return {person: word(facts, purpose) for person, facts in said.items()}


def _regroup(tx: Connection, ends: Iterable[str]) -> None:
    """Work out anew whose members these are; no more than PERSON_MAX are followed, as in the shops."""
    for end in ends:
        ids, edge = {end}, [end]
        while edge and len(ids) <= PERSON_MAX:
            new = {other for _, a, b, _ in _links_at(tx, edge.pop()) for other in (a, b)} - ids
            ids |= new
            edge += sorted(new)
        tx.executemany(
            """
            INSERT INTO person_member (member_id, person_id, is_known, tier, birth_month, language)
            VALUES (?, ?, 0, '', 0, '') ON CONFLICT (member_id) DO UPDATE SET person_id = excluded.person_id
            """,
            [(each, min(ids)) for each in sorted(ids)],
        )


def _links_at(read: Connection, member_id: str) -> list[tuple[str, str, str, str]]:
    return read.execute(
        """
        SELECT link_id, a, b, evidence FROM person_link
        WHERE (a = ? OR b = ?) AND NOT EXISTS (SELECT 1 FROM person_undo WHERE what = 'link' AND undone = link_id)
        ORDER BY link_id LIMIT ?
        """,
        (member_id, member_id, PERSON_MAX),
    ).fetchall()
