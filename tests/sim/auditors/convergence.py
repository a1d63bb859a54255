"""At quiescence: every log stands at the cloud byte for byte, every hub has the cloud's catalogue.

The cloud has what head office wrote.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.sim.goods import OWN_SKUS, Entry
from tests.sim.hub_node import HubNode

if TYPE_CHECKING:
    from tests.sim.world import World

LOGS = {"sales": "sale", "returns": "sale_return", "stock": "stock_movement", "prints": "print_result"}


class Auditor:
    """Compares."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.edited: dict[str, Entry] = {}

    def on_edited(self, wanted: list[Entry]) -> None:
        """Head office knows that these stand; from a restored cloud that has not noticed yet, until a later version is told."""
        if self.world.cloud.expects:
            for entry in wanted:
                self.edited.pop(entry.sku, None)
        else:
            self.edited.update({entry.sku: entry for entry in wanted})

    def on_cloud_restored(self) -> None:
        """What head office wrote and no shop has yet is gone with the cloud that knew it."""
        for sku, entry in list(self.edited.items()):
            rows = [
                hub.disk.rows(
                    "SELECT name_en, amount_minor FROM product JOIN price ON price.sku = product.sku WHERE product.sku = ?",
                    sku,
                )
                for hub in self.world.hubs
            ]
            if not any(row == [(entry.name, entry.amount)] for row in rows):
                del self.edited[sku]

    def check(self) -> Iterator[str]:
        """At the end."""
        registers = {
            (kind, sku): json.loads(body)
            for kind, sku, body in self.world.cloud.disk.rows("SELECT kind, sku, body FROM register")
        }
        for sku, entry in self.edited.items():
            product, price = registers.get(("product", sku)), registers.get(("price", sku))
            found = (product["name"]["en"], price["amount"]) if product and price else None
            if found != (entry.name, entry.amount):
                yield f"head office wrote {entry}, the cloud has {found}"
        if self.world.options.has_own_catalogue:
            yield from (f"{sku} was not handed over" for sku in OWN_SKUS if ("product", sku) not in registers)
        for hub in self.world.hubs:
            if not hub.is_retired:
                yield from _compare_catalogue(hub, registers)
                yield from self._compare_logs(hub)

    def _compare_logs(self, hub: HubNode) -> Iterator[str]:
        for stream, table in LOGS.items():
            written = hub.disk.rows(
                f"""
                SELECT incarnation, seq, body FROM {table} JOIN replica ON replica.id = {table}.replica
                WHERE replica.store = ?1
                UNION ALL
                SELECT incarnation, seq, CAST(body AS TEXT) FROM second_row JOIN replica ON replica.id = second_row.replica
                WHERE replica.store = ?1 AND second_row.stream = ?2
                ORDER BY incarnation, seq
                """,
                hub.store,
                stream,
            )
            lives = sorted({incarnation for incarnation, _, _ in written})
            held = self.world.cloud.disk.rows(
                """
                SELECT incarnation, seq, CAST(body AS TEXT)
                FROM fact JOIN feed ON feed.id = fact.stream JOIN replica ON replica.id = fact.replica
                WHERE feed.stream = ? AND replica.incarnation IN (SELECT value FROM json_each(?))
                ORDER BY incarnation, seq
                """,
                stream,
                json.dumps(lives),
            )
            floors = dict(
                hub.disk.rows(
                    "SELECT incarnation, last FROM floor JOIN replica ON replica.id = floor.replica WHERE stream = ?",
                    stream,
                )
            )
            held = [row for row in held if row[1] > floors.get(row[0], 0)]
            if written != held:
                other = next((pair for pair in zip(written, held, strict=False) if pair[0] != pair[1]), "the end")
                yield f"{hub.name} {stream}: {len(written)} rows written, {len(held)} held; they part at {other}"


def _compare_catalogue(hub: HubNode, registers: dict[tuple[str, str], dict[str, object]]) -> Iterator[str]:
    found = {
        ("product", sku): (name, bool(gone))
        for sku, name, gone in hub.disk.rows("SELECT sku, name_en, gone FROM product")
    }
    found |= {
        ("price", sku): (amount, bool(gone))
        for sku, amount, gone in hub.disk.rows("SELECT sku, amount_minor, gone FROM price")
    }
    expected = {
        key: (body["name"]["en"] if key[0] == "product" else body["amount"], body["gone"])  # type: ignore[index]
        for key, body in registers.items()
    }
    for key in sorted({*found, *expected}):
        if found.get(key) != expected.get(key):
            yield f"{hub.name}: {key} is {found.get(key)}, the cloud's is {expected.get(key)}"
