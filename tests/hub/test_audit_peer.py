"""The hub's rows compared with a real cloud file's by buckets: what differs is named, state rows are offered again and mended."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hub import audit_peer
from hub.audit_peer import Compared, compare
from hub.store.upkeep.mending import mend, repairs_done
from sync.audit import Asked, Names, Sums
from sync.cloud.web.audit import told_of
from sync.store.audit import audited_to, note_audited
from tests.hub.days_world import by_hand
from tests.hub.lives_world import Cloud, Machine, meet

SALES = 12


class Pair:
    """A hub that has told its cloud everything, and how the one asks the other."""

    def __init__(self, machine: Machine, cloud: Cloud) -> None:
        self.machine = machine
        self.cloud = cloud
        self.asked: list[Asked] = []

    async def compare(self, part: int | None = None) -> Compared:
        self.asked.clear()
        return await compare(
            self.machine.db.read, self.machine.books.replica, sums=self.sums, names=self.names, part=part
        )

    async def sums(self, asked: Asked) -> Sums:
        self.asked.append(asked)
        told = await told_of(self.cloud.db.read, asked)
        assert isinstance(told, Sums)
        return told

    async def names(self, asked: Asked) -> Names:
        self.asked.append(asked)
        told = await told_of(self.cloud.db.read, asked)
        assert isinstance(told, Names)
        return told

    async def repair(self) -> None:
        findings, seen = (await self.compare()).findings, repairs_done(self.machine.db.read)
        own = self.machine.books.replica
        await self.machine.db.write(lambda tx: mend(tx, own, findings, seen=seen, now_ms=1))


@pytest.fixture
async def pair(tmp_path: Path, shop: Any, sale: Any) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        machine, cloud = Machine(tmp_path / "hub.db", shop), Cloud(tmp_path / "cloud.db")
        await machine.start(stack)
        await cloud.start(stack)
        await machine.db.write(
            lambda tx: tx.execute(
                "INSERT INTO product (sku, n, replica, seq, stocked, unit, name_zh_hant, name_en, attributes, gtins) "
                "VALUES ('TEA-01', 1, 1, 1, 1, 'each', '茶', 'Tea', '{}', '[]')"
            )
        )
        for _ in range(SALES):
            await machine.sell(sale())
        await machine.receive(50)
        assert (await meet(machine, cloud))[-1] == "quiet"
        yield Pair(machine, cloud)


async def test_two_ends_that_hold_the_same_say_nothing(pair: Pair) -> None:
    compared = await pair.compare()

    assert compared.findings == () and compared.rows >= SALES + 2
    assert compared.upto["sales"] == SALES


async def test_what_the_cloud_does_not_hold_yet_is_no_difference(pair: Pair, sale: Any) -> None:
    await pair.machine.sell(sale())
    await pair.machine.fold()

    assert (await pair.compare()).findings == (), "the level has moved on, its old row at the cloud is explained"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "UPDATE fact SET body = CAST(replace(CAST(body AS TEXT), 't1', 't2') AS BLOB) WHERE seq = 5",
            "something else",
        ),
        ("DELETE FROM fact WHERE seq = 5", "is not at the cloud"),
        ("UPDATE fact SET seq = 17 - seq WHERE seq IN (8, 9)", "something else"),
    ],
)
async def test_a_fact_that_differs_is_named_by_its_row_and_never_repaired(pair: Pair, sql: str, said: str) -> None:
    by_hand(pair.cloud.path, f"{sql} AND stream = (SELECT id FROM feed WHERE stream = 'sales')")

    findings = (await pair.compare()).findings

    assert findings and all(said in each.said and not each.can_repair for each in findings)
    assert [each.key[2] for each in findings] == (["8", "9"] if "IN" in sql else ["5"])


async def test_a_fact_that_is_at_the_cloud_only_is_named(pair: Pair) -> None:
    by_hand(pair.machine.path, "DELETE FROM sale WHERE seq = 5")

    (finding,) = (await pair.compare()).findings

    assert finding.said == "log sales: row 5 is at the cloud and not here"


@pytest.mark.parametrize(
    "sql",
    [
        """UPDATE tally SET body = CAST(replace(CAST(body AS TEXT), '"issued":12', '"issued":11') AS BLOB)""",
        "DELETE FROM tally",
    ],
)
async def test_a_level_that_differs_is_offered_again_and_mended(pair: Pair, sql: str) -> None:
    by_hand(pair.cloud.path, f"{sql} WHERE stream = (SELECT id FROM feed WHERE stream = 'levels')")

    (finding,) = (await pair.compare()).findings
    assert finding.can_repair and finding.said.startswith('levels: level ["TEA-01","shop"]')

    await pair.repair()
    assert (await meet(pair.machine, pair.cloud))[-1] == "quiet"
    assert (await pair.compare()).findings == ()


async def test_a_day_costs_what_is_new_and_a_slice_and_a_month_costs_all(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, sale: Any
) -> None:
    monkeypatch.setattr(audit_peer, "SLICES", 4)
    own = pair.machine.books.replica
    first = await pair.compare(part=0)
    await pair.machine.db.write(lambda tx: note_audited(tx, own.local_id, first.upto))
    assert audited_to(pair.machine.db.read, own.local_id, "sales") == SALES
    by_hand(pair.cloud.path, "DELETE FROM fact WHERE seq = 5 AND stream = (SELECT id FROM feed WHERE stream = 'sales')")

    found, ranges = [], []
    for part in range(4):
        compared = await pair.compare(part=part)
        found += [finding.key[2] for finding in compared.findings]
        ranges += [
            (asked.after, asked.last) for asked in pair.asked if asked.stream == "sales" and asked.bucket is None
        ]
    assert found == ["5"] and ranges == [(0, 3), (3, 6), (6, 9), (9, 12)]

    await pair.machine.sell(sale())
    await meet(pair.machine, pair.cloud)
    await pair.compare(part=0)
    asked = [(each.after, each.last) for each in pair.asked if each.stream == "sales"]
    assert asked == [(0, 3), (12, 13)], "one slice, and what is new"


async def test_a_large_log_is_asked_for_in_ranges(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_peer, "RANGE_MAX", 5)

    assert (await pair.compare()).findings == ()
    assert [(each.after, each.last) for each in pair.asked if each.stream == "sales"] == [(0, 5), (5, 10), (10, 12)]


async def test_the_named_differences_have_a_bound(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_peer, "FINDINGS_MAX", 3)
    by_hand(pair.cloud.path, "DELETE FROM fact")

    assert len((await pair.compare()).findings) == 3


async def test_a_stranger_is_told_nothing(pair: Pair) -> None:
    told = await told_of(pair.cloud.db.read, Asked("hk99:ffff", "sales", 0, 100))

    assert isinstance(told, Sums) and told.rows == 0
    assert replace(told, rows=0) == told
