"""Coupons at the shop: what is known of a serial, whether it may be redeemed, redemptions in the sale's own job, releases.

    the serial        made now                                    has happened (`offline`)
    unknown here      refused                                     accepted, and in the manager's list
    not valid         refused                                     accepted, and in the manager's list
    used up           refused: as far as this shop knows, or      accepted, and in the manager's list
                      the cloud has said so
    right here        held                                        held
    no right          conditional under the cap of the day,       conditional; beyond the cap in the manager's list
                      else refused

A shop without a cloud is the only holder there is. Functions of a write job, and of reads. Not here: asking the cloud
(hub.coupons), rules (sync.retail.people.coupons), HTTP.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from sqlite3 import Connection
from typing import Literal

import msgspec
from msgspec import Struct

from hub.errors import ConflictError, RefusedError
from hub.store.model import Shop
from hub.store.people.coupon_serials import Known, batch_with, known_serial
from hub.store.people.people import tier_of
from sync import failpoints
from sync.model import Dot, Replica
from sync.retail.people.coupon_rows import REDEMPTION, RELEASE
from sync.retail.people.coupons import (
    Basket,
    RedemptionFact,
    ReleaseFact,
    Verdict,
    check,
    exposed,
    may_redeem,
    redemption_id_of,
)
from sync.retail.selling.sales import Sale, SaleLine, Warned, amount_of
from sync.retail.undo import SEEN_MAX
from sync.retail.windows import At
from sync.store.writing import record_fact


class Against(Struct, frozen=True):
    """Why a coupon is refused."""

    code: str
    said: str


_AGAINST = {
    "window": Against("coupon_window", "the coupon is not valid today or at this hour"),
    "currency": Against("coupon_currency", "the coupon is in another currency"),
    "product": Against("coupon_product", "nothing in the basket is what the coupon is for"),
    "spend": Against("coupon_spend", "the basket does not reach the coupon's minimum"),
    "member": Against("coupon_member", "the coupon is for members, or for a tier"),
    "amount": Against("coupon_too_much", "the coupon does not take off so much"),
    "unknown": Against("coupon_unknown", "no such coupon is known here"),
    "not_issued": Against("coupon_not_issued", "the serial was not issued"),
    "used": Against("coupon_used", "no use of the serial is left"),
    "no_right": Against(
        "coupon_no_right",
        "this shop holds no use of the serial, and what it may accept without one is used up for the day",
    ),
}


class CouponTerms(Struct, frozen=True):
    """What holds for coupons now. `exposed_max`: minor units a day without a right; `denied`: serials of which the cloud said no.

    `is_alone`: there is no cloud, so that nobody else redeems.
    """

    exposed_max: int = 0
    is_alone: bool = False
    denied: frozenset[str] = frozenset()


class Examined(Struct, frozen=True):
    """What came of looking: `against` are the words of refusal, none for a coupon that may be redeemed; `is_held`: by right."""

    verdict: Verdict
    against: tuple[str, ...] = ()
    is_by_grace: bool = False
    is_held: bool = False


class Wish(Struct, frozen=True, kw_only=True):
    """A serial that somebody wants to redeem; without a basket only the serial itself is looked at."""

    serial: str
    amount: int
    basket: Basket | None
    at: At
    business_date: str


class Redeemed(Struct, frozen=True):
    """A redemption as it stands in the books."""

    fact: RedemptionFact
    dot: Dot
    status: Literal["created", "repeated"]


def examine(
    read: Connection, own: Replica, wish: Wish, *, terms: CouponTerms, shop: Shop, is_line_up: bool = False
) -> Examined:
    """Return what to do about a wish: with the line up, `ask` where the cloud is to be asked first."""
    known = known_serial(read, own, wish.serial, is_alone=terms.is_alone)
    if known is None:
        return Examined(Verdict.REFUSED, ("unknown",))
    against, is_by_grace = _against(read, known, wish)
    left = known.left(own.rep)
    if left <= 0 and (known.is_used_up or wish.serial in terms.denied):
        return Examined(Verdict.REFUSED, (*against, "used"), is_by_grace)
    verdict = may_redeem(
        uses_left=left,
        amount=wish.amount,
        is_line_up=is_line_up,
        exposed=0 if left > 0 else exposed_on(read, shop.store_id, wish.business_date),
        exposed_max=terms.exposed_max,
    )
    if verdict is Verdict.REFUSED:
        against = (*against, "no_right")
    elif verdict is Verdict.HELD and not known.is_issued:
        against = (*against, "not_issued")
    return Examined(Verdict.REFUSED if against else verdict, against, is_by_grace, is_held=left > 0)


def redeem_in_sale(
    tx: Connection,
    own: Replica,
    shop: Shop,
    sale: Sale,
    *,
    terms: CouponTerms,
    at: At,
    business_date: str,
) -> tuple[Warned, ...]:
    """Redeem the coupons of a sale that is booked in this job; raise RefusedError. What has happened is never refused.

    What the store's other hub has redeemed for the same sale came before it, in a stream of its own, and is not written twice.
    """
    warnings: list[Warned] = []
    for index, coupon in enumerate(sale.coupons):
        redemption_id = redemption_id_of(sale.sale_id, coupon.serial)
        if (before := find_redemption(tx, redemption_id)) is not None:
            warnings += _warnings(before.fact)
            continue
        basket = basket_of(sale, coupon.serial)
        wish = Wish(serial=coupon.serial, amount=coupon.amount, basket=basket, at=at, business_date=business_date)
        found = examine(tx, own, wish, terms=terms, shop=shop)
        if found.against and not sale.offline:
            raise _refused(found, coupon.serial, f"/coupons/{index}/serial")
        fact = _fact_of(tx, own, shop, wish, found, redemption_id=redemption_id)
        _write(tx, own, msgspec.structs.replace(fact, sale_id=sale.sale_id))
        warnings += _warnings(fact)
    return tuple(warnings)


def redeem_alone(
    tx: Connection, own: Replica, shop: Shop, wish: Wish, *, terms: CouponTerms, redemption_id: str, has_happened: bool
) -> Redeemed:
    """Redeem a serial without a sale; raise RefusedError, ConflictError for a known id with other content."""
    before = find_redemption(tx, redemption_id)
    if before is not None:
        if (before.fact.serial, before.fact.amount, before.fact.sale_id) != (wish.serial, wish.amount, None):
            detail = f"redemption {redemption_id} is known with other content"
            raise ConflictError("other_content", detail, pointer="/redemption_id")
        return before
    found = examine(tx, own, wish, terms=terms, shop=shop)
    if found.against and not has_happened:
        raise _refused(found, wish.serial, "")
    fact = _fact_of(tx, own, shop, wish, found, redemption_id=redemption_id)
    return Redeemed(fact, _write(tx, own, fact), "created")


def release_of_sale(tx: Connection, own: Replica, sale_id: str, *, because: str) -> None:
    """Undo what a sale redeemed; `because` is the id of the return that took all of it back."""
    rows = tx.execute(
        """
        SELECT redemption.serial, store || ':' || incarnation, seq FROM redemption
        JOIN replica ON replica.id = redemption.replica WHERE sale_id = ? ORDER BY redemption.serial, seq
        """,
        (sale_id,),
    ).fetchall()
    by_serial: dict[str, list[Dot]] = {}
    for serial, rep, seq in rows:
        by_serial.setdefault(serial, []).append(Dot(rep, REDEMPTION.stream, seq))
    for serial, dots in by_serial.items():
        release_id = _release_id(because, serial)
        if (known := _known_release(tx, release_id)) is not None:
            # the return's own words came before it from another machine; what that one had not seen is released beside them
            dots = [dot for dot in dots if dot not in known.seen]  # noqa: PLW2901 - the rest of them
            release_id = _release_id(because, serial, own.rep)
        if not dots or _known_release(tx, release_id) is not None:
            continue
        seen = tuple(dots[:SEEN_MAX])
        record_fact(tx, own, RELEASE, ReleaseFact(release_id=release_id, serial=serial, sale_id=sale_id, seen=seen))
        failpoints.hit("coupon.released")


def _release_id(*said: str) -> str:
    return f"release-{blake2b(' '.join(said).encode(), digest_size=16).hexdigest()}"


def _known_release(read: Connection, release_id: str) -> ReleaseFact | None:
    row = read.execute("SELECT body FROM coupon_release WHERE release_id = ?", (release_id,)).fetchone()
    return msgspec.json.decode(row[0], type=ReleaseFact) if row else None


def find_redemption(read: Connection, redemption_id: str) -> Redeemed | None:
    """Return a redemption by its id."""
    row = read.execute(
        """
        SELECT body, store || ':' || incarnation, seq FROM redemption
        JOIN replica ON replica.id = redemption.replica WHERE redemption_id = ?
        """,
        (redemption_id,),
    ).fetchone()
    if row is None:
        return None
    return Redeemed(
        msgspec.json.decode(row[0], type=RedemptionFact), Dot(row[1], REDEMPTION.stream, row[2]), "repeated"
    )


def basket_of(sale: Sale, serial: str) -> Basket:
    """Return what a coupon of a sale is held against."""
    return basket_of_lines(sale.currency, sale.lines, serial, member_id=sale.member_id)


def basket_of_lines(currency: str, lines: Sequence[SaleLine], serial: str, *, member_id: str | None) -> Basket:
    """Return what a coupon is held against: lines after all discounts but its own."""
    own = [taken_off((line,), serial) for line in lines]
    return Basket(
        currency,
        tuple((line.sku, amount_of(line) + part) for line, part in zip(lines, own, strict=True)),
        member_id,
    )


def taken_off(lines: Sequence[SaleLine], serial: str) -> int:
    """Return what the discounts of these lines that name a coupon add up to."""
    return sum(
        part.amount for line in lines for part in line.discounts if part.kind == "coupon" and part.reference == serial
    )


def _against(read: Connection, known: Known, wish: Wish) -> tuple[tuple[str, ...], bool]:
    """Return why a coupon is not valid for a basket, and whether it is so by grace only."""
    definition = known.definition
    basket = wish.basket
    if basket is None:  # a gift: nothing is bought, so that only the days and the amount count
        basket = Basket(definition.currency, ((next(iter(definition.skus), "-"), definition.amount_max),))
        definition = msgspec.structs.replace(definition, spend_min=0, members_only=False, tiers=())
    elif definition.tiers:  # the shop's register says which, whatever a till has sent
        tier = tier_of(read, basket.member_id) if basket.member_id is not None else ""
        basket = msgspec.structs.replace(basket, tier=tier)
    checked = check(
        definition,
        basket,
        wish.at.moment,
        amount=wish.amount,
        is_sure=wish.at.is_sure,
        grace_ms=wish.at.grace_ms,
    )
    return tuple(str(each) for each in checked.refusals), checked.is_by_grace


def _refused(found: Examined, serial: str, pointer: str) -> RefusedError:
    first = _AGAINST[found.against[0]]
    return RefusedError(first.code, f"{serial}: {first.said}", pointer=pointer)


def _fact_of(
    tx: Connection, own: Replica, shop: Shop, wish: Wish, found: Examined, *, redemption_id: str
) -> RedemptionFact:
    batch = batch_with(tx, wish.serial)
    return RedemptionFact(
        redemption_id=redemption_id,
        serial=wish.serial,
        coupon_id=batch.coupon_id if batch else None,
        store=shop.store_id,
        rep=own.rep,
        amount=wish.amount,
        currency=shop.currency,
        business_date=wish.business_date,
        conditional=not found.is_held,
        by_grace=found.is_by_grace,
        against=found.against,
    )


def _write(tx: Connection, own: Replica, fact: RedemptionFact) -> Dot:
    dot = record_fact(tx, own, REDEMPTION, fact)
    failpoints.hit("coupon.redeemed")
    return dot


def _warnings(fact: RedemptionFact) -> Iterator[Warned]:
    for word in fact.against:
        yield Warned(_AGAINST[word].code, detail=f"{fact.serial}: {_AGAINST[word].said}")
    if fact.conditional and not fact.against:
        yield Warned("coupon_conditional", detail=fact.serial)
    if fact.by_grace:
        yield Warned("by_grace", detail=f"coupon {fact.serial}, by a clock that is not sure")


def exposed_on(read: Connection, store: str, business_date: str) -> int:
    """Return what a store accepted without a right on a trading day."""
    rows = read.execute("SELECT body FROM redemption WHERE business_date = ?", (business_date,))
    facts = (msgspec.json.decode(body, type=RedemptionFact) for (body,) in rows)
    return exposed(facts, store, business_date)
