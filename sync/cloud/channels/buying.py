"""Orders of channels as purchases of persons, in the job in which they are taken. Functions of a write job.

    stands of the order          the purchase is
    open, fulfilled elsewhere    what was bought, less what was refunded or taken out of it since
    cancelled                    what was bought, all of it back
    unpaid, a trial, deleted     none

It is worked out anew from what stands of the order and all refunds that were noted: what came first means nothing. Goods that
nobody knows yet go by the channel's own name of them. Of a refund its lines count; of one that names none, its money, which is
all goods back once it is all money. What a web shop's own till has sold was bought in a shop. A guest who has left nothing
buys as nobody. What is kept earns points, where the channel says so, by the rule that stood when it was bought.

A yes to marketing that a channel knows is no answer to a no that was said since. Personal data goes to the member's register.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import blake2b
from sqlite3 import Connection
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sync.cloud.channels.exceptions import Raised, raise_one, solve
from sync.cloud.channels.jobs import Job
from sync.cloud.channels.said import Bought, Buyer, ChannelOrder, ChannelRefund, ConsentSaid, RefundLine, Wish
from sync.cloud.channels.skus import sku_of
from sync.cloud.persons.arriving import look_at_people
from sync.cloud.persons.earning import settle_points
from sync.cloud.persons.joining import Customer, find, say_once, take_customer
from sync.cloud.persons.people import consents_of, person_ids
from sync.cloud.persons.purchases import Back, Purchase, remove, set_backs, set_purchase
from sync.errors import RuleError
from sync.retail.people.identities import KINDS, is_region
from sync.retail.people.points import PointsRule, points_due
from sync.retail.selling.sales import AMOUNT_MAX, LINES_MAX, POINTS_MAX, QTY_MAX

SKU_CHARS_MAX = 64
NOT_BOUGHT = frozenset({Wish.UNPAID, Wish.TEST})
MONEY = 0  # the line of what was given back for no goods in particular
_KIND = re.compile(r"[a-z][a-z0-9_]{0,27}")


class _Goods(Struct, frozen=True):
    """A line of a purchase. `gone`: as in what was bought."""

    line_id: str
    qty: int
    amount: int
    gone: int


class _Kept(Struct, frozen=True):
    """What is needed of an order when a refund comes by itself. `earns`: the rule of points when it was bought."""

    is_cancelled: bool
    currency: str
    goods: tuple[_Goods, ...]
    earns: PointsRule | None = None


class _Refund(NamedTuple):
    """A refund as it was noted. `goods`: the money of one that names no lines."""

    refund_id: str
    currency: str
    goods: int
    lines: tuple[RefundLine, ...]


_kept = msgspec.json.Decoder(_Kept).decode
_lines = msgspec.json.Decoder(tuple[RefundLine, ...]).decode


def book(job: Job, said: ChannelOrder) -> None:
    """Bring the purchase to a version of its order that stands now."""
    bought = said.bought
    lines = () if bought is None else _lines_of(job, bought)
    if bought is None or not lines or said.wish in NOT_BOUGHT:
        withdraw(job, said.channel_order_id)
        return
    _note_unread(job, said.channel_order_id, bought.unread)
    before = job.tx.execute(
        "SELECT member_id, bought_ms FROM purchase WHERE channel = ? AND purchase_id = ?",
        (job.channel.name, said.channel_order_id),
    ).fetchone() or ("", job.now_ms)
    purchase = Purchase(
        channel=job.channel.name,
        purchase_id=said.channel_order_id,
        member_id=_member(job, bought.buyer, erased=before[0])
        if bought.buyer
        else (before[0] if bought.is_anonymous else ""),
        store=job.channel.pos.get(bought.location, ""),
        in_shop=bought.in_shop,
        city=bought.city,
        currency=said.currency,
        lines=tuple((number, sku, goods.qty, goods.amount) for number, (sku, goods) in enumerate(lines, 1)),
        bought_ms=bought.bought_ms or before[1],
    )
    set_purchase(job.tx, purchase)
    stood = _find(job, said.channel_order_id)
    earns = job.channel.points if said.currency == job.channel.currency else None
    kept = _Kept(
        said.wish is Wish.CANCELLED,
        said.currency,
        tuple(goods for _, goods in lines),
        stood.earns if stood is not None else earns,
    )
    job.tx.execute(
        """
        INSERT INTO channel_bought (channel, channel_order_id, body) VALUES (?, ?, ?)
        ON CONFLICT (channel, channel_order_id) DO UPDATE SET body = excluded.body
        """,
        (job.channel.name, said.channel_order_id, msgspec.json.encode(kept)),
    )
    _give_back(job, said.channel_order_id, kept)


def withdraw(job: Job, channel_order_id: str) -> None:
    """Take the purchase away: nobody has bought this."""
    key = (job.channel.name, channel_order_id)
    found = job.tx.execute(
        "DELETE FROM channel_bought WHERE channel = ? AND channel_order_id = ? RETURNING channel", key
    ).fetchone()
    if found is not None:
        remove(job.tx, *key)
        settle_points(job.tx, job.own, *key, {}, now_ms=job.now_ms)


def note_refund(job: Job, said: ChannelRefund) -> bool:
    """Note a refund, and take it off the purchase if that is here; whether it is new."""
    row = job.tx.execute(
        """
        INSERT INTO channel_refund
          (channel, refund_id, channel_order_id, currency, amount, refunded_ms, lines, goods, ask_at_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING refund_id
        """,
        (
            *(job.channel.name, said.refund_id, said.channel_order_id, said.currency, said.amount, said.refunded_ms),
            *(msgspec.json.encode(said.lines), said.goods, 0 if said.is_sum else None),
        ),
    ).fetchone()
    if row is not None:
        work_out_backs(job, said.channel_order_id)
    return row is not None


def work_out_backs(job: Job, channel_order_id: str) -> None:
    """Bring a purchase to the refunds that are noted, if it is here."""
    kept = _find(job, channel_order_id)
    if kept is not None:
        _give_back(job, channel_order_id, kept)


def hear(job: Job, said: ConsentSaid) -> None:
    """Write a customer's word down; of who is not known yet it waits for the first order, the newest of several."""
    look_at_people(job.tx, job.own, now_ms=job.now_ms)
    known: list[str] = []
    with suppress(RuleError):
        known = find(job.tx, job.members, customer_kind(job.channel.name), said.customer_id)
    for member_id in known:
        _speak(job, member_id, said.choice, said.chosen_ms)
    chosen_ms = said.chosen_ms or (job.now_ms if said.choice == "out" else 0)
    if not known:
        job.tx.execute(
            """
            INSERT INTO channel_word (channel, customer_id, choice, chosen_ms, received_ms) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (channel, customer_id) DO UPDATE SET choice = excluded.choice, chosen_ms = excluded.chosen_ms
            WHERE excluded.chosen_ms > channel_word.chosen_ms
              OR (excluded.chosen_ms = channel_word.chosen_ms AND excluded.choice = 'out')
            """,
            (job.channel.name, said.customer_id, said.choice, chosen_ms, job.now_ms),
        )


def backs_of(kept: Sequence[_Goods], refunds: Sequence[_Refund], currency: str) -> list[Back]:
    """Return what is back of goods that are not cancelled: each line by the refunds that name it, what else is gone, money alone.

    No line gives back more than it has, nor the purchase more than it came to.
    """
    backs: list[Back] = []
    left = {goods.line_id: [goods.qty, goods.amount] for goods in kept}
    lines = {goods.line_id: (number, goods) for number, goods in reversed(list(enumerate(kept, 1)))}

    def give(return_id: str, line_id: str, wanted: int, money: int | None) -> None:
        number, goods = lines[line_id]
        before, owed = left[line_id]
        rest = max(0, before - wanted)
        part = goods.amount * (goods.qty - rest) // goods.qty - goods.amount * (goods.qty - before) // goods.qty
        amount = max(0, min(part if money is None else money, owed))
        left[line_id] = [rest, owed - amount]
        qty = before - rest
        if qty or amount:
            backs.append((return_id, number, qty, amount))

    for refund in refunds:
        for each in refund.lines:
            if each.line_id in lines:
                give(f"refund:{refund.refund_id}", each.line_id, each.qty, each.amount)
    for line_id, (_, goods) in sorted(lines.items(), key=lambda each: each[1][0]):
        give("edited", line_id, max(0, goods.gone - (goods.qty - left[line_id][0])), None)
    owed = sum(amount for _, amount in left.values())
    for refund in refunds:
        money = min(owed, refund.goods) if refund.currency == currency else 0
        if money > 0:
            backs.append((f"refund:{refund.refund_id}", MONEY, 0, money))
            owed -= money
            if not owed:
                backs += [("refunded", number, left[key][0], 0) for key, (number, _) in lines.items() if left[key][0]]
    return backs


def _find(job: Job, channel_order_id: str) -> _Kept | None:
    found = job.tx.execute(
        "SELECT body FROM channel_bought WHERE channel = ? AND channel_order_id = ?",
        (job.channel.name, channel_order_id),
    ).fetchone()
    return _kept(found[0]) if found else None


def _give_back(job: Job, channel_order_id: str, kept: _Kept) -> None:
    """Bring what is back, and what its member has earned, to how it stands."""
    if kept.is_cancelled:
        backs = [("cancelled", number, each.qty, each.amount) for number, each in enumerate(kept.goods, 1)]
    else:
        backs = backs_of(kept.goods, _refunds(job.tx, job.channel.name, channel_order_id), kept.currency)
    set_backs(job.tx, job.channel.name, channel_order_id, backs)
    if kept.earns is not None:
        member_id, amount = job.tx.execute(
            "SELECT member_id, amount - refunded FROM purchase WHERE channel = ? AND purchase_id = ?",
            (job.channel.name, channel_order_id),
        ).fetchone()
        due = {member_id: min(POINTS_MAX, points_due(kept.earns, amount))} if member_id else {}
        settle_points(job.tx, job.own, job.channel.name, channel_order_id, due, now_ms=job.now_ms)


def _refunds(read: Connection, channel: str, channel_order_id: str) -> list[_Refund]:
    rows = read.execute(
        """
        SELECT refund_id, currency, amount, goods, lines FROM channel_refund
        WHERE channel = ? AND channel_order_id = ? ORDER BY refunded_ms, refund_id
        """,
        (channel, channel_order_id),
    ).fetchall()
    told = ((refund_id, currency, amount, goods, _lines(lines)) for refund_id, currency, amount, goods, lines in rows)
    return [
        _Refund(refund_id, currency, goods if goods is not None else 0 if lines else amount, lines)
        for refund_id, currency, amount, goods, lines in told
    ]


def _lines_of(job: Job, bought: Bought) -> list[tuple[str, _Goods]]:
    """Return (SKU, goods); what no till could sell either is left out."""
    lines: list[tuple[str, _Goods]] = []
    names: set[str] = set()
    for number, each in enumerate(bought.lines[:LINES_MAX], 1):
        amount = max(0, each.amount)
        if 0 < each.qty <= QTY_MAX and amount <= AMOUNT_MAX:
            name = f"{each.line_id} ({number})" if each.line_id in names else each.line_id
            names.add(name)
            sku = sku_of(job.tx, job.channel, each.items) or each.items[0][:SKU_CHARS_MAX]
            lines.append((sku, _Goods(name, each.qty, amount, each.gone)))
    return lines


def _member(job: Job, buyer: Buyer, *, erased: str) -> str:
    """Return the member who bought, enrolled where nobody knows them; of one that was erased the id stays, as in all ledgers."""
    look_at_people(job.tx, job.own, now_ms=job.now_ms)
    rules = job.members
    if buyer.region and is_region(buyer.region):
        rules = replace(rules, region=buyer.region)
    said = Customer(
        channel=_kind_of(job.channel.name),
        customer_id=buyer.customer_id,
        name=buyer.name,
        phone=buyer.phone,
        email=buyer.email,
    )
    try:
        taken = take_customer(job.tx, job.own, rules, said, is_lenient=True, now_ms=job.now_ms)
    except RuleError:  # erased, no region, or known by nothing: the order has happened all the same
        return erased
    waited = job.tx.execute(
        "DELETE FROM channel_word WHERE channel = ? AND customer_id = ? RETURNING choice, chosen_ms",
        (job.channel.name, buyer.customer_id),
    ).fetchone()
    for choice, chosen_ms in ((buyer.choice, buyer.chosen_ms), waited or ("", 0)):
        if choice:
            _speak(job, taken.member_id, choice, chosen_ms)
    return taken.member_id


def _speak(job: Job, member_id: str, choice: Literal["in", "out"], chosen_ms: int) -> None:
    said = [fact for _, fact in consents_of(job.tx, person_ids(job.tx, member_id)) if fact.purpose == "marketing"]
    if choice == "in" and any(fact.choice == "out" and _ms(fact.at) >= chosen_ms for fact in said):
        return
    say_once(job.tx, job.own, member_id, "marketing", choice, how=job.channel.name, now_ms=job.now_ms)


def _note_unread(job: Job, channel_order_id: str, unread: tuple[str, ...]) -> None:
    """Tell a person of a customer who is not of the shape of one; the detail names fields, no values."""
    subject = f"customer:{channel_order_id}"
    if unread:
        raised = Raised(subject=subject, code="channel_customer", detail=", ".join(unread))
        raise_one(job.tx, job.channel.name, raised, now_ms=job.now_ms)
    else:
        solve(job.tx, job.channel.name, subject, reason="it can be read")


def customer_kind(channel: str) -> str:
    """Return the kind of identity that a channel's number of a customer is."""
    return f"{_kind_of(channel)}_id"


def _kind_of(channel: str) -> str:
    """Return a channel's name as identity kinds are named after it: my_shop of my-shop, a digest where that cannot be one."""
    named = channel.replace("-", "_")  # no channel's name has a _ of its own
    if _KIND.fullmatch(named) and f"{named}_id" not in KINDS:
        return named
    return f"c{blake2b(channel.encode(), digest_size=8).hexdigest()}"


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
