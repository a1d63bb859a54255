"""To which tender a refund may go: back to the one it was paid with, in cash where the shop says so. Pure.

    refund by a tender     at most what the sale was paid by it, less what went back to it before
    refund in cash         at most what was paid in cash, by what may be refunded in cash (`[tenders.NAME] refund_in_cash`), and
                           by goods that came back, less what of it went back otherwise; and STEPS_MAX steps of coins
    by an exchange         pays for other goods: any part of the refund; what it paid counts as paid by the tenders before it

Not here: the sum of a refund (sync.retail.selling.returns). Source: the design, section 3.3 (Return).
"""

from collections.abc import Iterable, Mapping

from sync.errors import RuleError
from sync.retail.money import CASH_STEP_MINOR
from sync.retail.selling.sales import EXCHANGED, Tender
from sync.retail.selling.tenders import TenderType

STEPS_MAX = 10  # each refund in cash is rounded by half a step at most; twenty of one sale are enough


def by_type(tenders: Iterable[Tender]) -> dict[str, int]:
    """Return tender -> sum."""
    sums: dict[str, int] = {}
    for tender in tenders:
        sums[tender.type] = sums.get(tender.type, 0) + tender.amount
    return sums


def passed_on(value: int, paid: Mapping[str, int], types: Iterable[TenderType]) -> dict[str, int]:
    """Return by which tenders an exchange's value was paid, `paid` being those of the goods that came back: cash is named last.

    So nobody makes cash of a card by an exchange between.
    """
    cash = {each.type for each in types if each.kind == "cash"}
    found: dict[str, int] = {}
    for name in sorted(paid, key=lambda each: (each in cash, each)):
        found[name] = min(paid[name], value)
        value -= found[name]
    return {name: amount for name, amount in found.items() if amount} | ({EXCHANGED: value} if value else {})


def check_refund_tenders(
    paid: Mapping[str, int],
    back: Iterable[Tender],
    before: Mapping[str, int],
    types: Iterable[TenderType],
    *,
    currency: str,
) -> None:
    """Raise RuleError for a tender that may not take so much of the refund; `before` is what went back by tender."""
    declared = list(types)
    now = by_type(back)
    total = {name: before.get(name, 0) + now.get(name, 0) for name in {*before, *now}}
    cash = {each.type for each in declared if each.kind == "cash"}
    for name in sorted(set(now) - cash - {EXCHANGED}):
        if total[name] > paid.get(name, 0):
            detail = f"{total[name]} by {name}; {paid.get(name, 0)} was paid by it"
            raise RuleError("refund_tender", "/tenders", detail)
    open_to_cash = cash | {EXCHANGED} | {each.type for each in declared if each.refund_in_cash}
    if not (open_to_cash & set(now) and cash & set(total)):
        return
    left = sum(
        amount - (total.get(name, 0) if name not in cash else 0)
        for name, amount in paid.items()
        if name in open_to_cash
    )
    out = sum(total.get(name, 0) for name in cash)
    if out > left + STEPS_MAX * CASH_STEP_MINOR.get(currency, 0):
        raise RuleError("refund_tender", "/tenders", f"{out} in cash; {left} may be refunded in cash")
