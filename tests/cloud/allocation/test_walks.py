"""Orders, shops, a warehouse and the clock in a drawn order: whatever happens, nothing is promised or sent twice, and all ends.

Method: hubs' rows by a stand-in that answers what the cloud asks of it; after each step auditors that know no code of allocation
read parcels, promises and rights. STOREHUB_FULL=1 walks longer.
"""

import os
import random
from collections import Counter
from json import loads
from typing import Any

import pytest

from sync.cloud.rights.balance import differences
from sync.cloud.rights.rights import known_of
from sync.retail.stock.rights import right_of

STEPS, SEEDS = (120, range(12)) if os.environ.get("STOREHUB_FULL") else (20, range(1))
RULES: dict[str, Any] = {"split": True, "parcels_max": 3, "ask": False, "pick_within_h": 4, "tries_max": 3}
SKUS = ("TEA-01", "CUP-01")
CLOSED = ("shipped", "collected", "cancelled", "expired")
NEXT = {"allocated": ("picking", "cancelled"), "picking": ("ready", "cancelled"), "ready": ("shipped", "cancelled")}


class Walk:
    """The chain, what is on each shelf, and who orders what."""

    def __init__(self, chain: Any, rng: random.Random) -> None:
        self.chain, self.rng = chain, rng
        self.level: dict[tuple[str, str], Counter[str]] = {}
        self.orders: dict[str, Counter[int]] = {}

    @property
    def read(self) -> Any:
        return self.chain.end.cloud.books.db.read

    def parcels(self) -> list[tuple[str, str, str, str]]:
        return list(
            self.read.execute(
                """
                SELECT parcel_id, order_parcel.order_id, place, web_order.state
                FROM order_parcel JOIN web_order ON web_order.order_id = parcel_id ORDER BY parcel_id
                """
            )
        )

    async def step(self) -> None:
        rare = (self.order, self.order, self.stock, self.sell, self.warehouse, self.office, self.time)
        await self.rng.choice((*rare, *[self.pick] * 6))()
        await self.answer()
        await self.chain.look()
        self.audit()

    async def order(self) -> None:
        lines = [(sku, self.rng.randint(1, 4)) for sku in self.rng.sample(SKUS, self.rng.randint(1, 2))]
        order_id = f"w{len(self.orders)}"
        self.orders[order_id] = Counter({n: qty for n, (_, qty) in enumerate(lines, 1)})
        await self.chain.order(order_id, *lines)

    async def stock(self) -> None:
        store, sku, qty = self.rng.choice(("hk01", "hk02")), self.rng.choice(SKUS), self.rng.randint(1, 6)
        await self.move(store, sku, received=qty, held=self.rng.randint(0, qty))

    async def sell(self) -> None:
        for (store, sku), level in self.level.items():
            left = level["received"] - level["issued"]
            if left and self.rng.random() < 0.3:
                await self.move(store, sku, issued=self.rng.randint(1, left))

    async def move(self, store: str, sku: str, **more: int) -> None:
        level = self.level.setdefault((store, sku), Counter())
        level.update(more)
        row = {"v": 1, "sku": sku, "location": "shop", "picked": level["picked"]}
        await self.chain.tell(store, "levels", row | {"received": level["received"], "issued": level["issued"]})
        if more.get("held"):
            who = {"giver": self.chain.writer(store).rep, "taker": self.chain.end.books().rep}
            seq = self.chain.n[store, "levels"][0]
            await self.chain.tell(
                store, "grants", {"v": 1, "sku": sku, "location": "shop", "n": level["held"], "levels_seq": seq} | who
            )

    async def warehouse(self) -> None:
        said = [{"sku": sku, "on_hand": self.rng.randint(0, 9)} for sku in SKUS]
        self.chain.end.clock.now_ms += 1
        assert (await self.chain.end.post("/cloud/v1/locations/dc/stock", {"figures": said})).status == 200

    async def office(self) -> None:
        if self.orders:
            order_id, verb = self.rng.choice(sorted(self.orders)), self.rng.choice(("cancel", "give-up", "allocate"))
            body = {"request_id": f"r{self.rng.random()}"} if verb == "cancel" else {}
            assert (await self.chain.end.post(f"/cloud/v1/orders/{order_id}/{verb}", body)).status in (200, 202, 409)

    async def time(self) -> None:
        self.chain.end.clock.now_ms += self.rng.choice((60_000, 3 * 3_600_000))

    async def pick(self) -> None:
        open_ones = [each for each in self.parcels() if each[3] in NEXT]
        if open_ones:
            parcel_id, _, place, state = self.rng.choice(open_ones)
            await self.take(
                parcel_id, place, self.rng.choice((NEXT[state][0], NEXT[state][0], self.rng.choice(NEXT[state])))
            )

    async def take(self, parcel_id: str, place: str, state: str) -> None:
        """The place takes a step; what leaves a shop is in its level with it."""
        lines = (await self.chain.seen(parcel_id))["lines"]
        is_short = state == "ready" and sum(line["qty"] for line in lines) > 1 and self.rng.random() < 0.4
        short = {lines[0]["line"]: 1} if is_short else {}
        if place == "dc":
            told = [{"line": line, "qty": qty} for line, qty in short.items()]
            got = await self.chain.end.post(f"/cloud/v1/orders/{parcel_id}/steps", {"state": state, "short": told})
            assert got.status == 200, got.body
            return
        if state == "shipped":
            short = {each["line"]: each["qty"] for each in (await self.chain.seen(parcel_id))["short"]}
            standing = self.read.execute(
                "SELECT line, sku, n FROM promise WHERE order_id = ? AND ending = ''", (parcel_id,)
            ).fetchall()
            for line, sku, n in standing:
                if taken := n - short.get(line, 0):
                    await self.move(place, sku, issued=taken, picked=taken)
        await self.chain.step(place, parcel_id, state, short=short)

    async def answer(self) -> None:
        """Hubs do what is asked of them: promises back, orders called off."""
        asked = self.read.execute("SELECT asked_id, store FROM asked WHERE gone = 0 AND wants = 'release'").fetchall()
        for asked_id, store in asked:
            name = asked_id.removeprefix("release:")
            if self.read.execute("SELECT 1 FROM promise WHERE promise_id = ? AND ending = ''", (name,)).fetchone():
                fact = {"v": 1, "kind": "promise_end", "promise_id": name, "ending": "given_back", "left": 0}
                by = {"by": self.chain.writer(store).rep, "ended_at": "2026-09-21T14:20:00Z"}
                await self.chain.fact(store, "promises", fact | by)
        await self.chain.look()
        wished = self.read.execute("SELECT DISTINCT order_id FROM web_order_request ORDER BY order_id").fetchall()
        for parcel_id, _, place, state in self.parcels():
            if (parcel_id,) in wished and state not in CLOSED and place != "dc":
                await self.chain.step(place, parcel_id, "cancelled")

    def audit(self) -> None:
        states = dict(self.read.execute("SELECT order_id, state FROM web_order"))
        sent: dict[str, Counter[int]] = {order_id: Counter() for order_id in self.orders}
        for parcel_id, order_id, _, state in self.parcels():
            assert states[order_id] not in CLOSED or state in CLOSED, "an order is closed after its parcels"
            if state != "cancelled":
                for line, qty in self.standing(parcel_id).items():
                    sent[order_id][line] += qty
        for order_id, wanted in self.orders.items():
            assert sent[order_id] <= wanted, f"{order_id} is sent twice"
        of_closed = self.read.execute(
            "SELECT count(*) FROM promise JOIN web_order USING (order_id) WHERE ending = '' AND state IN ('shipped', 'cancelled')"
        ).fetchone()
        assert of_closed == (0,)
        own = self.chain.end.books().rep
        for store in ("hk01", "hk02"):
            for sku in SKUS:
                assert right_of(known_of(self.read, self.chain.place(store, sku)).state, own) >= 0

    def standing(self, parcel_id: str) -> Counter[int]:
        (body,) = self.read.execute("SELECT body FROM web_order WHERE order_id = ?", (parcel_id,)).fetchone()
        found = Counter({line["line"]: line["qty"] for line in loads(body)["lines"]})
        for (step,) in self.read.execute("SELECT body FROM web_order_step WHERE order_id = ?", (parcel_id,)):
            for short in loads(step).get("short", ()):
                found[short["line"]] -= short["qty"]
        return found

    async def end(self) -> None:
        """Everybody does what is to be done; what nobody can send is given up."""
        for _ in range(8):
            for parcel_id, _, place, state in self.parcels():
                if state in NEXT:
                    await self.take(parcel_id, place, NEXT[state][0])
            await self.answer()
        for order_id in self.orders:
            await self.chain.end.post(f"/cloud/v1/orders/{order_id}/give-up", {})
        await self.chain.look()
        self.audit()


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_nothing_is_promised_or_sent_twice_and_every_order_ends(
    chain_of: Any, seed: int
) -> None:
    walk = Walk(await chain_of(allocation=RULES, locations={"dc": {"kind": "warehouse"}}), random.Random(seed))
    for _ in range(STEPS):
        await walk.step()
    await walk.end()

    states = dict(walk.read.execute("SELECT order_id, state FROM web_order"))
    assert {order_id: state for order_id, state in states.items() if state not in CLOSED} == {}
    assert walk.read.execute("SELECT count(*) FROM promise WHERE ending = ''").fetchone() == (0,)
    assert differences(walk.read) == 0
