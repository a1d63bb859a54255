"""Goods back of a sale that is not in these books: who may take them, up to how much, and the word to the sale's own store.

    claim         needs                                                                            beyond it
    elsewhere     `[returns] elsewhere = "accept"`, the caps by return and by trading day, and     refused; what has happened is
                  an approval of `return_without_receipt`: the receipt's data were typed in        booked with a warning
    no receipt    the same approval; lines at no more than the price of now                        the same

Every one stands in the manager's list until a person closes it. Functions of a write job. Rules: sync.retail.selling.claims.
"""

from collections.abc import Callable
from sqlite3 import Connection
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from hub.errors import RefusedError
from hub.store.catalogue.pricing import at_moment, goods_of
from hub.store.model import Shop, utc
from hub.store.selling.sale_approvals import Authority
from hub.store.staff.approvals import authorise
from hub.store.staff.audit_trail import note
from hub.store.stock.kits import sold_effects
from sync.errors import RuleError
from sync.model import Replica
from sync.retail.catalogue.quotes import Goods, filled
from sync.retail.money import line_amount
from sync.retail.selling.claims import (
    RETURNED_ELSEWHERE,
    LineElsewhere,
    ReturnedElsewhere,
    SoldElsewhere,
    back_elsewhere,
    differing_line,
)
from sync.retail.selling.returns import Return, ReturnFact
from sync.retail.selling.sales import AMOUNT_MAX, Sale, SaleFact, SaleLine, Tender, Warned, amount_of, check_sums
from sync.store.writing import record_fact

Reason = Annotated[str, Meta(min_length=1, max_length=200)]


class ReturnRules(Struct, frozen=True, forbid_unknown_fields=True):
    """[returns]; `reasons`: the only ones there are, any text where none is named. Caps are in minor units."""

    elsewhere: Literal["refuse", "accept"] = "refuse"
    elsewhere_max_minor: Annotated[int, Meta(ge=0, le=AMOUNT_MAX)] = 0
    elsewhere_day_max_minor: Annotated[int, Meta(ge=0, le=AMOUNT_MAX)] = 0
    reasons: list[Reason] = []


class Proof(Struct, frozen=True):
    """What the cloud said of a sale that is claimed of another store: the sale, or in `unproved` why it did not."""

    sold: SoldElsewhere | None = None
    unproved: str = ""


class ReturnTerms(Struct, frozen=True):
    """What returns are held against: the shop's rules, and who stands at the till; without an `authority` nothing is asked.

    `is_sure`: the clock knows the time. `proof`: what the cloud said of a claim.
    """

    rules: ReturnRules = ReturnRules()
    authority: Authority | None = None
    actor: str = ""
    is_sure: bool = True
    proof: Proof = Proof()


NO_TERMS = ReturnTerms()


def claimed_sale(tx: Connection, shop: Shop, content: Return, *, now_ms: int, proof: Proof) -> SaleFact:
    """Return the sale as it is claimed; raise RefusedError for a claim that cannot be."""
    claim = content.claim
    assert claim is not None
    if claim.store == shop.store_id:
        raise RefusedError("claim_own_store", f"{claim.store} is this store", pointer="/claim/store")
    if claim.store is None and content.sale_id != content.return_id:
        detail = "without a receipt the return names itself as its sale"
        raise RefusedError("claim_sale", detail, pointer="/sale_id")
    known = goods_of(tx, shop, [line.sku for line in claim.lines], at_moment(shop, utc(now_ms), is_sure=True))
    lines = tuple(filled(line, known.get(line.sku)) for line in claim.lines)
    total = sum(amount_of(line) for line in lines)
    sale = Sale(
        sale_id=content.sale_id,
        till_id=content.till_id,
        currency=shop.currency,
        lines=lines,
        tenders=(Tender("cash", total),),
        total=total,
    )
    try:
        check_sums(sale)
    except RuleError as err:
        raise RefusedError(err.code, str(err), pointer=f"/claim{err.pointer}") from err
    _hold_proof(sale, proof)
    effects = sold_effects(tx, lines, known, shop.location)
    return SaleFact(sale=sale, receipt_no="", business_date="", committed_at=utc(now_ms), stock=effects)


def _hold_price(line: SaleLine, goods: Goods | None, *, at: str) -> None:
    if goods is None or goods.price is None or goods.unit != line.unit:
        raise RefusedError("unknown_sku", f"{line.sku} has no price here", pointer=f"{at}/sku")
    now = line_amount(goods.price.amount, line.qty, goods.price.per)
    if amount_of(line) > now:
        raise RefusedError(
            "claim_price", f"{line.sku} costs {now} now, not {amount_of(line)}", pointer=f"{at}/unit_price"
        )


def hold_claim(
    tx: Connection,
    shop: Shop,
    content: Return,
    sale: Sale,
    terms: ReturnTerms,
    *,
    refund: int,
    business_date: str,
    now_ms: int,
    has_happened: bool,
) -> tuple[Warned, ...]:
    """Hold a claim against the shop's rules, spend its approval; return the warning that flags it. Raise RefusedError."""
    claim = content.claim
    assert claim is not None
    said = f"sold at {claim.store}: {content.sale_id}" if claim.store else "without a receipt"
    flags = [Warned("returned_elsewhere" if claim.store else "no_receipt", detail=said)]
    try:
        if claim.store is None:
            _hold_prices(tx, shop, sale, now_ms=now_ms)
        else:
            _hold_caps(tx, claim.store, terms.rules, refund=refund, business_date=business_date)
        if terms.authority is not None:
            authorise(
                tx,
                terms.authority.rules,
                "return_without_receipt",
                claim.approval_id,
                role=terms.authority.role,
                subject=content.return_id,
                till_id=content.till_id,
                now_ms=now_ms,
            )
    except RefusedError as err:
        if not has_happened:
            raise RefusedError(err.code, err.detail, pointer=f"/claim{err.pointer}") from err
        flags.append(Warned(err.code, detail=err.detail))
    if terms.proof.unproved:
        flags.append(Warned("claim_unproved", detail=terms.proof.unproved))
    note(
        tx,
        actor=terms.actor,
        action="returned_on_claim",
        subject=content.return_id,
        reason=content.reason,
        now_ms=now_ms,
    )
    return tuple(flags)


def _hold_proof(sale: Sale, proof: Proof) -> None:
    at = differing_line(sale.lines, proof.sold) if proof.sold else None
    if at is not None:
        detail = f"line {sale.lines[at].line} was not sold so: GET /v1/receipts/{sale.sale_id}"
        raise RefusedError("claim_differs", detail, pointer=f"/claim/lines/{at}")


def back_before(
    tx: Connection, shop: Shop, content: Return, proof: Proof, *, here: Callable[[Connection, str], dict[int, int]]
) -> dict[int, int]:
    """Return line -> qty of what is back of a sale: here by any of its names, elsewhere as far as the cloud has heard."""
    if proof.sold is None:
        return here(tx, content.sale_id)
    total = back_elsewhere(proof.sold, own=shop.store_id)
    for name in {content.sale_id, proof.sold.sale_id, proof.sold.receipt_no}:
        for line, qty in here(tx, name).items():
            total[line] = total.get(line, 0) + qty
    return total


def _hold_prices(tx: Connection, shop: Shop, sale: Sale, *, now_ms: int) -> None:
    known = goods_of(tx, shop, [line.sku for line in sale.lines], at_moment(shop, utc(now_ms), is_sure=True))
    for index, line in enumerate(sale.lines):
        _hold_price(line, known.get(line.sku), at=f"/lines/{index}")


def _hold_caps(tx: Connection, store: str, rules: ReturnRules, *, refund: int, business_date: str) -> None:
    if rules.elsewhere == "refuse":
        raise RefusedError("elsewhere", f"goods that {store} sold are not taken back here", pointer="/store")
    if refund > rules.elsewhere_max_minor:
        raise RefusedError("elsewhere_cap", f"{refund}; at most {rules.elsewhere_max_minor} a return", pointer="/store")
    before = tx.execute(
        """
        SELECT coalesce(sum(body ->> '$.refund'), 0) FROM sale_return
        WHERE body ->> '$.return.claim' IS NOT NULL AND body ->> '$.return.claim.store' IS NOT NULL
          AND body ->> '$.business_date' = ?
        """,
        (business_date,),
    ).fetchone()[0]
    if before + refund > rules.elsewhere_day_max_minor:
        detail = f"{before} today and {refund}; at most {rules.elsewhere_day_max_minor} a day"
        raise RefusedError("elsewhere_cap", detail, pointer="/store")


def tell_seller(tx: Connection, own: Replica, fact: ReturnFact) -> None:
    """Write the fact that travels to the store that sold the goods."""
    content = fact.content
    if content.claim is None or content.claim.store is None:
        return
    told = ReturnedElsewhere(
        elsewhere_id=f"{own.store}:{content.return_id}",
        return_id=content.return_id,
        taker=own.store,
        seller=content.claim.store,
        sale=content.sale_id,
        lines=tuple(LineElsewhere(line.line, line.qty) for line in fact.lines),
        refund=fact.refund,
        currency=fact.currency,
        taken_at=fact.committed_at,
    )
    record_fact(tx, own, RETURNED_ELSEWHERE, told)


def taken_elsewhere(read: Connection, sale_id: str) -> list[ReturnedElsewhere]:
    """Return what other stores took back of a sale here, whatever its receipt was called by there."""
    rows = read.execute(
        """
        SELECT body FROM returned_elsewhere AS taken
        WHERE sale IN (SELECT ?1 UNION SELECT receipt_no FROM sale WHERE sale_id = ?1)
          AND NOT EXISTS (SELECT 1 FROM sale_return WHERE return_id = taken.body ->> '$.return_id')
        """,
        (sale_id,),
    ).fetchall()
    return [msgspec.json.decode(body, type=ReturnedElsewhere) for (body,) in rows]


def rates_of(read: Connection, shop: Shop, sale: Sale) -> dict[str, int]:
    """Return SKU -> rate of tax in basis points, by the categories of now."""
    skus = sorted({line.sku for line in sale.lines})
    rows = read.execute(
        "SELECT sku, category FROM product WHERE sku IN (SELECT value FROM json_each(?))",
        (msgspec.json.encode(skus).decode(),),
    ).fetchall()
    categories = dict(rows)
    return {sku: shop.tax.of(categories.get(sku)) for sku in skus}
