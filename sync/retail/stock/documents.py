"""Documents of stock: what their lines do, and what is noted on them. Pure.

    reason          a line's qty            on hand    compared with
    receive         pieces that came        + qty      what the delivery note says (`expected`)
    transfer_out    pieces that go          - qty      nothing: the document is what the other branch expects
    transfer_in     pieces that came        + qty      the other branch's document, where it is known here
    adjust          signed                  qty        the cause: what is broken goes, what is found comes
    count           pieces that were found  see sync.retail.stock.counts

What came is what is there: more, fewer and unknown goods are booked as they are and flagged. Goods on the road are nobody's, so
that they make no right. Not here: storage, who may write what. Source: the design, sections 3.3 (Rights) and 4.
"""

from collections.abc import Iterable, Mapping

from sync.errors import RuleError
from sync.retail.selling.sales import StockEffect
from sync.retail.stock.movements import Cause, Flag, Movement, MovementLine

LOSES: frozenset[Cause] = frozenset({"damage", "theft", "sample", "expired", "own_use"})
FINDS: frozenset[Cause] = frozenset({"found"})
_SIGN = {"receive": 1, "transfer_in": 1, "transfer_out": -1, "adjust": 1}


def check_document(said: Movement) -> None:
    """Raise RuleError for a document that can mean nothing: no lines, a SKU twice, a quantity its reason does not have."""
    if not said.lines:
        raise RuleError("document_empty", "/lines", "a document has at least one line")
    known: set[str] = set()
    for index, line in enumerate(said.lines):
        if line.sku in known:
            raise RuleError("sku_twice", f"/lines/{index}/sku", f"{line.sku} has two lines: add them up")
        known.add(line.sku)
        _check_qty(said, line, f"/lines/{index}/qty")


def _check_qty(said: Movement, line: MovementLine, pointer: str) -> None:
    may_be_zero = said.reason == "transfer_in" or (said.reason == "receive" and line.expected is not None)
    if line.qty == 0 and not may_be_zero:
        raise RuleError("quantity_zero", pointer, f"a line of 0 {line.sku} moves nothing")
    if line.qty < 0 and said.reason != "adjust":
        raise RuleError(
            "quantity_negative", pointer, f"{line.qty} of {line.sku}: write what came or went, without a sign"
        )
    if said.cause in LOSES and line.qty > 0:
        raise RuleError(
            "cause_sign", pointer, f"{line.qty} of {line.sku} cannot come by {said.cause}: write -{line.qty}"
        )
    if said.cause in FINDS and line.qty < 0:
        raise RuleError("cause_sign", pointer, f"{line.qty} of {line.sku} cannot go by {said.cause}: write {-line.qty}")


def effects_of(said: Movement, location: str, *, unstocked: Iterable[str] = ()) -> tuple[StockEffect, ...]:
    """Return what a document does to the shelf; a SKU that is declared without stock moves nothing."""
    without, sign = frozenset(unstocked), _SIGN[said.reason]
    return tuple(
        StockEffect(line.sku, location, sign * line.qty) for line in said.lines if line.qty and line.sku not in without
    )


def differences(expected: Mapping[str, int], came: Mapping[str, int]) -> tuple[Flag, ...]:
    """Return a flag for each SKU of which more or fewer came than expected, or that nobody expected."""
    flags = []
    for sku in sorted({*expected, *came}):
        wanted, found = expected.get(sku), came.get(sku, 0)
        if wanted is None:
            flags.append(Flag("not_expected", sku, f"{found} came, none was expected"))
        elif found > wanted:
            flags.append(Flag("more_than_expected", sku, f"{found} came, {wanted} were expected"))
        elif found < wanted:
            flags.append(Flag("fewer_than_expected", sku, f"{found} came, {wanted} were expected"))
    return tuple(flags)


def note_differences(said: Movement) -> tuple[Flag, ...]:
    """Return what does not agree with the delivery note, where the document says anything of one."""
    expected = {line.sku: line.expected for line in said.lines if line.expected is not None}
    return differences(expected, {line.sku: line.qty for line in said.lines}) if expected else ()
