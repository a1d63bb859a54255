"""Nothing counts twice: sums over different keys = the cloud's sums = the hubs' stock = their tallies = the cloud's tallies.

The expected sums are made from what was asked, for the keys that stand; reading, adding and matching is done here alone.

A hub that does not know a product yet moves it like any other. What has no stock it moves, too, until it hears so: the row that
stands says whether it did. A return moves what the row did that it saw, which may be another one: of what has no stock it is
believed.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hub.api.stock.documents import DocumentRequest
from tests.sim.client import Request
from tests.sim.goods import CURRENCY, OWN, SERVICE
from tests.sim.hub_node import HubNode

if TYPE_CHECKING:
    from tests.sim.world import World

WITH_EFFECTS = ("sale", "sale_return", "stock_movement", "promise_end", "second_row", "duplicate_fact")
LOGS = {
    "sales": ("sale", "sale_id"),
    "returns": ("sale_return", "return_id"),
    "stock": ("stock_movement", "movement_id"),
}
Sums = Counter[str]


class Auditor:
    """Adds up."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.asked: dict[str, Request] = {}
        self.samples: dict[str, tuple[str, int]] = {}

    def on_asked(self, request: Request) -> None:
        """Remember."""
        self.asked[request.key] = request

    def on_sample(self, _hub: HubNode, key: str, sku: str, qty: int) -> None:
        """Remember."""
        self.samples[key] = (sku, qty)

    def check(self) -> Iterator[str]:
        """At the end."""
        if self.world.options.prunes:  # the rows to add up are not there, opening balances are
            for hub in self.world.hubs:
                if not hub.is_retired:
                    yield from _compare(f"{hub.name} stock", _cloud_levels(self.world, hub.store), _stock(hub))
            return
        for store in sorted({hub.store for hub in self.world.hubs}):
            hubs = [hub for hub in self.world.hubs if hub.store == store and not hub.is_retired]
            yield from self._check_store(store, hubs)

    def _check_store(self, store: str, hubs: list[HubNode]) -> Iterator[str]:
        by_key: dict[str, Sums] = {}
        sold: dict[str, int] = {}
        refunds: dict[str, int] = {}
        sums: dict[str, Sums] = {}
        for hub in hubs:
            here = sums[hub.name] = Counter()
            for key, effects in self._facts(hub, sold, refunds):
                here.update(effects)
                by_key[key] = effects
        for hub in hubs:
            here = sums[hub.name]
            for key, row in _told_keys(
                self.world, hub
            ):  # a cloud whose clock has jumped by years tells what rows came to
                if key not in by_key:  # no hub of the store has it as a row
                    by_key[key] = _sum((sku, qty) for sku, _, qty in row.get("stock", ()))
                    self._count(key, row, sold, refunds)
                here.update(by_key[key])
            yield from _compare(f"{hub.name} stock", here, _stock(hub))
            tables = (*WITH_EFFECTS, "sample") if self.world.options.has_versions else WITH_EFFECTS
            yield from _compare(f"{hub.name} tallies", _own_effects(hub, tables), _levels(hub))
        unique: Sums = Counter()
        for effects in by_key.values():
            unique.update(effects)
        yield from _compare(f"the cloud's tallies of {store}", unique, _cloud_levels(self.world, store))
        measured = {
            (measure, unit): (rows, amount)
            for measure, unit, rows, amount in self.world.cloud.disk.rows(
                "SELECT measure, unit, row_count, amount FROM store_sum WHERE store = ?", store
            )
        }
        for measure, amounts in (("sales", sold), ("returns", refunds)):
            expected = (len(amounts), sum(amounts.values()))
            found = measured.get((measure, CURRENCY), (0, 0))
            if found != expected:
                yield f"the cloud's {measure} of {store} are {found}, {expected} were asked for and stand"

    def _count(self, key: str, row: dict[str, Any], sold: dict[str, int], refunds: dict[str, int]) -> None:
        """Add what a sale or a return came to in money, by what was asked for."""
        said = self.asked.get(key)
        if "sale" in row and said is not None:
            sold[key] = said.body.total
        elif "return" in row and said is not None:
            lines = {line.line: line for line in self.asked[said.body.sale_id].body.lines}
            refunds[key] = sum(_due(lines[back.line], back.qty) for back in said.body.lines)

    def _facts(self, hub: HubNode, sold: dict[str, int], refunds: dict[str, int]) -> Iterator[tuple[str, Sums]]:
        for key, text in hub.disk.rows("SELECT sale_id, body FROM sale"):
            said = self.asked[key].body
            sold[key] = said.total
            unknown = _unknown(json.loads(text))
            yield (
                key,
                _sum((line.sku, -line.qty) for line in said.lines if line.sku != SERVICE or line.line in unknown),
            )
        for key, text in hub.disk.rows("SELECT return_id, body FROM sale_return"):
            said = self.asked[key].body
            lines = {line.line: line for line in self.asked[said.sale_id].body.lines}
            refunds[key] = sum(_due(lines[back.line], back.qty) for back in said.lines)
            moved = {sku for sku, _, _ in json.loads(text).get("stock", ())}
            yield (
                key,
                _sum(
                    (lines[back.line].sku, back.qty)
                    for back in said.lines
                    if lines[back.line].sku != SERVICE or SERVICE in moved
                ),
            )
        for (key,) in hub.disk.rows("SELECT promise_id FROM promise_end WHERE ending = 'picked'"):
            wanted = self.world.web_shop.orders[key].wanted  # the promise itself may be gone with a restored cloud
            yield f"pick {key}", _sum([(wanted.sku, -wanted.qty)])
        for (key,) in hub.disk.rows("SELECT sample_id FROM sample") if self.world.options.has_versions else ():
            sku, qty = self.samples[key]
            yield key, _sum([(sku, -qty)])
        for (key,) in hub.disk.rows("SELECT movement_id FROM stock_movement"):
            if key.startswith("opening~"):
                sku = key.partition("~")[2]
                yield key, _sum((own.product.sku, own.stock or 0) for own in OWN if own.product.sku == sku)
            else:
                yield key, _moved_by(self.asked[key].body)


def _moved_by(said: Any) -> Sums:
    """What a movement of one SKU or a document moves; the sim's documents name no SKU that is declared without stock."""
    if isinstance(said, DocumentRequest):
        sign = -1 if said.kind == "transfer_out" else 1
        return _sum((line.sku, sign * line.qty) for line in said.lines)
    return _sum([(said.sku, said.qty)])


def _unknown(sale: Any) -> frozenset[int]:
    """The lines of a sale of which the hub said that it does not know their goods."""
    return frozenset(warned["line"] for warned in sale.get("warnings", ()) if warned["code"] == "unknown_sku")


def _told_keys(world: "World", hub: HubNode) -> Iterator[tuple[str, dict[str, Any]]]:
    """Keys and rows that this hub was told the sum of and has no rows of, as they stand at the cloud."""
    floors = {
        (incarnation, stream): last
        for incarnation, stream, last in hub.disk.rows(
            "SELECT incarnation, stream, last FROM floor JOIN replica ON replica.id = floor.replica"
        )
    }
    if not floors:
        return
    here = {
        (stream, key)
        for stream, (table, name) in LOGS.items()
        for (key,) in hub.disk.rows(f"SELECT {name} FROM {table}")
    }
    for stream, key, incarnation, seq, body in world.cloud.disk.rows(
        """
        SELECT feed.stream, fact_key.key, incarnation, fact.seq, CAST(fact.body AS TEXT)
        FROM fact_key JOIN feed ON feed.id = fact_key.stream
        JOIN fact ON fact.stream = fact_key.stream AND fact.n = fact_key.n JOIN replica ON replica.id = fact.replica
        WHERE store = ?
        """,
        hub.store,
    ):
        own = json.loads(key)[1] if key.startswith("[") else key
        if stream in LOGS and (stream, own) not in here and seq <= floors.get((incarnation, stream), 0):
            yield own, json.loads(body)


def _sum(effects: Any) -> Sums:
    sums: Sums = Counter()
    for sku, qty in effects:
        sums[sku] += qty
    return sums


def _compare(what: str, expected: Sums, found: Sums) -> Iterator[str]:
    for sku in sorted({*expected, *found}):
        if expected[sku] != found[sku]:
            yield f"{what}: {sku} is {found[sku]}, what was asked for adds up to {expected[sku]}"


def _stock(hub: HubNode) -> Sums:
    return _sum(hub.disk.rows("SELECT sku, on_hand FROM stock"))


def _levels(hub: HubNode) -> Sums:
    return _sum(
        hub.disk.rows(
            "SELECT sku, received - issued FROM level JOIN replica ON replica.id = level.replica WHERE replica.own = 1"
        )
    )


def _own_effects(hub: HubNode, tables: tuple[str, ...]) -> Sums:
    """What this life has written, second rows and compensations too."""
    written = " UNION ALL ".join(
        f"SELECT CAST(body AS TEXT) FROM {table} JOIN replica ON replica.id = replica WHERE own = 1" for table in tables
    )
    return _sum((sku, qty) for (body,) in hub.disk.rows(written) for sku, _, qty in json.loads(body).get("stock", ()))


def _cloud_levels(world: "World", store: str) -> Sums:
    rows = world.cloud.disk.rows(
        """
        SELECT tally.body FROM tally JOIN feed ON feed.id = tally.stream JOIN replica ON replica.id = tally.replica
        WHERE feed.stream = 'levels' AND replica.store = ?
        """,
        store,
    )
    bodies = [json.loads(body) for (body,) in rows]
    return _sum((body["sku"], body["received"] - body["issued"]) for body in bodies)


def _due(line: Any, qty: int) -> int:
    """Return what is due for pieces of a line: a till gives a discount on a line of one piece only."""
    assert line.qty == 1 or not line.discount
    return int(qty * line.unit_price - line.discount)
