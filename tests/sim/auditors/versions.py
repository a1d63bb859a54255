"""Old and new programs together: what an old one could not read it kept as it came, passed on, summed, and applied once later.

The rows are those of tests.sim.versions: samples, a log that moves stock, and the origin of a product.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.sim.hub_node import HubNode
from tests.sim.node import Node
from tests.sim.versions import SAMPLES

if TYPE_CHECKING:
    from tests.sim.world import World

Sample = tuple[str, int, str]
TABLES = ("sale", "sale_return", "stock_movement", "promise_end", "unknown_row")


class Auditor:
    """Remembers samples, and what old hubs keep."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.is_on = world.options.has_versions
        self.given: dict[str, Sample] = {}  # key -> SKU, pieces, store
        self.sampled: set[str] = set()
        self.kept: dict[str, int] = {}  # hub -> rows it could not read when it was last asked
        self.problems: list[str] = []

    def on_sample(self, node: HubNode, key: str, sku: str, qty: int) -> None:
        """Somebody is given one."""
        self.given[key] = (sku, qty, node.store)

    def on_sampled(self, _node: HubNode, key: str) -> None:
        """It is durable."""
        self.sampled.add(key)

    def on_commit(self, node: Node, is_ok: bool) -> None:
        """Look what an old hub keeps, and whether its stock counts it."""
        if not (self.is_on and is_ok and isinstance(node, HubNode)) or node.program is None or node.program.version > 1:
            return
        kept = node.disk.value("SELECT count(*) FROM unknown_row")
        if kept and kept != self.kept.get(node.name, 0):
            samples = node.disk.value("SELECT count(*) FROM unknown_row WHERE stream = ?", SAMPLES)
            self.world.met["unknown rows kept"] += bool(samples)
            self.world.met["field of tomorrow kept by today's hub"] += kept > samples
            if samples:
                self.world.met["unknown rows passed on"] += self.world.cloud.program.version == 1  # type: ignore[union-attr]
                self._check_bytes(node)
                self._check_stock(node)
        self.kept[node.name] = kept

    def on_opened(self, node: HubNode) -> None:
        """An upgrade applies what was kept."""
        if self.is_on and node.program is not None and node.program.version > 1 and self.kept.pop(node.name, 0):
            self.world.meet("unknown rows applied by an upgrade")
            left = node.disk.value("SELECT count(*) FROM unknown_row")
            if left:
                self.problems.append(f"{node.name} was upgraded and keeps {left} rows that it can read")

    def check(self) -> Iterator[str]:
        """At the end: everybody has been upgraded."""
        if not self.is_on:
            return
        yield from self.problems
        held = self._at_cloud()
        yield from (f"{key} was given and is not at the cloud" for key in sorted(self.sampled - set(held)))
        for hub in self.world.hubs:
            if hub.is_retired:
                continue
            here = _rows(hub)
            there = {key for key in held if self.given[key][2] == hub.store}
            if set(here) != there:
                yield f"{hub.name} has samples {sorted(set(here) ^ there)} that the cloud has not, or lacks them"
            yield from (f"{hub.name} has other bytes of {key}" for key in here if here[key] != held.get(key, here[key]))
            yield from self._check_origins(hub)
        yield from self._check_sums(set(held))

    def _check_sums(self, held: set[str]) -> Iterator[str]:
        expected: Counter[str] = Counter()
        for key in held:
            expected[self.given[key][2]] += self.given[key][1]
        found = dict(self.world.cloud.disk.rows("SELECT store, amount FROM store_sum WHERE measure = ?", SAMPLES))
        for store in sorted({*expected, *found}):
            if expected[store] != found.get(store, 0):
                yield f"the cloud's samples of {store} are {found.get(store, 0)}, {expected[store]} were given"

    def _check_origins(self, hub: HubNode) -> Iterator[str]:
        said = {
            sku: json.loads(body).get("origin", "")
            for sku, body in self.world.cloud.disk.rows("SELECT sku, body FROM register WHERE kind = 'product'")
        }
        for sku, origin in hub.disk.rows("SELECT sku, origin FROM product"):
            if said.get(sku) != origin:
                yield f"{hub.name}: {sku} comes from {origin!r}, the cloud says {said.get(sku)!r}"

    def _check_bytes(self, hub: HubNode) -> None:
        """What is kept of a sibling is what its writer wrote."""
        known = {
            key: body for other in self.world.hubs if other.store == hub.store for key, body in _rows(other).items()
        }
        for (body,) in hub.disk.rows("SELECT body FROM unknown_row WHERE stream = ?", SAMPLES):
            key = json.loads(body)["sample_id"]
            if known.get(key, body) != body:
                self.problems.append(f"{hub.name} keeps other bytes of {key}")

    def _check_stock(self, hub: HubNode) -> None:
        """The stock of a hub counts what moved it, whatever that is; where one sale is on two hubs only the end tells."""
        if self.world.options.roams:
            return
        expected = sum(
            hub.disk.value(
                f"SELECT coalesce(sum(effect.value ->> 2), 0) FROM {table}, json_each(CAST(body AS TEXT), '$.stock') AS effect"
            )
            for table in TABLES
        )
        expected += hub.disk.value("SELECT coalesce(sum(on_hand), 0) FROM opening")
        found = hub.disk.value("SELECT sum(on_hand) FROM stock")
        if found != expected:
            self.problems.append(
                f"at {self.world.now_ms} ms {hub.name} has {found} pieces, all facts add up to {expected}"
            )

    def _at_cloud(self) -> dict[str, bytes]:
        rows = self.world.cloud.disk.rows(
            "SELECT fact.body FROM fact JOIN feed ON feed.id = fact.stream WHERE feed.stream = ?", SAMPLES
        )
        keys = [json.loads(body)["sample_id"] for (body,) in rows]
        if len(set(keys)) < len(keys):
            self.problems.append("the cloud has a sample twice")
        return dict(zip(keys, (bytes(body) for (body,) in rows), strict=True))


def _rows(hub: HubNode) -> dict[str, bytes]:
    if not hub.disk.rows("SELECT 1 FROM sqlite_schema WHERE name = 'sample'"):
        return {}
    return {key: body.encode() for key, body in hub.disk.rows("SELECT sample_id, body FROM sample")}
