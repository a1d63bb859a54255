"""A person from all sides: what was bought where, points and their history, coupons, consents, identities, tags,
segments. Reads only.

Money stands by channel, store and currency, and is never added over currencies; what came back is taken off. Not here: HTTP
(sync.cloud.web.people_routes), all rows as they are stored (sync.cloud.persons.erasure).
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Any, Literal

from msgspec import Struct

from sync.cloud.loyalty.point_holds import held_of
from sync.cloud.persons.coupons import coupons_of
from sync.cloud.persons.people import consents_of, identities_of, links_of, person_ids, words_of
from sync.cloud.persons.purchases import home_store, totals
from sync.cloud.persons.registers import SHOWN, said_of, shown_of
from sync.cloud.persons.tags import tags_of
from sync.retail.people.members import DECLARED
from sync.retail.people.people import contested

Where = Literal["store", "online"]
HISTORY_MAX = 50  # entries of points and purchases that are shown, the newest


class PurchaseSum(Struct, frozen=True):
    """What was bought at one place in one currency: `count` of purchases of which something was kept, `amount` less refunds."""

    channel: str
    store: str
    where: Where
    currency: str
    count: int
    amount: int
    refunded: int
    last_at: datetime


class PurchaseView(Struct, frozen=True):
    """A purchase."""

    channel: str
    purchase_id: str
    store: str
    where: Where
    city: str
    currency: str
    amount: int
    refunded: int
    bought_at: datetime


class PointsView(Struct, frozen=True):
    """An entry of the ledger."""

    stream: str
    store: str
    points: int
    at: datetime


class ConsentView(Struct, frozen=True):
    """A word: when it was given, at which store (the cloud's name: on line or at head office), by which form."""

    consent_id: str
    purpose: str
    choice: str
    store: str
    how: str
    at: datetime


class TagView(Struct, frozen=True):
    """A tag; `source` is the segment that gives it, empty: by hand."""

    tag: str
    source: str
    since: datetime


class SegmentView(Struct, frozen=True):
    """A segment that the person is in, by the last evaluation."""

    segment: str
    since: datetime


class PersonView(Struct, frozen=True, kw_only=True):
    """Everything about a person. Any: JSON, cells as they stand."""

    member_id: str
    ids: list[str]
    links: list[dict[str, str]]
    home_store: str
    shown: dict[str, Any]
    identities: dict[str, int]
    contested: list[str]
    purchases: list[PurchaseSum]
    latest: list[PurchaseView]
    points: int
    points_set_aside: int
    points_by_store: dict[str, int]
    points_history: list[PointsView]
    coupons: list[dict[str, Any]]
    consents: dict[str, str]
    consents_given: list[ConsentView]
    tags: list[TagView]
    segments: list[SegmentView]


def view_of(read: Connection, member_id: str, *, hard: Iterable[str]) -> PersonView | None:
    """Return a person by any id of it; None where none is known, or all were erased."""
    ids = person_ids(read, member_id)
    shown = shown_of(read, ids)
    if shown is None:
        return None
    points = _points_by_store(read, ids)
    kinds = [kind for each in ids for _, kind in identities_of(read, each)]
    return PersonView(
        member_id=ids[0],
        ids=ids,
        links=[{"link_id": key, "a": a, "b": b, "evidence": why} for key, a, b, why in links_of(read, ids)],
        home_store=home_store(read, ids),
        shown={name: value for name, value in shown.items() if name in SHOWN or name.startswith(DECLARED)},
        identities={kind: kinds.count(kind) for kind in sorted(set(kinds))},
        contested=list(contested(said_of(read, ids), hard=hard)) if len(ids) > 1 else [],
        purchases=_sums(read, ids),
        latest=_latest(read, ids),
        points=sum(points.values()),
        points_set_aside=sum(points for *_, points in held_of(read, ids)),
        points_by_store=points,
        points_history=_history(read, ids),
        coupons=coupons_of(read, ids),
        consents=dict(words_of(read, ids)),
        consents_given=_consents(read, ids),
        tags=[TagView(name, source, _utc(at)) for name, source, at in tags_of(read, ids)],
        segments=_segments(read, ids),
    )


def _sums(read: Connection, ids: Iterable[str]) -> list[PurchaseSum]:
    return [
        PurchaseSum(
            *(channel, store, _where(in_shop), currency),
            *(int(count), int(amount) - int(refunded), int(refunded), _utc(last)),
        )
        for channel, store, in_shop, currency, count, amount, refunded, last in totals(read, ids)
    ]


def _latest(read: Connection, ids: Iterable[str]) -> list[PurchaseView]:
    rows = read.execute(
        """
        SELECT channel, purchase_id, store, in_shop, city, currency, amount - refunded, refunded, bought_ms FROM purchase
        WHERE member_id IN (SELECT value FROM json_each(?)) ORDER BY bought_ms DESC, channel, purchase_id LIMIT ?
        """,
        (json.dumps(sorted(ids)), HISTORY_MAX),
    ).fetchall()
    return [
        PurchaseView(channel, purchase_id, store, _where(in_shop), city, currency, amount, refunded, _utc(bought_ms))
        for channel, purchase_id, store, in_shop, city, currency, amount, refunded, bought_ms in rows
    ]


def _points_by_store(read: Connection, ids: Iterable[str]) -> dict[str, int]:
    rows = read.execute(
        """
        SELECT store, SUM(points) FROM member_points WHERE member_id IN (SELECT value FROM json_each(?))
        GROUP BY store ORDER BY store
        """,
        (json.dumps(sorted(ids)),),
    ).fetchall()
    return {store: int(points) for store, points in rows}


def _history(read: Connection, ids: Iterable[str]) -> list[PointsView]:
    rows = read.execute(
        """
        SELECT stream, store, points, at_ms FROM person_points WHERE member_id IN (SELECT value FROM json_each(?))
        ORDER BY at_ms DESC, stream, n LIMIT ?
        """,
        (json.dumps(sorted(ids)), HISTORY_MAX),
    ).fetchall()
    return [PointsView(stream, store, points, _utc(at)) for stream, store, points, at in rows]


def _consents(read: Connection, ids: Iterable[str]) -> list[ConsentView]:
    return [
        ConsentView(fact.consent_id, fact.purpose, fact.choice, store, fact.how, fact.at)
        for store, fact in consents_of(read, ids)
    ]


def _segments(read: Connection, ids: Iterable[str]) -> list[SegmentView]:
    rows = read.execute(
        """
        SELECT segment, MIN(entered_ms) FROM segment_member
        WHERE person_id IN (SELECT value FROM json_each(?)) AND left_ms = 0 GROUP BY segment ORDER BY segment
        """,
        (json.dumps(sorted(ids)),),
    ).fetchall()
    return [SegmentView(segment, _utc(entered_ms)) for segment, entered_ms in rows]


def _where(in_shop: int) -> Where:
    return "store" if in_shop else "online"


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
