"""Each use of a coupon is redeemed once, or the redemption is a dispute that names its cost, where its shop can see it.

Books of its own: sums over the rows in the files, read without the product. Serials, uses and amounts are those of the tills.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.sim.actions.redeem import AMOUNT, USES

if TYPE_CHECKING:
    from tests.sim.world import World

_FACTS = """
SELECT replica.store || ':' || replica.incarnation, fact.seq, CAST(fact.body AS TEXT)
FROM fact JOIN feed ON feed.id = fact.stream JOIN replica ON replica.id = fact.replica WHERE feed.stream = ?
"""


class Auditor:
    """Counts at the end."""

    def __init__(self, world: "World") -> None:
        self.world = world

    def check(self) -> Iterator[str]:
        """At the end."""
        redeemed, dots = self._redeemed()
        yield from self._check_sales(redeemed)
        undone = {(dot[0], dot[2]) for _, _, body in self._facts("releases") for dot in _dots(json.loads(body))}
        disputed = dict(self.world.cloud.disk.rows("SELECT redemption_id, serial FROM disputed"))
        standing: dict[str, set[str]] = defaultdict(set)
        released = set()
        for name, fact in redeemed.items():
            if dots[name] & undone:
                released.add(fact["serial"])
            else:
                standing[fact["serial"]].add(name)
        for serial, names in sorted(standing.items()):
            uses = USES[serial.partition("-")[0]]
            free = names - disputed.keys()
            if len(free) > uses:
                yield f"{serial} is good for {uses} and was redeemed by {sorted(free)}, which nobody disputes"
            is_plain = serial not in released and not self.world.is_forked
            if is_plain and len(free) < min(uses, len(names)):
                yield f"{serial} is good for {uses}, {len(names)} redeemed it, and only {len(free)} stand"
        yield from self._check_told(disputed, redeemed)

    def _check_sales(self, redeemed: dict[str, Any]) -> Iterator[str]:
        """A sale and its redemption are in one transaction, the redemption goes first: where the sale came, that did.

        Of a frame that a proxy has dropped nobody hears any more where the card of its hub was put back as well.
        """
        if self.world.options.is_hostile and self.world.is_forked:
            return
        known = {(fact["sale_id"], fact["serial"]) for fact in redeemed.values()}
        for _, _, body in self._facts("sales"):
            sale = json.loads(body).get("sale", {})
            for coupon in sale.get("coupons", ()):
                if (sale["sale_id"], coupon["serial"]) not in known:
                    yield f"{sale['sale_id']} took {coupon['serial']}, and the cloud knows of no redemption"

    def _check_told(self, disputed: dict[str, str], redeemed: dict[str, Any]) -> Iterator[str]:
        for hub in self.world.hubs:
            if hub.is_retired:
                continue
            rows = hub.disk.rows("SELECT redemption_id, body ->> 'amount' FROM coupon_dispute")
            told = dict(rows)
            for name in sorted(disputed):
                if redeemed[name]["store"] == hub.store and told.get(name) != AMOUNT:
                    yield f"{name} is disputed, and its shop {hub.name} is told {told.get(name)} of {AMOUNT}"

    def _redeemed(self) -> tuple[dict[str, Any], dict[str, set[tuple[str, int]]]]:
        """Return what the cloud has by id, and the dots of each."""
        facts: dict[str, Any] = {}
        dots: dict[str, set[tuple[str, int]]] = defaultdict(set)
        for rep, seq, body in self._facts("redemptions"):
            fact = json.loads(body)
            facts.setdefault(fact["redemption_id"], fact)
            dots[fact["redemption_id"]].add((rep, seq))
        return facts, dots

    def _facts(self, stream: str) -> list[tuple[str, int, str]]:
        return self.world.cloud.disk.rows(_FACTS, stream)


def _dots(release: dict[str, Any]) -> list[tuple[str, str, int]]:
    """Return (rep, stream, seq) of the dots that a release names."""
    seen = release["seen"]
    return [tuple(dot) if isinstance(dot, list) else (dot["rep"], dot["stream"], dot["seq"]) for dot in seen]
