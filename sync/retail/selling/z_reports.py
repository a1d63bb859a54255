"""The Z report: what went through a till's drawer in one session, added up, counted against, signed. Pure sums and the fact.

    which sales    those of the drawer (of the session that they name, else of the till) that no Z report has counted: behind the
                   mark of the one before, whatever a clock says, and under no name that one of the last has counted: a restored
                   hub writes again, and another hub's row of a sale may come to stand. So each is in one Z, also one that comes
                   late
    expected       float + cash taken - cash paid back + paid in - paid out - dropped; cash is what is declared as cash
    a refund       that does not say how it was paid out is told apart, and expected from no drawer
    a void         is a return of all of a sale on its own day: told apart from returns, paid back like them
    tax            of what was sold, and of what came back, by rate; the tax of the day is the one less the other
    an exchange    is a sale and a return; what of one paid for the other is taken and paid back by the tender `exchange`
    paid out       a refund is what the goods cost, cash pays it in coins: the difference is told (`rounding_back`), so that
                   total - refunds - voided - rounding_back is what was taken less what was paid back and what is unstated
    numbers        receipts in runs by series; what is missing between them stays on the list until it comes

Not here: which rows there are (hub.store.day.z_reports), the paper (hub.store.day.z_paper). Source: the design, 3.3 (Numbers,
Days).
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from itertools import groupby

from msgspec import Struct

from sync.kinds import Column, Entity, Kind, Named, Priority
from sync.retail.selling.drawers import KEPT, Denomination, DrawerMovement, Mark, What, net_moved
from sync.retail.selling.returns import ReturnFact
from sync.retail.selling.sales import SaleFact, SaleLine, TaxPart, amount_of

UNSTATED = "unstated"  # a line's discount that says of nothing that it is made of
NAME_CHARS = 12  # of a name; hexadecimal
LATE = "late"  # a sale's warning: its own trading day was closed
MISSING_MAX = 200  # numbers that are listed; more is another trouble than a gap
_NUMBER = re.compile(r"(.+)-(\d{1,12})")


class TenderSum(Struct, frozen=True, array_like=True):
    """What was taken and paid back by one tender, in minor units."""

    type: str
    count: int
    taken: int
    paid_back: int


class DaySum(Struct, frozen=True, array_like=True):
    """What of it belongs to one trading day."""

    business_date: str
    sales: int
    total: int
    refunds: int


class MovementSum(Struct, frozen=True, array_like=True):
    """How often and how much cash went in or out beside the selling."""

    what: What
    count: int
    amount: int


class Run(Struct, frozen=True, array_like=True):
    """Receipts of one series without a gap."""

    series: str
    first: int
    last: int


class LateSale(Struct, frozen=True, array_like=True):
    """A sale that came after its trading day was closed."""

    sale_id: str
    receipt_no: str
    sold_on: str


class LateReturn(Struct, frozen=True, array_like=True):
    """A return that came after its trading day was closed."""

    return_id: str
    returned_on: str


class Suspended(Struct, frozen=True, array_like=True):
    """A second content under a sale's id, that waits for the manager."""

    sale_id: str
    content_hash: str


class DiscountSum(Struct, frozen=True, array_like=True):
    """What discounts of one kind took off."""

    kind: str
    amount: int


class Figures(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The sums of a session, in minor units. `gross` less `discounts` and plus `rounding` is `total`.

    `refunds` of `returns`, `exchanges` of which have paid for other goods; `voided` of `voids`; `tax_back` is contained in both.
    `rounding_back`: what was paid out beyond them (or less) in coins. `unstated`: refunds that do not say how they were paid out,
    in no tender.
    """

    sales: int
    offline: int = 0
    gross: int
    discounts: int = 0
    rounding: int = 0
    total: int
    returns: int = 0
    refunds: int = 0
    voids: int = 0
    voided: int = 0
    unstated: int = 0
    exchanges: int = 0
    rounding_back: int = 0
    discount_kinds: tuple[DiscountSum, ...] = ()
    tax: tuple[TaxPart, ...] = ()
    tax_back: tuple[TaxPart, ...] = ()
    tenders: tuple[TenderSum, ...] = ()
    days: tuple[DaySum, ...] = ()
    movements: tuple[MovementSum, ...] = ()
    receipts: tuple[Run, ...] = ()
    other_receipts: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    late: tuple[LateSale, ...] = ()
    late_returns: tuple[LateReturn, ...] = ()
    suspended: tuple[Suspended, ...] = ()
    expected_cash: int


class ZReport(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="kind", tag="z"):
    """A session that was closed: its sums, what was counted, who signed. `previous` is the till's Z report before it.

    `names` of the sales and returns in it, see name_of, one after the other.
    """

    v: int = 1
    z_no: str
    session_id: str
    till_id: str
    currency: str
    business_date: str
    opened_by: str
    opened_at: datetime
    closed_by: str
    closed_at: datetime
    float_amount: int
    figures: Figures
    counted: tuple[Denomination, ...]
    counted_cash: int
    difference: int
    note: str = ""
    previous: str = ""
    names: str = ""
    mark: Mark


class Place(Struct, frozen=True):
    """Where a sale or return stands: in its writer's stream, and by a short name of its key."""

    rep: str
    seq: int
    name: str
    committed_at: datetime


def name_of(entity: str, key: str) -> str:
    """Return the name of a sale or return in a Z report: 48 bits of its key, so that 500 of them are 6 KB."""
    return blake2b(f"{entity} {key}".encode(), digest_size=NAME_CHARS // 2).hexdigest()


def names_in(names: str) -> list[str]:
    """Return the names that a Z report has written one after the other."""
    return [names[at : at + NAME_CHARS] for at in range(0, len(names), NAME_CHARS)]


def is_counted(place: Place, *, upto: Mapping[str, int], since: datetime, before: Collection[str]) -> bool:
    """Whether a Z report has counted this: `upto` and `since` are its mark's, `before` the names in the last Z reports."""
    if place.name in before:
        return True
    return place.seq <= upto[place.rep] if place.rep in upto else place.committed_at < since


def number_of(receipt_no: str) -> tuple[str, int] | None:
    """Return the series and the number of a receipt, None for one of another form."""
    match = _NUMBER.fullmatch(receipt_no)
    return (match[1], int(match[2])) if match else None


def figures_of(
    sales: Sequence[SaleFact],
    returns: Sequence[ReturnFact],
    movements: Sequence[DrawerMovement],
    *,
    cash_types: frozenset[str],
    float_amount: int,
    missing: tuple[str, ...] = (),
    suspended: Iterable[Suspended] = (),
) -> Figures:
    """Add up a session; `cash_types` are the tenders that lie in the drawer as cash."""
    lines = [line for fact in sales for line in fact.sale.lines]
    discounts = sum(line.discount for line in lines)
    tenders = _tenders(sales, returns)
    cash = sum(each.taken - each.paid_back for each in tenders if each.type in cash_types)
    back, voids = [fact for fact in returns if not fact.content.void], [fact for fact in returns if fact.content.void]
    runs, other = _runs(fact.receipt_no for fact in sales)
    return Figures(
        sales=len(sales),
        offline=sum(fact.sale.offline for fact in sales),
        gross=sum(amount_of(line) for line in lines) + discounts,
        discounts=discounts,
        rounding=sum(fact.sale.rounding for fact in sales),
        total=sum(fact.sale.total for fact in sales),
        returns=len(back),
        refunds=sum(fact.refund for fact in back),
        voids=len(voids),
        voided=sum(fact.refund for fact in voids),
        unstated=sum(fact.refund for fact in returns if not fact.content.tenders),
        exchanges=sum(fact.content.exchange_id is not None for fact in back),
        rounding_back=sum(_paid_back(fact) - fact.refund for fact in returns if fact.content.tenders),
        discount_kinds=_discount_kinds(lines),
        tax=_tax(part for fact in sales for part in fact.tax),
        tax_back=_tax(part for fact in returns for part in fact.tax),
        tenders=tenders,
        days=_days(sales, returns),
        movements=_movements(movements),
        receipts=runs,
        other_receipts=other,
        missing=missing,
        late=tuple(sorted(_late(sales), key=lambda late: late.receipt_no)),
        late_returns=tuple(sorted(_late_returns(returns), key=lambda late: late.return_id)),
        suspended=tuple(sorted(suspended, key=lambda each: (each.sale_id, each.content_hash))),
        expected_cash=float_amount + cash + net_moved(movements),
    )


def missing_after(mark: Mark, receipt_nos: Iterable[str]) -> tuple[str, ...]:
    """Return numbers below the last of their series that did not come: those of before, and those between what comes now."""
    runs, _ = _runs(receipt_nos)
    came = {(run.series, n) for run in runs for n in range(run.first, run.last + 1)}
    found = [receipt_no for receipt_no in mark.missing if number_of(receipt_no) not in came]
    last = dict(mark.numbers)
    for run in runs:
        before = last.get(
            run.series, 0 if run.first <= MISSING_MAX else run.first - 1
        )  # a till may go on from anywhere
        if run.first > before + 1:
            first = max(before + 1, run.first - MISSING_MAX)
            found += [f"{run.series}-{n:06}" for n in range(first, run.first)]
        last[run.series] = max(run.last, last.get(run.series, 0))
    return tuple(found[:MISSING_MAX])


def moved(mark: Mark, figures: Figures, *, sold: Mapping[str, int], returned: Mapping[str, int]) -> Mark:
    """Return the mark behind a Z report; `sold` and `returned` say how far the books went when it was made."""
    numbers = dict(mark.numbers)
    for run in figures.receipts:
        numbers[run.series] = max(run.last, numbers.get(run.series, 0))
    return Mark(
        since=mark.since,
        sold=_furthest(mark.sold, sold),
        returned=_furthest(mark.returned, returned),
        numbers=dict(sorted(numbers.items())),
        missing=figures.missing,
    )


def merged(marks: Sequence[Mark]) -> Mark:
    """Return the mark behind several Z reports that no other follows: two hubs have closed a till's sessions at once."""
    first, *others = marks
    for mark in others:
        numbers = _furthest(first.numbers, mark.numbers)
        missing = tuple(sorted({*first.missing} & {*mark.missing}))
        sold, returned = _furthest(first.sold, mark.sold), _furthest(first.returned, mark.returned)
        first = Mark(min(first.since, mark.since), sold, returned, numbers, missing)
    return first


def _furthest(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    return {rep: max(before.get(rep, 0), now.get(rep, 0)) for rep in sorted({*before, *now})}


def _tenders(sales: Iterable[SaleFact], returns: Iterable[ReturnFact]) -> tuple[TenderSum, ...]:
    sums: dict[str, list[int]] = {}
    for tender in (tender for fact in sales for tender in fact.sale.tenders):
        count_taken = sums.setdefault(tender.type, [0, 0, 0])
        count_taken[0] += 1
        count_taken[1] += tender.amount
    for tender in (tender for fact in returns for tender in fact.content.tenders):
        sums.setdefault(tender.type, [0, 0, 0])[2] += tender.amount
    return tuple(TenderSum(name, *sums[name]) for name in sorted(sums))


def _discount_kinds(lines: Iterable[SaleLine]) -> tuple[DiscountSum, ...]:
    sums: dict[str, int] = {}
    for line in lines:
        for part in line.discounts:
            sums[part.kind] = sums.get(part.kind, 0) + part.amount
        if not line.discounts:
            sums[UNSTATED] = sums.get(UNSTATED, 0) + line.discount
    return tuple(DiscountSum(kind, sums[kind]) for kind in sorted(sums) if sums[kind])


def _paid_back(fact: ReturnFact) -> int:
    return sum(tender.amount for tender in fact.content.tenders)


def _tax(parts: Iterable[TaxPart]) -> tuple[TaxPart, ...]:
    sums: dict[int, int] = {}
    for part in parts:
        sums[part.rate_bp] = sums.get(part.rate_bp, 0) + part.amount
    return tuple(TaxPart(rate_bp, sums[rate_bp]) for rate_bp in sorted(sums))


def _days(sales: Iterable[SaleFact], returns: Iterable[ReturnFact]) -> tuple[DaySum, ...]:
    sums: dict[str, list[int]] = {}
    for fact in sales:
        day = sums.setdefault(fact.business_date, [0, 0, 0])
        day[0] += 1
        day[1] += fact.sale.total
    for back in returns:
        sums.setdefault(back.business_date, [0, 0, 0])[2] += back.refund
    return tuple(DaySum(date, *sums[date]) for date in sorted(sums))


def _movements(movements: Iterable[DrawerMovement]) -> tuple[MovementSum, ...]:
    sums: dict[What, list[int]] = {}
    for each in movements:
        count_amount = sums.setdefault(each.what, [0, 0])
        count_amount[0] += 1
        count_amount[1] += each.amount
    return tuple(MovementSum(what, *sums[what]) for what in sorted(sums))


def _runs(receipt_nos: Iterable[str]) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """Return receipts in runs without a gap, and those that have no number."""
    said = {receipt_no: number_of(receipt_no) for receipt_no in receipt_nos}
    numbers = sorted({number for number in said.values() if number is not None})
    runs = []
    for _, group in groupby(enumerate(numbers), key=lambda each: (each[1][0], each[1][1] - each[0])):
        run = [number for _, number in group]
        runs.append(Run(run[0][0], run[0][1], run[-1][1]))
    return tuple(runs), tuple(sorted(receipt_no for receipt_no, number in said.items() if number is None))


def _late_returns(returns: Iterable[ReturnFact]) -> Iterable[LateReturn]:
    for fact in returns:
        for warning in fact.warnings:
            if warning.code == LATE:
                yield LateReturn(fact.content.return_id, warning.detail)


def _late(sales: Iterable[SaleFact]) -> Iterable[LateSale]:
    for fact in sales:
        for warning in fact.warnings:
            if warning.code == LATE:
                yield LateSale(fact.sale.sale_id, fact.receipt_no, warning.detail)


Z_REPORT = Entity(
    name="z_report",
    stream="drawers",
    kind=Kind.FACT,
    table="z_report",
    row=ZReport,
    doc="A drawer session that was closed: its sums, what was counted against what was expected, who signed.",
    key=(Column("session_id", path="session_id"),),
    columns=(
        Column("z_no", path="z_no", is_unique=True),
        Column("till_id", path="till_id", is_indexed=True),
    ),
    names=(Named("session_id", "drawer_opened"),),
    dated="closed_at",
    keep=KEPT,
    priority=Priority.SOON,
    is_key_of_store=True,
    with_id=True,
)
