"""The law of points that are set aside: what shops burn by the cloud's word was earned, as far as the cloud had heard.

Goal: in any order of questions, sales, arrivals, refusals and sales that come late. Method: two writers' rows into a real cloud;
what was earned and what was burned by its word is added up here, from what was sent and answered. A seed is named by its test.
"""

import random
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from sync.batch import START, Boundary
from sync.retail.people.point_holds import PointHoldRow

STORES = {store: {"token": f"{store}-token-0123456789", "members": "hk"} for store in ("hk01", "hk02")}
SCOPES = {"members": {"hk": {"stores": ["hk01", "hk02"]}}}
MEMBERS = ["m1", "m2"]  # one person, whom the shops know to be one
OPERATIONS = 80


@dataclass
class Shop:
    """A life of a hub: its sales that were not sent, and what it has asked for in each slot."""

    writer: Any
    books: Any
    unsent: int = 0
    asked: int = 0
    at: Boundary = START
    held: dict[int, tuple[str, int]] = field(default_factory=dict)  # slot -> a sale that is being made, and its points

    def book(self, sale_id: str, points: int) -> None:
        self.writer.sell(sale_id, points=[[MEMBERS[points % 2], points]])  # whose of the two is all one
        self.unsent += 1

    async def send(self) -> None:
        if self.unsent:
            sent = len(self.writer.logs["sales"])
            await self.books.apply(self.writer.batch(after=sent - self.unsent))
            self.unsent = 0

    async def ask(self, slot: int, sale_id: str, points: int) -> int:
        """Send a question; return its number."""
        self.asked += 1
        row = {"v": 1, "store": self.writer.rep[:4], "rep": self.writer.rep, "slot": slot, "n": self.asked}
        row |= {"gone": False, "sale_id": sale_id, "members": MEMBERS, "points": points, "unheard": 0}
        batch = self.writer.state("point_asks", (self.asked, row), after=self.at)
        await self.books.apply(batch)
        self.at = batch.end
        return self.asked


@pytest.mark.parametrize("seed", range(12))
async def test_what_is_burned_by_the_clouds_word_was_there(start_cloud: Any, new_writer: Any, seed: int) -> None:
    rng = random.Random(seed)
    cloud = await start_cloud(stores=STORES, scopes=SCOPES, pulling=False)
    shops = [
        Shop(new_writer(f"{store}:{letter * 16}"), cloud.books(store))
        for store, letter in zip(STORES, "ab", strict=True)
    ]
    earned = burned = granted = refused = 0
    for step in range(OPERATIONS):
        shop, slot, sale_id = rng.choice(shops), rng.randrange(3), f"s{step}"
        what = rng.choice(["earn", "ask", "ask", "book", "refuse", "send"])
        if what == "earn":
            points = rng.randrange(1, 60)
            shop.book(sale_id, points)
            await shop.send()
            earned += points
        elif what == "ask" and slot not in shop.held:
            points = rng.randrange(1, 200)
            n = await shop.ask(slot, sale_id, points)
            await cloud.cloud.contact.look()
            answer = answer_of(cloud, shop, slot)
            assert (answer.n, answer.sale_id) == (n, sale_id)
            granted, refused = granted + answer.is_held, refused + (not answer.is_held)
            aside = sum(points for each in shops for _, points in each.held.values())
            assert answer.is_held == (points <= earned - burned - aside), (step, earned, burned, aside, points)
            if answer.is_held:
                shop.held[slot] = (sale_id, points)
        elif what == "book" and slot in shop.held:
            sold, points = shop.held.pop(slot)
            shop.book(sold, -points)
            burned += points
        elif what == "refuse" and slot in shop.held:
            sold, _ = shop.held.pop(slot)
            await shop.ask(slot, sold, 0)
            await cloud.cloud.contact.look()
        elif what == "send":
            await shop.send()
    assert burned <= earned
    for shop in shops:
        await shop.send()
        for slot, (sold, _) in list(shop.held.items()):
            await shop.ask(slot, sold, 0)
    await cloud.cloud.contact.look()  # a slot is used again when what was given back was answered
    await shops[0].ask(0, "last", earned - burned + 1)
    await cloud.cloud.contact.look()
    assert (answer_of(cloud, shops[0], 0).is_held, answer_of(cloud, shops[0], 0).balance) == (False, earned - burned)
    assert granted and refused, "a run that was never refused, or always, proves nothing"
    assert holds(cloud) == [], "all sales have come, or were refused"


def answer_of(cloud: Any, shop: Shop, slot: int) -> PointHoldRow:
    """Return the newest answer in a slot, as the store is served it."""
    rows = cloud.cloud.books.db.read.execute(
        "SELECT body FROM scope_row WHERE entity = 'point_hold' ORDER BY seq"
    ).fetchall()
    answers = [msgspec.json.decode(body, type=PointHoldRow) for (body,) in rows]
    return [each for each in answers if (each.rep, each.slot) == (shop.writer.rep, slot)][-1]


def holds(cloud: Any) -> list[Any]:
    return list(cloud.cloud.books.db.read.execute("SELECT rep, sale_id FROM point_hold").fetchall())
