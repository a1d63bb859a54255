"""What follows from what a channel says. Functions of a write job, each whole in one transaction.

    an order's version   older than what stands, or the same again   nothing
                         open, no order here                         its goods are known: an order of this cloud. Else: waits
                         open, other goods or another address        ours still: cancelled and made anew, a revision.
                                                                     With a shop already: for a person
                         unpaid, test, fulfilled elsewhere           kept; what was made of it stays
                         cancelled                                   called off: ours at once, a shop's by request
    a cancellation before its order                                  kept; the older versions say nothing any more
    a refund                                                         noted once, whatever it came in
    a customer wants to be forgotten, or to know                     see sync.cloud.channels.forgetting
    whatever stands now                                              is a purchase in the same job (sync.cloud.channels.buying)

A version is newer by the shop's clock, then by what it wants, then by its digest: whatever the order of arrival, the same stands.
What stands is kept as received. Not here: HTTP and signatures (sync.cloud.web.channel_routes).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from sqlite3 import Connection
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from sync.cloud.channels.buying import book, hear, note_refund, withdraw
from sync.cloud.channels.exceptions import Raised, raise_one, solve
from sync.cloud.channels.forgetting import forget_customer, forget_shop, note_data_asked
from sync.cloud.channels.jobs import Job
from sync.cloud.channels.reading import order_id_of
from sync.cloud.channels.said import (
    RANK,
    ChannelOrder,
    ChannelRefund,
    ConsentSaid,
    DataAsked,
    Forget,
    ForgetShop,
    OrderGone,
    RefundLine,
    Said,
    Wish,
)
from sync.cloud.channels.settings import Channel
from sync.cloud.channels.skus import sku_of
from sync.cloud.orders import Known, call_off, create, find_order
from sync.cloud.rights.rights import Place
from sync.errors import RuleError
from sync.retail.orders.order_rows import ORDER_LINES_MAX, OrderFact, OrderKind, OrderLabelRow, OrderLine
from sync.retail.orders.orders import HANDED_OVER, OrderRequest, OrderState
from sync.retail.selling.sales import QTY_MAX

Result = Literal["repeated", "stale", "ignored", "taken", "waiting"]
DELIVERY_DAYS = 30
DAY_MS = 86_400_000


class Taken(Struct, frozen=True):
    """How it ended. `places`: where rights came free; `is_emptied`: something was, and stands in the write-ahead log still."""

    result: Result
    places: tuple[Place, ...] = ()
    is_emptied: bool = False


class _Stands(NamedTuple):
    changed_ms: int
    rank: int
    digest: bytes
    state: str
    order_id: str
    revision: int


def is_new_delivery(tx: Connection, channel: Channel, delivery_id: str, *, now_ms: int) -> bool:
    """Note a delivery; whether it is the first of this id."""
    row = tx.execute(
        """
        INSERT INTO channel_delivery (channel, delivery_id, received_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING
        RETURNING delivery_id
        """,
        (channel.name, delivery_id[:200], now_ms),
    ).fetchone()
    return row is not None


def take(job: Job, said: Sequence[Said]) -> Taken:
    """Take all that a delivery says."""
    results: list[Result] = []
    places: list[Place] = []
    is_emptied = False
    for each in said:
        if isinstance(each, ChannelOrder):
            taken = take_order(job, each)
        elif isinstance(each, OrderGone):
            taken = _take_gone(job, each)
        elif isinstance(each, ChannelRefund):
            taken = _take_refund(job, each)
        elif isinstance(each, Forget):
            forget_customer(job, each)
            taken = Taken("taken", is_emptied=True)
        elif isinstance(each, ForgetShop):
            forget_shop(job)
            taken = Taken("taken", is_emptied=True)
        elif isinstance(each, DataAsked):
            note_data_asked(job, each)
            taken = Taken("taken")
        elif isinstance(each, ConsentSaid):
            hear(job, each)
            taken = Taken("taken")
        else:
            taken = Taken("taken")
        results.append(taken.result)
        places += taken.places
        is_emptied |= taken.is_emptied
    return Taken(results[0] if results else "ignored", tuple(places), is_emptied)


def take_order(job: Job, said: ChannelOrder, *, again: bool = False) -> Taken:
    """Take a version of an order; `again`: it stands already, and what follows from it may be something else now."""
    digest = _digest(said)
    now = _keep(job, said, digest, again=again)
    if now is None:
        return _known(job, said, digest)
    book(job, said)
    if said.wish is Wish.CANCELLED:
        places = _cancel(job, said.channel_order_id, now.order_id, reason="cancelled")
        _set_state(job, said.channel_order_id, Wish.CANCELLED)
        return Taken("taken", places)
    if said.wish is not Wish.OPEN:
        if not now.order_id:
            _set_state(job, said.channel_order_id, said.wish)
        return Taken("taken")
    return _want(job, said, now)


def keep_short(tx: Connection, channel: Channel, *, now_ms: int) -> None:
    """Empty what was received long ago, and forget deliveries and words of customers who never ordered."""
    tx.execute(
        "UPDATE channel_order SET body = ? WHERE channel = ? AND received_ms < ? AND length(body) > 0",
        (b"", channel.name, now_ms - channel.keep_days * DAY_MS),
    )
    for table in ("channel_delivery", "channel_word"):
        tx.execute(
            f"DELETE FROM {table} WHERE channel = ? AND received_ms < ?",
            (channel.name, now_ms - DELIVERY_DAYS * DAY_MS),
        )


def _want(job: Job, said: ChannelOrder, now: _Stands) -> Taken:
    """Bring this cloud's order to what the channel's wants."""
    subject = f"order:{said.channel_order_id}"
    lines, missing = _goods(job, said)
    if missing or len(said.lines) > ORDER_LINES_MAX:
        detail = "; ".join(
            f"{line.title or line.items[0]} × {line.qty}" for line in said.lines if line.items[0] in missing
        )
        code = "channel_item" if missing else "channel_lines"
        raise_one(
            job.tx,
            job.channel.name,
            Raised(subject=subject, code=code, detail=detail, items=missing),
            now_ms=job.now_ms,
        )
        if not now.order_id:
            _set_state(job, said.channel_order_id, "waiting")
        return Taken("waiting")
    known = find_order(job.tx, now.order_id) if now.order_id else None
    if known is None and not lines:
        _set_state(job, said.channel_order_id, "no_goods")
        return Taken("taken")
    was_cancelled = now.state == Wish.CANCELLED
    if known is not None and not was_cancelled and _is_same(known, said, lines):
        solve(job.tx, job.channel.name, subject, reason="the versions agree")
        return Taken("taken")
    places: tuple[Place, ...] = ()
    if known is not None and not was_cancelled:
        if known.order.owner != job.own.rep:
            return _too_late(job, known, Raised(subject=subject, code="channel_edited", detail=said.number))
        places = _cancel(job, said.channel_order_id, now.order_id, reason="edited")
    if not lines:
        _set_state(job, said.channel_order_id, "no_goods")
        return Taken("taken", places)
    _make(job, said, lines, now.revision + 1)
    solve(job.tx, job.channel.name, subject, reason="an order was made")
    return Taken("taken", places)


def _known(job: Job, said: ChannelOrder, digest: bytes) -> Taken:
    """Say of a version that is no newer what it is. Of a file's, other content of the same date is for a person."""
    stands, version = _find(job, said.channel_order_id), (said.changed_ms, RANK[said.wish], digest)
    if stands is None or stands[:3] == version:
        return Taken("repeated")
    if said.is_undated and stands[:2] == version[:2]:
        raised = Raised(subject=f"order:{said.channel_order_id}", code="channel_edited", detail=said.number)
        raise_one(job.tx, job.channel.name, raised, now_ms=job.now_ms)
    return Taken("stale")


def _digest(said: ChannelOrder) -> bytes:
    """Return what tells versions of one moment apart. Of a file that is what is picked alone: who bought it is no edit."""
    fields = msgspec.structs.asdict(said)
    bought = fields.pop("bought")
    told = msgspec.json.encode(fields) + (b"" if said.is_undated else msgspec.json.encode(bought))
    return blake2b(told, digest_size=16).digest()


def _goods(job: Job, said: ChannelOrder) -> tuple[tuple[OrderLine, ...], tuple[str, ...]]:
    """Return the lines in our words, and the names for which there is no SKU of ours."""
    lines, missing = [], []
    for number, line in enumerate(said.lines, 1):
        sku = sku_of(job.tx, job.channel, line.items)
        if sku is None or line.qty > QTY_MAX:
            missing.append(line.items[0])
        else:
            lines.append(OrderLine(line=number, sku=sku, qty=line.qty))
    return tuple(lines), tuple(dict.fromkeys(missing))


def _is_same(known: Known, said: ChannelOrder, lines: tuple[OrderLine, ...]) -> bool:
    """Whether an order is what the channel wants. The label of a closed one is emptied: it says nothing."""
    goods = sorted((line.sku, line.qty) for line in known.fact.lines) == sorted((line.sku, line.qty) for line in lines)
    if not goods or known.fact.kind is not said.kind:
        return False
    return known.order.is_closed or known.label is None or (known.label.name, known.label.address) == _label(said)


def _too_late(job: Job, known: Known, raised: Raised) -> Taken:
    """An edit of an order that a shop has: fewer goods of one that was handed over is what a refund looks like."""
    if known.order.state not in HANDED_OVER:
        raise_one(job.tx, job.channel.name, raised, now_ms=job.now_ms)
    return Taken("taken")


def _make(job: Job, said: ChannelOrder, lines: tuple[OrderLine, ...], revision: int) -> None:
    order_id = order_id_of(job.channel.name, said.channel_order_id, revision)
    fact = OrderFact(
        order_id=order_id,
        kind=said.kind,
        lines=lines,
        note=f"{job.channel.name} {said.number}",
        made_by=job.own.rep,
        made_at=_utc(job.now_ms),
    )
    name, address = _label(said)
    create(job.tx, job.own, fact, OrderLabelRow(order_id=order_id, name=name, address=address), now_ms=job.now_ms)
    job.tx.execute(
        """
        UPDATE channel_order SET state = 'made', order_id = ?, revision = ? WHERE channel = ? AND channel_order_id = ?
        """,
        (order_id, revision, job.channel.name, said.channel_order_id),
    )


def _label(said: ChannelOrder) -> tuple[str, str]:
    """Return what the label needs: who comes to a shop has no address there."""
    return said.name, "" if said.kind is OrderKind.CLICK_AND_COLLECT else said.address


def _cancel(job: Job, channel_order_id: str, order_id: str, *, reason: str) -> tuple[Place, ...]:
    """Call this cloud's order off, if there is one; one that was handed over is for a person."""
    subject = f"order:{channel_order_id}"
    known = find_order(job.tx, order_id) if order_id else None
    if known is None or known.order.state in (OrderState.CANCELLED, OrderState.EXPIRED):
        solve(job.tx, job.channel.name, subject, reason=reason)
        return ()
    wanted = OrderRequest(
        request_id=f"{order_id}.off",
        order_id=order_id,
        wants=OrderState.CANCELLED,
        by=job.own.rep,
        reason=f"{reason} at {job.channel.name}",
        at=_utc(job.now_ms),
    )
    try:
        done = call_off(job.tx, job.own, wanted, now_ms=job.now_ms)
    except RuleError as err:
        raised = Raised(subject=subject, code="channel_cancelled_late", detail=f"{order_id}: {err.detail}")
        raise_one(job.tx, job.channel.name, raised, now_ms=job.now_ms)
        return ()
    solve(job.tx, job.channel.name, subject, reason=reason)
    return done[1] if done else ()


def _take_gone(job: Job, said: OrderGone) -> Taken:
    """An order was deleted at the shop: no version of it that was made before says anything any more."""
    stands = _find(job, said.channel_order_id)
    if stands is not None and stands.state == Wish.CANCELLED:
        return Taken("repeated")
    places: tuple[Place, ...] = ()
    if stands is not None:
        places = _cancel(job, said.channel_order_id, stands.order_id, reason="deleted")
    withdraw(job, said.channel_order_id)
    job.tx.execute(
        """
        INSERT INTO channel_order (
          channel, channel_order_id, number, changed_ms, rank, digest, state, order_id, revision, currency, total,
          received_ms, topic, body
        ) VALUES (?, ?, ?, ?, ?, ?, ?, '', 0, ?, 0, ?, ?, ?)
        ON CONFLICT (channel, channel_order_id) DO UPDATE SET
          changed_ms = CASE WHEN channel_order.changed_ms < excluded.changed_ms
            THEN excluded.changed_ms ELSE channel_order.changed_ms END,
          rank = excluded.rank, state = excluded.state
        """,
        (
            *(job.channel.name, said.channel_order_id, said.channel_order_id, job.now_ms, RANK[Wish.CANCELLED], b""),
            *(str(Wish.CANCELLED), job.channel.currency, job.now_ms, job.received.topic, job.received.body),
        ),
    )
    return Taken("taken", places)


def _take_refund(job: Job, said: ChannelRefund) -> Taken:
    if not note_refund(job, said):
        return Taken("repeated")
    stands = _find(job, said.channel_order_id)
    known = find_order(job.tx, stands.order_id) if stands and stands.order_id else None
    if known is not None and known.order.state in HANDED_OVER and _comes_back(said.lines):
        raised = Raised(
            subject=f"refund:{said.refund_id}",
            code="channel_goods_back",
            detail=f"{known.fact.order_id}, {known.store}: "
            + ", ".join(f"{each.qty}" for each in said.lines if each.comes_back),
        )
        raise_one(job.tx, job.channel.name, raised, now_ms=job.now_ms)
    return Taken("taken")


def _comes_back(lines: tuple[RefundLine, ...]) -> bool:
    return any(each.comes_back for each in lines)


def _find(job: Job, channel_order_id: str) -> _Stands | None:
    row = job.tx.execute(
        """
        SELECT changed_ms, rank, digest, state, order_id, revision FROM channel_order
        WHERE channel = ? AND channel_order_id = ?
        """,
        (job.channel.name, channel_order_id),
    ).fetchone()
    return _Stands(*row) if row else None


def _keep(job: Job, said: ChannelOrder, digest: bytes, *, again: bool) -> _Stands | None:
    """Let a version stand, where it is newer than what does; return what was made of the order so far, None where it is not."""
    rank = RANK[said.wish]
    row = job.tx.execute(
        """
        INSERT INTO channel_order (
          channel, channel_order_id, number, changed_ms, rank, digest, state, order_id, revision, currency, total,
          received_ms, topic, body
        ) VALUES (?, ?, ?, ?, ?, ?, '', '', 0, ?, ?, ?, ?, ?)
        ON CONFLICT (channel, channel_order_id) DO UPDATE SET
          number = excluded.number, changed_ms = excluded.changed_ms, rank = excluded.rank, digest = excluded.digest,
          currency = excluded.currency, total = excluded.total, received_ms = excluded.received_ms, topic = excluded.topic,
          body = excluded.body
        WHERE ? = 1
          OR (excluded.changed_ms, excluded.rank) > (channel_order.changed_ms, channel_order.rank)
          OR (? = 0 AND (excluded.changed_ms, excluded.rank) = (channel_order.changed_ms, channel_order.rank)
            AND excluded.digest > channel_order.digest)
        RETURNING state, order_id, revision
        """,
        (
            *(job.channel.name, said.channel_order_id, said.number, said.changed_ms, rank, digest),
            *(said.currency, said.total, job.now_ms, job.received.topic, job.received.body),
            *(int(again), int(said.is_undated)),
        ),
    ).fetchone()
    return _Stands(said.changed_ms, rank, digest, *row) if row else None


def _set_state(job: Job, channel_order_id: str, state: str) -> None:
    job.tx.execute(
        "UPDATE channel_order SET state = ? WHERE channel = ? AND channel_order_id = ?",
        (str(state), job.channel.name, channel_order_id),
    )


def _utc(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms / 1000, UTC)
