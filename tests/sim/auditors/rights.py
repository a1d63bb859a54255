"""The web shop sells on rights only: what it was promised is never more than the shops had granted; each promise ends once.

Books of its own: answers of the web shop, and sums over the rows in the files, read without the product. A cloud that was
restored does not know what it had promised; a pick that only a restored shop had answered is lost, and its promise stands or was
given back.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.sim.web_shop import Order

if TYPE_CHECKING:
    from tests.sim.world import World

Key = tuple[str, str]


class Auditor:
    """Adds up promises and grants."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.promised: dict[str, Order] = {}
        self.ended: dict[str, Order] = {}
        self.is_cloud_restored = False

    def on_cloud_restored(self) -> None:
        """What it had promised since its copy nobody knows."""
        self.is_cloud_restored = True

    def on_promised(self, order: Order) -> None:
        """An answer of the cloud."""
        if order.status == "promised":
            self.promised[order.wanted.promise_id] = order

    def on_promise_ended(self, order: Order) -> None:
        """An answer of the cloud or a shop."""
        self.ended[order.wanted.promise_id] = order

    def check(self) -> Iterator[str]:
        """At the end."""
        yield from self._check_known()
        if self.is_cloud_restored:
            return
        rows = self.world.cloud.disk.rows("SELECT promise_id, store, sku, n, ending FROM promise")
        known = {promise_id: ending for promise_id, _, _, _, ending in rows}
        for promise_id in self.promised:
            if promise_id not in known:
                yield f"promise {promise_id} was answered and is not there"
        for promise_id, order in self.ended.items():
            may_be_lost = self.world.is_forked and order.ending == "picked"
            if known.get(promise_id) != order.ending and not may_be_lost:
                yield f"promise {promise_id} ended as {order.ending}, the cloud has {known.get(promise_id)!r}"
        yield from self._check_rights(rows)

    def _check_known(self) -> Iterator[str]:
        """A shop counts no right of the cloud's that the cloud does not, nor what a restored one has forgotten since."""
        by_cloud: dict[tuple[str, str, str], int] = {}
        for (body,) in self.world.cloud.disk.rows(
            """
            SELECT tally.body FROM tally JOIN feed ON feed.id = tally.stream
            JOIN replica ON replica.id = tally.replica WHERE replica.store = 'cloud' AND feed.stream = 'grants'
            """
        ):
            row = json.loads(body)
            by_cloud[row["giver"], row["taker"], row["sku"]] = row["n"]
        for hub in self.world.hubs:
            heard = hub.disk.rows(
                "SELECT 1 FROM scope JOIN replica ON id = replica WHERE base = 'grants' AND incarnation = ?",
                self.world.cloud.incarnation,
            )
            if hub.is_retired or not heard:  # a cloud that tells of no grant takes none back
                continue
            for giver, taker, sku, n in hub.disk.rows(
                """
                SELECT giver, taker, sku, granted FROM stock_grant JOIN replica ON replica.id = stock_grant.replica
                WHERE replica.store = 'cloud'
                """
            ):
                known = by_cloud.get((giver, taker, sku), 0)
                if n > known:  # less where it looks for rows at times only
                    yield f"{hub.name}: {giver} granted {n} of {sku} to {taker}, the cloud knows of {known}"

    def _check_rights(self, rows: list[Any]) -> Iterator[str]:
        out: Counter[Key] = Counter()
        for _, store, sku, n, ending in rows:
            out[store, sku] += n if ending != "given_back" else 0
        granted = self._granted()
        back: Counter[Key] = Counter()
        spent: Counter[Key] = Counter()
        for stream, body in self.world.cloud.disk.rows(
            """
            SELECT feed.stream, tally.body FROM tally JOIN feed ON feed.id = tally.stream
            JOIN replica ON replica.id = tally.replica WHERE own = 1 AND feed.stream IN ('grants', 'spent')
            """
        ):
            row = json.loads(body)
            if stream == "grants":
                back[row["taker"].partition(":")[0], row["sku"]] += row["n"]
            else:
                spent[row["store"], row["sku"]] += row["spent"] - row["given_back"]
        for key in sorted({*out, *granted, *back, *spent}):
            if out[key] != spent[key]:
                yield f"{key}: promises come to {out[key]}, the spent rights to {spent[key]}"
            if spent[key] + back[key] > granted[key]:
                yield f"{key}: {spent[key]} promised and {back[key]} handed back of {granted[key]} granted"

    def _granted(self) -> Counter[Key]:
        """What shops say that they have granted, each in its own file; of lives that have ended what the cloud has of them."""
        granted: Counter[Key] = Counter()
        living = set()
        for hub in self.world.hubs:
            if not hub.is_retired:
                living.add(hub.rep)
                for sku, qty in hub.disk.rows(
                    """
                    SELECT sku, granted FROM stock_grant JOIN replica ON replica.id = stock_grant.replica
                    WHERE own = 1 AND taker LIKE 'cloud:%'
                    """
                ):
                    granted[hub.store, sku] += qty
        for store, rep, body in self.world.cloud.disk.rows(
            """
            SELECT store, store || ':' || incarnation, tally.body FROM tally JOIN feed ON feed.id = tally.stream
            JOIN replica ON replica.id = tally.replica WHERE own = 0 AND feed.stream = 'grants'
            """
        ):
            row = json.loads(body)
            if rep not in living and row["taker"].startswith("cloud:"):
                granted[store, row["sku"]] += row["n"]
        return granted
