"""Customers of the web shop and of channels become members, and one person with the shop's member by the rules of the shop.

    an identity that      it joins       two persons have it, or        else
    another person has    (`join`)       they contradict each other     (a kind that does not join)
                          a link         a case                         a case

A case waits for a person, who joins the two or says that they are two. What was taken back, or was said to be two, is not joined
again by itself. Points and consents stay with the ids that they were written with: the person has all of them. Functions of a
write job. Not here: HTTP (sync.cloud.web.people_routes), the rules (sync.retail.people), what a person
decides (sync.cloud.persons.links).
"""

from collections.abc import Mapping, Sequence
from sqlite3 import Connection
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from sync.cloud.loyalty.member_cells import write_cells
from sync.cloud.persons.links import is_settled, join, key_of, say, utc
from sync.cloud.persons.people import consents_of, identities_of, owners, person_ids, person_of
from sync.cloud.persons.registers import cells_of, said_of
from sync.cloud.persons.rules import MembersSection
from sync.cloud.persons.writing import said_before, write_people
from sync.cloud.scopes.scope_members import known_keys
from sync.errors import RuleError
from sync.merge import ERASED
from sync.model import Replica
from sync.retail.people.consents import Choice, Purpose
from sync.retail.people.identities import (
    EMAIL,
    IDENTITY,
    KINDS,
    LINE,
    PHONE,
    IdentityFact,
    IdentityKeyRow,
    IdentityKind,
    canonical,
    keyed_hash,
)
from sync.retail.people.members import DECLARED
from sync.retail.people.people import LINK, UNDO, UndoFact, contested
from sync.retail.selling.sales import Id, ShortText

Channel = Annotated[str, Meta(min_length=1, max_length=28, pattern=r"^[a-z][a-z0-9_]*\Z")]
Language = Literal["", "zh-Hant", "en"]
Contact = Annotated[str, Meta(max_length=200)]


class Customer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A customer as a web shop or a channel tells of one. `member_id`, or the channel's own `customer_id`, says whose it is.

    `store`: a shop nearby, whose region gets to know of the member; empty: every region. `how`: where the consents were given.
    """

    member_id: Id | None = None
    channel: Channel = "web"
    customer_id: Contact = ""
    name: ShortText = ""
    phone: Contact = ""
    email: Contact = ""
    line_id: Contact = ""
    identities: dict[IdentityKind, Contact] = {}
    language: Language = ""
    birth_month: Annotated[int, Meta(ge=1, le=12)] | None = None
    consents: dict[Purpose, Choice] = {}
    how: ShortText = ""
    store: Annotated[str, Meta(max_length=40)] = ""


class Taken(Struct, frozen=True):
    """What became of a customer: whose member it is, who may be the same, which identities were none."""

    member_id: str
    person_id: str
    is_new: bool
    is_changed: bool
    joined: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def take_customer(
    tx: Connection, own: Replica, rules: MembersSection, said: Customer, *, is_lenient: bool = False, now_ms: int
) -> Taken:
    """Enrol a customer, or bring the member to what is said now; the same again changes nothing.

    `is_lenient`: an identity that is none is left out and named, because the order that names it has happened. RuleError
    (identity, identity_kind, member_empty, member_erased, no_region).
    """
    keys = _keys(tx)
    forms, unread = _forms(rules, said, is_lenient=is_lenient)
    if not forms and said.member_id is None:
        raise RuleError("member_empty", "/email", "a customer is known by a customer_id or an identity at least")
    member_id = said.member_id or _id_of(said, forms, keys[0])
    before = cells_of(tx, member_id)
    if ERASED in before:
        raise RuleError("member_erased", "/member_id", f"member {member_id} was erased; a new id is needed")
    if not before and not forms:
        raise RuleError("member_empty", "/email", "a new member is known by at least one identity")
    if not before:
        tx.execute(
            "INSERT INTO web_member (member_id, store) VALUES (?, ?) ON CONFLICT DO NOTHING", (member_id, said.store)
        )
    changed = {name: value for name, value in _cells(said, forms).items() if before.get(name) != value}
    if changed:
        write_cells(tx, own, member_id, changed, now_ms=now_ms)
    is_changed = bool(changed)
    for kind, form in forms.items():
        is_changed |= _identify(tx, own, member_id, kind, form, keys=keys, now_ms=now_ms)
    joined, cases = _meet(tx, own, rules, member_id, forms, keys, now_ms=now_ms)
    for purpose, choice in sorted(said.consents.items()):
        is_changed |= say_once(tx, own, member_id, purpose, choice, how=said.how or said.channel, now_ms=now_ms)
    return Taken(
        member_id, person_of(tx, member_id), not before, is_changed or bool(joined or cases), joined, cases, unread
    )


def find(read: Connection, rules: MembersSection, kind: str, text: str) -> list[str]:
    """Return the persons who are known by an identity; RuleError (identity, identity_kind)."""
    form = _canonical(rules, kind, text)
    return owners(read, kind, _hashes(known_keys(read), kind, form))


def say_once(
    tx: Connection, own: Replica, member_id: str, purpose: Purpose, choice: Choice, *, how: str, now_ms: int
) -> bool:
    """Write a word down unless it is what this member has said last: a yes that is only repeated is no answer to a no."""
    said = [fact.choice for _, fact in consents_of(tx, [member_id]) if fact.purpose == purpose]
    if said and said[-1] == choice:
        return False
    consent_id = key_of(member_id, "consent", purpose, str(len(said)))
    return say(tx, own, member_id, consent_id, purpose, choice, how=how, now_ms=now_ms)


def _meet(  # noqa: PLR0917 - who, known by what
    tx: Connection,
    own: Replica,
    rules: MembersSection,
    member_id: str,
    forms: Mapping[str, str],
    keys: Sequence[IdentityKeyRow],
    *,
    now_ms: int,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Join who is the same by the rules, open a case for who may be; return both."""
    me = person_of(tx, member_id)
    found: dict[str, list[str]] = {}
    for kind, form in forms.items():
        for other in owners(tx, kind, _hashes(keys, kind, form)):
            if other != me:
                found.setdefault(other, []).append(kind)
    sure = [other for other, kinds in found.items() if set(kinds) & {*rules.join, *_channel_kinds(kinds)}]
    joined, cases = [], []
    for other, kinds in sorted(found.items()):
        link_id = key_of(member_id, "link", other)
        if is_settled(tx, member_id, other) or said_before(tx, LINK, link_id) is not None:
            continue
        at_odds = contested([*said_of(tx, person_ids(tx, me)), *said_of(tx, person_ids(tx, other))], hard=rules.hard)
        if sure == [other] and not at_odds:
            join(tx, own, member_id, other, link_id, f"same {kinds[0]}", now_ms=now_ms)
            joined.append(other)
            continue
        why = ", ".join([*kinds, *(f"other {name}" for name in at_odds), *(["several"] if len(sure) > 1 else [])])
        tx.execute(
            """
            INSERT INTO join_case (member_id, other, why, state, opened_ms, closed_ms) VALUES (?, ?, ?, 'open', ?, 0)
            ON CONFLICT DO NOTHING
            """,
            (member_id, other, why, now_ms),
        )
        cases.append(other)
    return tuple(joined), tuple(cases)


def _identify(
    tx: Connection,
    own: Replica,
    member_id: str,
    kind: str,
    form: str,
    *,
    keys: Sequence[IdentityKeyRow],
    now_ms: int,
) -> bool:
    """Say what a member is known by, under the newest key; what it was known by of that kind before finds it no more."""
    mine = set(_hashes(keys, kind, form))
    stands = [key for key, of in identities_of(tx, member_id) if of == kind]
    held = dict(
        tx.execute("SELECT identity_id, hash FROM person_identity WHERE member_id = ?", (member_id,)).fetchall()
    )
    if any(held[key] in mine for key in stands):
        return False
    for key in stands:
        undo = UndoFact(
            undo_id=key_of(key, "undo", str(now_ms)), what="identity", undone=key, reason="replaced", at=utc(now_ms)
        )
        write_people(tx, own, UNDO, undo, of=(member_id, ""), now_ms=now_ms)
    newest = max((key for key in keys if key.is_chains), key=lambda key: (key.begun_at, key.key_id))
    hashed = keyed_hash(bytes.fromhex(newest.secret), kind, form)
    fact = IdentityFact(
        identity_id=key_of(member_id, kind, hashed, str(now_ms)),
        member_id=member_id,
        of=kind,
        hash=hashed,
        key_id=newest.key_id,
        at=utc(now_ms),
    )
    return write_people(tx, own, IDENTITY, fact, of=(member_id, ""), now_ms=now_ms)


def _forms(rules: MembersSection, said: Customer, *, is_lenient: bool) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return kind -> canonical form of what a customer is known by, and the kinds that were none."""
    texts = {PHONE: said.phone, EMAIL: said.email, LINE: said.line_id} | said.identities
    forms, unread = {}, []
    for kind, text in texts.items():
        if not text:
            continue
        try:
            forms[kind] = _canonical(rules, kind, text)
        except RuleError:
            if not is_lenient:
                raise
            unread.append(kind)
    if said.customer_id:
        forms[f"{said.channel}_id"] = said.customer_id
    return forms, tuple(unread)


def _canonical(rules: MembersSection, kind: str, text: str) -> str:
    if kind.endswith("_id") and kind not in (*KINDS, *rules.identities):
        return text
    return canonical(kind, text, region=rules.region or None, declared=rules.identities)


def _channel_kinds(kinds: Sequence[str]) -> set[str]:
    """A channel's own number is nobody else's: it always joins."""
    return {kind for kind in kinds if kind.endswith("_id") and kind not in KINDS}


def _cells(said: Customer, forms: Mapping[str, str]) -> dict[str, Any]:
    """Return the cells that a customer speaks of; what is not said stays. Any: JSON."""
    plain = {"name": said.name, "language": said.language, "birth_month": said.birth_month}
    known = {(kind if kind in KINDS else f"{DECLARED}{kind}"): form for kind, form in forms.items()}
    return {name: value for name, value in plain.items() if value not in ("", None)} | known


def _id_of(said: Customer, forms: Mapping[str, str], oldest: IdentityKeyRow) -> str:
    """Return the id of a customer who has none: the same for the same customer of a channel, or for the same identity."""
    kind = f"{said.channel}_id" if said.customer_id else next(each for each in (*KINDS, *forms) if each in forms)
    return f"w{keyed_hash(bytes.fromhex(oldest.secret), f'{said.channel} {kind}', forms[kind])}"


def _keys(read: Connection) -> list[IdentityKeyRow]:
    """Return all keys, the chain's oldest first."""
    keys = sorted(known_keys(read), key=lambda key: (not key.is_chains, key.begun_at, key.key_id))
    if not keys or not keys[0].is_chains:
        raise RuleError("no_region", "", "no store shares its members: give one `members` in cloud.toml")
    return keys


def _hashes(keys: Sequence[IdentityKeyRow], kind: str, form: str) -> list[str]:
    return [keyed_hash(bytes.fromhex(key.secret), kind, form) for key in keys]
