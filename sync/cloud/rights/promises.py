"""Promises of the cloud: goods at a place, promised to an order on a right that the cloud holds. Functions of a write job.

    promise                 answer
    new, right suffices     created: the right is spent, the fact written, in one transaction
    known, same content     repeated: nothing written
    known, other content    RuleError, nothing written
    new, too little right   refused, with what is left; with `ask` the hub is asked for the rest, which is kept for this order

    cancel                  answer
    open, kept here         ended: given back, once
    open, kept by a store   asked: its hub is asked to end it
    ended as given back     repeated
    picked                  RuleError: the goods are gone, take them back

Only the keeper ends a promise. The one that a store ended is given back here when its fact arrives (`take_endings`).

Not here: the rules (sync.retail.stock.rights), HTTP (sync.cloud.web.promise_routes), settlement and rebalancing
(sync.cloud.rights.balance).
"""

from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from sync import failpoints
from sync.batch import SEQ_MAX
from sync.cloud.arrivals.cursors import number_rows
from sync.cloud.arrivals.rows import key_of
from sync.cloud.rights.rights import Place, known_of, living_of, put_own, write_change
from sync.cloud.scopes.scopes import put_row
from sync.errors import RuleError
from sync.json_errors import NOT_JSON
from sync.kinds import Entity
from sync.model import Feed, Replica
from sync.retail.selling.sales import Id, Sku, StockEffect
from sync.retail.stock import rights
from sync.retail.stock.promises import ASKED, PROMISE, PROMISE_END, AskedRow, PromiseEndFact, PromiseFact, Qty
from sync.retail.stock.rights import Outlet, SpendPolicy
from sync.retail.stock.settlement import End, Promise, end_promise

ASKED_MAX = 1000  # open questions to one store; beyond it an order is refused without asking
STREAM = "promises"


class PromiseRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an order wants. `keeper` ends the promise: the hub that fulfils it, or this cloud while it may go elsewhere."""

    promise_id: Annotated[str, Meta(min_length=1, max_length=48, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*\Z")]
    order_id: Id
    line: Annotated[int, Meta(ge=1, le=9999)] = 1
    sku: Sku
    store: Annotated[str, Meta(min_length=1, max_length=40)]
    location: Annotated[str, Meta(min_length=1, max_length=40)] = "shop"
    qty: Qty
    keeper: Literal["store", "cloud"] = "store"
    ask: bool = False

    @property
    def place(self) -> Place:
        """Where the goods are."""
        return Place(self.sku, self.store, self.location)


class Promised(Struct, frozen=True, omit_defaults=True):
    """How it ended; `left` is what may still be promised there, `asked` what the store was asked for."""

    status: Literal["created", "repeated", "refused"]
    promise_id: str
    left: int
    asked: int = 0


class Standing(Struct, frozen=True):
    """A promise as it stands."""

    promise_id: str
    order_id: str
    line: int
    sku: str
    store: str
    location: str
    n: int
    holder: str
    keeper: str
    seq: int
    ending: str

    @property
    def place(self) -> Place:
        """Where the goods are."""
        return Place(self.sku, self.store, self.location)

    def for_rules(self, own: Replica) -> Promise:
        """The same for the rules, under the promise's own name; what this cloud keeps, this life of it keeps."""
        keeper = own.rep if self.keeper == own.store else self.keeper
        return Promise(self.promise_id, self.seq, self.n, keeper, End(self.ending) if self.ending else None)


class _Question(NamedTuple):
    asked_id: str
    wants: str
    place: Place
    qty: int
    taker: str
    wanted: int = 0


_end = msgspec.json.Decoder(PromiseEndFact)


def promise(tx: Connection, own: Replica, wanted: PromiseRequest, *, now_ms: int) -> Promised:
    """Promise goods on this cloud's right; raise RuleError for a known id with other content."""
    place, before = wanted.place, find_promise(tx, wanted.promise_id)
    known = known_of(tx, place)
    left = rights.unspent_of(known.state, own.rep)
    if before is not None:
        if not _is_same(before, wanted, own):
            raise RuleError("other_content", "/promise_id", f"promise {wanted.promise_id} is known with other content")
        return Promised("repeated", wanted.promise_id, left)
    free = left - kept_of(tx, place, but=wanted.promise_id)
    if wanted.qty > free:
        asked = _ask_for(tx, own, wanted, wanted.qty - max(0, free)) if wanted.ask else 0
        return Promised("refused", wanted.promise_id, max(0, free), asked)
    spent = rights.spend(known.state, own.rep, wanted.qty, outlet=Outlet.SPENT, policy=SpendPolicy.STRICT)
    write_change(tx, own, place, known, spent.state)
    _write_promise(tx, own, wanted, now_ms=now_ms)
    close_asked(tx, own, wanted.promise_id)
    failpoints.hit("cloud.promised")
    return Promised("created", wanted.promise_id, left - wanted.qty)


def cancel(tx: Connection, own: Replica, promise_id: str, *, now_ms: int) -> Literal["ended", "asked"] | None:
    """End a promise whose order is called off, or ask its keeper to; None for one that is not known.

    Raise RuleError for one that was picked.
    """
    was_waiting = close_asked(tx, own, promise_id)
    standing = find_promise(tx, promise_id)
    if standing is None:
        return "ended" if was_waiting else None
    if standing.ending == End.GIVEN_BACK:
        return "ended"
    if not standing.ending and standing.keeper != own.store:
        ask_release(tx, own, standing)
        return "asked"
    ended = end_promise(standing.for_rules(own), End.GIVEN_BACK, by=own.rep)
    known = known_of(tx, standing.place)
    write_change(tx, own, standing.place, known, rights.give_back(known.state, own.rep, ended.qty))
    write_ending(tx, own, standing, why="called off", now_ms=now_ms)
    failpoints.hit("cloud.given_back")
    return "ended"


def take_endings(tx: Connection, own: Replica, facts: list[tuple[int, bytes]]) -> set[Place]:
    """Take how stores ended promises: (feed number, row). Each ends once, given back on our right. Return the places."""
    places = set()
    for n, body in facts:
        try:
            fact = _end.decode(body)
        except NOT_JSON:
            continue  # a promise, or a row that nobody here can read
        standing = find_promise(tx, fact.promise_id)
        if standing is None or standing.ending or _is_second(tx, n, fact.promise_id):
            continue
        back = standing.n if fact.ending == "given_back" else min(fact.left, standing.n)
        if back:
            known = known_of(tx, standing.place)
            write_change(tx, own, standing.place, known, rights.give_back(known.state, own.rep, back))
        _set_ending(tx, standing.promise_id, fact.ending)
        close_asked(tx, own, _release_id(standing.promise_id))
        places.add(standing.place)
    return places


def find_promise(read: Connection, promise_id: str) -> Standing | None:
    """Return a promise as it stands."""
    row = read.execute(
        """
        SELECT promise_id, order_id, line, sku, store, location, n, holder, keeper, seq, ending
        FROM promise WHERE promise_id = ?
        """,
        (promise_id,),
    ).fetchone()
    return Standing(*row) if row else None


def place_of(read: Connection, promise_id: str) -> Place | None:
    """Return where the goods of a promise are, or of an order that has asked for them; None for an unknown one."""
    row = read.execute(
        """
        SELECT sku, store, location FROM promise WHERE promise_id = ?1
        UNION SELECT sku, store, location FROM asked WHERE asked_id = ?1
        """,
        (promise_id,),
    ).fetchone()
    return Place(*row) if row else None


def open_promises(read: Connection, place: Place) -> list[Standing]:
    """Return the open promises of a place, in the order of their allocation."""
    rows = read.execute(
        """
        SELECT promise_id, order_id, line, sku, store, location, n, holder, keeper, seq, ending
        FROM promise WHERE sku = ? AND store = ? AND location = ? AND ending = '' ORDER BY seq, promise_id
        """,
        place,
    )
    return [Standing(*row) for row in rows]


def kept_of(read: Connection, place: Place, *, but: str = "") -> int:
    """Return how much of our right waits for orders that had asked for it."""
    row = read.execute(
        """
        SELECT coalesce(sum(wanted), 0) FROM asked
        WHERE sku = ? AND store = ? AND location = ? AND gone = 0 AND wants = 'grant' AND asked_id <> ?
          AND taker LIKE (SELECT store FROM replica WHERE own = 1) || ':%'
        """,
        (*place, but),
    ).fetchone()
    kept: int = row[0]
    return kept


def write_ending(tx: Connection, own: Replica, standing: Standing, *, why: str, now_ms: int) -> None:
    """Write that a promise which we keep was given back."""
    fact = PromiseEndFact(
        promise_id=standing.promise_id, ending="given_back", by=own.rep, ended_at=_utc(now_ms), why=why
    )
    key = key_of("promise_end", standing.promise_id)
    write_fact(tx, own, standing.store, PROMISE_END, fact, key=key, now_ms=now_ms)
    _set_ending(tx, standing.promise_id, "given_back")
    close_asked(tx, own, _release_id(standing.promise_id))


def pick_own(tx: Connection, own: Replica, standing: Standing, *, left: int, now_ms: int) -> None:
    """End a promise that we keep by its goods, all but `left`, which were not there: the right to these comes back.

    The goods leave the level of their place in the same job; not here (sync.cloud.allocation.locations.leave).
    """
    taken = standing.n - left
    assert taken > 0, "a promise of which nothing is there is called off"
    end_promise(standing.for_rules(own), End.PICKED, by=own.rep)
    if left:
        known = known_of(tx, standing.place)
        write_change(tx, own, standing.place, known, rights.give_back(known.state, own.rep, left))
    fact = PromiseEndFact(
        promise_id=standing.promise_id,
        ending="picked",
        by=own.rep,
        ended_at=_utc(now_ms),
        stock=(StockEffect(standing.sku, standing.location, -taken),),
        picked=(StockEffect(standing.sku, standing.location, taken),),
        left=left,
    )
    key = key_of("promise_end", standing.promise_id)
    write_fact(tx, own, standing.store, PROMISE_END, fact, key=key, now_ms=now_ms)
    _set_ending(tx, standing.promise_id, "picked")


def ask_release(tx: Connection, own: Replica, standing: Standing) -> None:
    """Ask a store to end a promise that it keeps."""
    _ask(tx, own, _Question(_release_id(standing.promise_id), "release", standing.place, standing.n, own.rep))


def ask_grant(tx: Connection, own: Replica, place: Place, qty: int, taker: str, *, wanted: int, name: str) -> int:
    """Ask a store's hubs for rights; return how many were asked for, 0 where too many questions are open."""
    is_known = tx.execute("SELECT 1 FROM asked WHERE asked_id = ? AND gone = 0 AND qty = ?", (name, qty)).fetchone()
    if is_known:
        return qty
    count = tx.execute("SELECT count(*) FROM asked WHERE store = ? AND gone = 0", (place.store,)).fetchone()[0]
    if count >= ASKED_MAX:
        return 0
    _ask(tx, own, _Question(name, "grant", place, qty, taker, wanted))
    return qty


def close_asked(tx: Connection, own: Replica, asked_id: str) -> bool:
    """Say that we have what we asked for, or want it no more; whether we had asked."""
    row = tx.execute(
        """
        UPDATE asked SET gone = 1, n = n + 1 WHERE asked_id = ? AND gone = 0
        RETURNING asked_id, wants, sku, store, location, qty, taker, n
        """,
        (asked_id,),
    ).fetchone()
    if row is not None:
        _send_asked(tx, own, row, gone=True)
    return row is not None


def write_fact(
    tx: Connection, own: Replica, store: str, entity: Entity, fact: Struct, *, key: str, now_ms: int
) -> None:
    """Write a fact of our own, which goes to a store, and which head office reads in its feed under this key."""
    seq = put_row(tx, own, store, entity, fact)
    numbers = number_rows(tx, entity.stream, Feed.LOG, 1)
    tx.execute(
        "INSERT INTO fact (stream, n, replica, seq, received_ms, body) VALUES (?, ?, ?, ?, ?, ?)",
        (numbers.feed_id, numbers.first, own.local_id, seq, now_ms, msgspec.json.encode(fact)),
    )
    tx.execute("INSERT INTO fact_key (stream, key, n) VALUES (?, ?, ?)", (numbers.feed_id, key, numbers.first))


def _write_promise(tx: Connection, own: Replica, wanted: PromiseRequest, *, now_ms: int) -> None:
    seq = 1 + tx.execute("SELECT coalesce(max(seq), 0) FROM promise WHERE seq < ?", (SEQ_MAX,)).fetchone()[0]
    standing = Standing(
        wanted.promise_id,
        wanted.order_id,
        wanted.line,
        wanted.sku,
        wanted.store,
        wanted.location,
        wanted.qty,
        own.rep,
        own.store if wanted.keeper == "cloud" else next(iter(living_of(tx, wanted.store)), wanted.store),
        seq,
        "",
    )
    fact = PromiseFact(
        **{name: getattr(standing, name) for name in Standing.__struct_fields__ if name != "ending"},
        made_at=_utc(now_ms),
    )
    key = key_of("promise", wanted.promise_id)
    write_fact(tx, own, wanted.store, PROMISE, fact, key=key, now_ms=now_ms)
    names = Standing.__struct_fields__
    tx.execute(
        """
        INSERT INTO promise (promise_id, order_id, line, sku, store, location, n, holder, keeper, seq, ending)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [getattr(standing, name) for name in names],
    )


def _set_ending(tx: Connection, promise_id: str, ending: str) -> None:
    tx.execute("UPDATE promise SET ending = ? WHERE promise_id = ? AND ending = ''", (ending, promise_id))


def _ask_for(tx: Connection, own: Replica, wanted: PromiseRequest, missing: int) -> int:
    """Ask where there is a hub to answer."""
    if not living_of(tx, wanted.store):
        return 0
    return ask_grant(tx, own, wanted.place, missing, own.rep, wanted=wanted.qty, name=wanted.promise_id)


def _ask(tx: Connection, own: Replica, question: _Question) -> None:
    row = tx.execute(
        """
        INSERT INTO asked (asked_id, wants, sku, store, location, wanted, qty, taker, n, gone)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, 0)
        ON CONFLICT (asked_id) DO UPDATE SET
          wanted = excluded.wanted, qty = excluded.qty, taker = excluded.taker, n = n + 1, gone = 0
        WHERE gone = 1 OR (wanted, qty, taker) <> (excluded.wanted, excluded.qty, excluded.taker)
        RETURNING asked_id, wants, sku, store, location, qty, taker, n
        """,
        (question.asked_id, question.wants, *question.place, question.wanted, question.qty, question.taker),
    ).fetchone()
    if row is not None:
        _send_asked(tx, own, row, gone=False)


def _send_asked(tx: Connection, own: Replica, row: tuple[str, ...], *, gone: bool) -> None:
    asked_id, wants, sku, store, location, qty, taker, n = row
    said = {"asked_id": asked_id, "wants": wants, "sku": sku, "location": location, "qty": qty, "taker": taker, "n": n}
    put_own(tx, own, str(store), ASKED, msgspec.convert({**said, "gone": gone}, AskedRow))


def _release_id(promise_id: str) -> str:
    return f"release:{promise_id}"


def _is_same(standing: Standing, wanted: PromiseRequest, own: Replica) -> bool:
    said = (wanted.order_id, wanted.line, *wanted.place, wanted.qty, wanted.keeper == "cloud")
    return said == (standing.order_id, standing.line, *standing.place, standing.n, standing.keeper == own.store)


def _is_second(tx: Connection, n: int, promise_id: str) -> bool:
    """Whether the fact came under a key that another one had first."""
    first = tx.execute(
        "SELECT n FROM fact_key WHERE stream = (SELECT id FROM feed WHERE stream = ?) AND key = ?",
        (STREAM, key_of("promise_end", promise_id)),
    ).fetchone()
    return first is not None and first[0] != n


def _utc(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms / 1000, UTC)
