"""The stocktake: what a count of a shelf adds to the books, while the shop goes on selling. Pure.

A count names what it had seen booked (a vector: replica -> stream -> seq) when the shelf was counted. What was booked since then
by sales, deliveries or anybody stays as it is; what other counts have booked since then corrected the same shelf, and is not
booked again. So that after the count

    on hand = what was counted + what was moved since, counts aside

whoever counted first, however often and whatever they found. Not here: storage. Source: the design, sections 3.3 and 4.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from sync.errors import RuleError
from sync.retail.stock.movements import Flag, Movement, Vector


class Since(Struct, frozen=True, array_like=True):
    """What a fact that a count had not seen did to a SKU; `is_count`: it was a count itself."""

    qty: int
    is_count: bool = False


def count_difference(counted: int, *, on_hand: int, since: Iterable[Since] = ()) -> int:
    """Return what a count adds to the figure on hand now: above 0 a surplus, below a shortage."""
    return counted + sum(each.qty for each in since if not each.is_count) - on_hand


def check_count(said: Movement) -> None:
    """Raise RuleError for a count that can mean nothing."""
    if not said.lines:
        raise RuleError("count_empty", "/lines", "a count has at least one line")
    known: set[str] = set()
    for index, line in enumerate(said.lines):
        if line.sku in known:
            raise RuleError("sku_counted_twice", f"/lines/{index}/sku", f"{line.sku} has two lines: add them up")
        if line.qty < 0:
            raise RuleError("count_negative", f"/lines/{index}/counted", f"{line.qty} of {line.sku} cannot lie there")
        known.add(line.sku)


def check_vector(
    seen: Vector, *, store: str, known: Vector, ended: Iterable[str], pruned: Mapping[str, Mapping[str, int]]
) -> None:
    """Raise RuleError for a vector of another store, one that has seen more than is here, or one from before what is here.

    `known` is how far each stream is here, `pruned` how far its rows are no more; of lives that have `ended` nobody knows how far
    they had come: what they had written since the cloud held it stands under the life that follows.
    """
    lives = frozenset(ended)
    for rep, streams in seen.items():
        if rep.rpartition(":")[0] != store:
            raise RuleError("count_elsewhere", "/seen", f"{rep} does not write the books of {store}")
        for stream, seq in streams.items():
            here = known.get(rep, {}).get(stream, 0)
            if seq > here and rep not in lives:
                raise RuleError("count_ahead", "/seen", f"the count has seen {seq} of {rep} {stream}, {here} are here")
    for rep, floors in pruned.items():
        for stream, floor in floors.items():
            if floor > seen.get(rep, {}).get(stream, 0) and rep not in lives:
                raise RuleError("count_too_old", "/seen", f"{rep} {stream} is kept from {floor} on: count again")


def differs(sku: str, counted: int, difference: int) -> Flag:
    """Return the flag for a shelf that was not as the books had it."""
    return Flag("count_differs", sku, f"{counted} counted, {difference:+} booked")
