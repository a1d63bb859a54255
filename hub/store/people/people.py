"""Members as people: found by what they are known by, joined by links, shown with what a token may see. Reads only.

    found by   phone, card, e-mail, LINE id, a declared kind    keyed hashes, every key that is known
               the text of a QR code or a card                  a member's own code, else a card's number
               name, last four digits                           hub.store.people.member_words
    person     all members that links join; what the canonical one does not say the next one says

Not here: writing (hub.store.people.members), the rules (sync.retail.people.people, consents, identities).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec import Struct

from hub.store.member_rules import MemberRules
from hub.store.people.member_keys import hashes
from hub.store.people.point_balance import balance_of
from sync.errors import RuleError
from sync.merge import ERASED, Merged
from sync.retail.people.consents import PURPOSES, ConsentFact, Word, opt_outs, word
from sync.retail.people.identities import CARD, KINDS, canonical
from sync.retail.people.members import DECLARED, MEMBER, TIER
from sync.retail.people.people import PERSON_MAX, LinkFact, canonical_id, contested
from sync.store.shared import merged_cells, standing_cells
from sync.store.tables import table_of

CODE = "urn:storehub:member:"
"""What a member's QR code begins with; the id follows."""
OWNERS_MAX = 20  # people that one identity finds; more is no identity
TOO_MANY = "links"
_TEXTS = frozenset({"name", *KINDS, "language", "tier", "note"})
_NOTHING_SAID: dict[str, Word] = {purpose: word((), purpose) for purpose in PURPOSES}
_IDENTITY = "NOT EXISTS (SELECT 1 FROM member_undo WHERE undone = identity_id AND what = 'identity')"
_LINK = "NOT EXISTS (SELECT 1 FROM member_undo WHERE undone = link_id AND what = 'link')"
_LINKS_OF = f"SELECT body FROM member_link WHERE (a = ?1 OR b = ?1) AND {_LINK} ORDER BY link_id LIMIT {PERSON_MAX}"
_KNOWN_BY = f"""
  SELECT DISTINCT member_id FROM identity WHERE hash = ? AND of = ? AND {_IDENTITY} ORDER BY member_id LIMIT {OWNERS_MAX}
"""
_SAID_BY = """
  WITH who (member_id) AS MATERIALIZED ({who})
  SELECT member_id, 'points', {points} FROM who
  UNION ALL SELECT who.member_id, 'cells', body FROM who CROSS JOIN member ON member.member_id = who.member_id
  UNION ALL SELECT who.member_id, 'consent', body FROM who CROSS JOIN consent ON consent.member_id = who.member_id
  UNION ALL SELECT member_id, 'linked', 1 FROM who
    WHERE EXISTS (SELECT 1 FROM member_link WHERE a = who.member_id)
    OR EXISTS (SELECT 1 FROM member_link WHERE b = who.member_id)
"""  # a statement for each part would cost a look-up a tenth more
_SAID_BY_MEMBER = _SAID_BY.format(who="SELECT ?", points=balance_of("who.member_id"))
_SAID_BY_IDENTITY = _SAID_BY.format(who=_KNOWN_BY, points=balance_of("who.member_id"))
_link = msgspec.json.Decoder(LinkFact)
_consent = msgspec.json.Decoder(ConsentFact)


class LinkView(Struct, frozen=True):
    """Why two members are one person."""

    link_id: str
    a: str
    b: str
    evidence: str


class PersonView(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A person: `member_id` is the canonical id, `ids` are all. A till sees names and identities masked.

    `contested`: attributes on which the members contradict each other; points are earned and not burned.
    """

    member_id: str
    ids: list[str]
    name: str = ""
    phone: str = ""
    email: str = ""
    card: str = ""
    line_id: str = ""
    identities: dict[str, str] = {}
    language: str = ""
    birth_month: int | None = None
    tier: str = ""
    note: str = ""
    consents: dict[str, Word]
    points: int
    contested: list[str] = []
    links: list[LinkView] = []


@dataclass(slots=True)
class _Said:
    """What is here of one member; `rows`: its register's, one a writer. `is_linked`: links name it, undone ones too."""

    points: int = 0
    rows: list[str] = field(default_factory=list)
    consents: list[ConsentFact] = field(default_factory=list)
    is_linked: bool = False


def person_ids(read: Connection, member_id: str) -> tuple[list[str], list[LinkFact]]:
    """Return all ids of a person, canonical first, and the links between them; no more than PERSON_MAX are followed."""
    ids, links, edge = {member_id}, dict[str, LinkFact](), [member_id]
    while edge and len(ids) <= PERSON_MAX:
        for link in _links(read, edge.pop()):
            links[link.link_id] = link
            new = {link.a, link.b} - ids
            ids |= new
            edge += new
    return sorted(ids), [links[key] for key in sorted(links)]


def cells_of(read: Connection, member_id: str) -> dict[str, Any]:
    """Return what stands of a member's register; empty for one that is not known. Any: JSON."""
    return _values(standing_cells(read, table_of(MEMBER), (member_id,)))


def is_erased(read: Connection, member_id: str) -> bool:
    """Whether a member was erased."""
    return ERASED in cells_of(read, member_id)


def known_by(read: Connection, kind: str, form: str, rules: MemberRules) -> list[PersonView]:
    """Return the people who are known by an identity and not erased, each once, in the order of their canonical ids."""
    found: dict[str, PersonView] = {}
    said: dict[str, _Said] = {}
    for hashed in hashes(read, kind, form):
        said |= _said(read, _SAID_BY_IDENTITY, (hashed, kind))
    for member in list(said):
        if all(member not in view.ids for view in found.values()):
            view = _person(read, member, said, rules)
            if view is not None:
                found[view.member_id] = view
    return [found[key] for key in sorted(found)]


def owners(read: Connection, kind: str, form: str) -> list[str]:
    """Return the canonical ids of people who are known by an identity and not erased, each once."""
    members = _members_known_by(read, kind, form)
    return sorted({canonical_id(person_ids(read, each)[0]) for each in members if not is_erased(read, each)})


def found_by_code(read: Connection, text: str, rules: MemberRules) -> list[PersonView]:
    """Return whose the text of a QR code or a card is."""
    if text.startswith(CODE):
        view = person(read, text.removeprefix(CODE), rules)
        return [view] if view is not None else []
    try:
        return known_by(read, CARD, canonical(CARD, text, region=rules.region), rules)
    except RuleError:
        return []


def is_known(read: Connection, member_id: str) -> bool:
    """Whether a member was enrolled and not erased."""
    cells = cells_of(read, member_id)
    return bool(cells) and ERASED not in cells


def is_heard_of(read: Connection, member_id: str) -> bool:
    """Whether anything is here of a member, erased or not."""
    return read.execute("SELECT 1 FROM member WHERE member_id = ? LIMIT 1", (member_id,)).fetchone() is not None


def identities_of(read: Connection, ids: Iterable[str], kind: str | None = None) -> list[tuple[str, str]]:
    """Return (key, member) of the identities that stand of these members, of one kind or all."""
    return [
        row
        for each in ids
        for row in read.execute(
            f"SELECT identity_id, member_id FROM identity WHERE member_id = ?1 AND (?2 IS NULL OR of = ?2) AND {_IDENTITY}",
            (each, kind),
        ).fetchall()
    ]


def consents_of(read: Connection, ids: Iterable[str]) -> list[ConsentFact]:
    """Return what these members have said."""
    return [
        _consent.decode(body)
        for each in ids
        for (body,) in read.execute("SELECT body FROM consent WHERE member_id = ?", (each,)).fetchall()
    ]


def standing_opt_outs(read: Connection, ids: Iterable[str], purpose: Any) -> tuple[str, ...]:
    """Return the opt-outs that an opt-in written now has seen. Any: a Purpose."""
    return tuple(sorted(opt_outs(consents_of(read, ids), purpose)))


def tier_of(read: Connection, member_id: str) -> str:
    """Return the tier of the person that a member is of, as `person` shows it; "" for none."""
    said = (cells_of(read, each) for each in person_ids(read, member_id)[0])
    return next((cells[TIER] for cells in said if cells.get(TIER) and ERASED not in cells), "")


def person(read: Connection, member_id: str, rules: MemberRules) -> PersonView | None:
    """Return the person that a member is of; None where no member of it is known, or all were erased."""
    return _person(read, member_id, _said(read, _SAID_BY_MEMBER, (member_id,)), rules)


def _person(read: Connection, member_id: str, said: dict[str, _Said], rules: MemberRules) -> PersonView | None:
    """Return the person that a member is of, by what is read already; what is missing is read and added."""
    ids, links = person_ids(read, member_id) if said[member_id].is_linked else ([member_id], [])
    for each in ids:
        if each not in said:
            said |= _said(read, _SAID_BY_MEMBER, (each,))
    cells = [_standing(read, each, said[each].rows) for each in ids]
    known = [each for each in cells if each and ERASED not in each]
    if not known:
        return None
    facts = [fact for each in ids for fact in said[each].consents]
    at_odds = (*contested(known, hard=rules.hard), *((TOO_MANY,) if len(ids) > PERSON_MAX else ())) if links else ()
    shown = _first_said(known)
    texts = {name: value for name, value in shown.items() if isinstance(value, str)}
    return PersonView(
        member_id=ids[0],
        ids=ids,
        **{name: value for name, value in texts.items() if name in _TEXTS},
        birth_month=month if isinstance(month := shown.get("birth_month"), int) else None,
        identities={name.removeprefix(DECLARED): v for name, v in texts.items() if name.startswith(DECLARED)},
        consents={purpose: word(facts, purpose) for purpose in PURPOSES} if facts else dict(_NOTHING_SAID),
        points=sum(said[each].points for each in ids),
        contested=list(at_odds),
        links=[LinkView(link.link_id, link.a, link.b, link.evidence) for link in links],
    )


def masked(view: PersonView) -> PersonView:
    """Return what a till may see: enough to ask "is this you?", no list of customers."""
    hidden = {name: _masked(getattr(view, name)) for name in ("card", "line_id") if getattr(view, name)}
    name, _, domain = view.email.partition("@")
    return msgspec.structs.replace(
        view,
        **hidden,
        name=" ".join(part[:1] + "*" * max(1, len(part) - 1) for part in view.name.split()),
        phone="*" * max(0, len(view.phone) - 3) + view.phone[-3:],
        email=f"{name[:1]}***@{domain}" if view.email else "",
        identities={kind: _masked(value) for kind, value in view.identities.items()},
        note="",
    )


def _said(read: Connection, sql: str, parameters: tuple[str, ...]) -> dict[str, _Said]:
    said: dict[str, _Said] = {}
    for member, what, content in read.execute(sql, parameters):
        each = said.setdefault(member, _Said())
        if what == "points":
            each.points = content
        elif what == "cells":
            each.rows.append(content)
        elif what == "consent":
            each.consents.append(_consent.decode(content))
        else:
            each.is_linked = True
    return said


def _standing(read: Connection, member_id: str, rows: Sequence[str]) -> dict[str, Any]:
    return _values(merged_cells(read, table_of(MEMBER), (member_id,), rows))


def _values(merged: Merged) -> dict[str, Any]:
    return {name: cell.value for name, cell in merged.cells.items()}


def _masked(text: str) -> str:
    return "*" * max(1, len(text) - 3) + text[-3:] if len(text) > 3 else "*" * len(text)


def _first_said(known: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for cells in known:
        for name, value in cells.items():
            if value not in (None, ""):
                shown.setdefault(name, value)
    return shown


def _links(read: Connection, member_id: str) -> list[LinkFact]:
    return [_link.decode(body) for (body,) in read.execute(_LINKS_OF, (member_id,)).fetchall()]


def _members_known_by(read: Connection, kind: str, form: str) -> list[str]:
    found = {
        member: None
        for hashed in hashes(read, kind, form)
        for (member,) in read.execute(_KNOWN_BY, (hashed, kind)).fetchall()
    }
    return list(found)
