"""What the cloud tells a store's hubs of the visitors that the store's other lives have counted: a stream of its own."""

from typing import Any

import msgspec
import pytest

from sync.batch import START, Boundary
from sync.cloud.scopes import scope_visitors
from sync.scope_rows import PutBy, read_scope_row

HUB, SIBLING, OTHER_STORE = "hk01:aaaaaaaaaaaaaaaa", "hk01:bbbbbbbbbbbbbbbb", "hk02:cccccccccccccccc"


def window(entered: int, *, minute: str = "00") -> dict[str, Any]:
    return {"v": 1, "entrance": "door", "quarter": f"2026-09-21T10:{minute}:00Z", "in": entered, "out": 0}


def listening(cloud: Any, rep: str) -> Any:
    """The books as a life of a store sees them."""
    books = cloud.books()
    books.meet(rep)
    return books


async def told(books: Any, after: Boundary = START, rows_max: int = 100) -> tuple[list[tuple[str, int]], Boundary]:
    """Return what comes behind a boundary, (life, who came), and where that ends."""
    heads = [head for head in books.heads() if scope_visitors.is_visitors(head.stream)]
    if not heads:
        return [], after
    found = await books.load(heads[0], after, rows_max)
    if not found:
        return [], after
    [batch] = found
    puts = [put for put in map(read_scope_row, [body for _, body in batch.rows]) if isinstance(put, PutBy)]
    return [(put.by, msgspec.json.decode(bytes(put.row))["in"]) for put in puts], batch.end


async def test_a_life_hears_of_the_others_of_its_store_only(cloud: Any, new_writer: Any) -> None:
    for rep, entered in ((HUB, 1), (SIBLING, 2)):
        await cloud.books().apply(new_writer(rep).state("footfall", (1, window(entered))))
    await cloud.books("hk02").apply(new_writer(OTHER_STORE).state("footfall", (1, window(4))))

    assert (await told(listening(cloud, HUB)))[0] == [(SIBLING, 2)]
    assert (await told(listening(cloud, SIBLING)))[0] == [(HUB, 1)]
    assert (await told(listening(cloud, "hk01:dddddddddddddddd")))[0] == [(HUB, 1), (SIBLING, 2)]


async def test_a_store_with_one_life_is_told_nothing(cloud: Any, new_writer: Any) -> None:
    await cloud.books().apply(new_writer(HUB).state("footfall", (1, window(1))))

    assert not [head for head in listening(cloud, HUB).heads() if scope_visitors.is_visitors(head.stream)]


async def test_what_is_told_of_an_ended_life_comes_behind_all_that_was_told_before(cloud: Any, new_writer: Any) -> None:
    """Whatever seqs the ended life had given: here two copies of it have given one seq to two windows."""
    await cloud.books().apply(new_writer(HUB).state("footfall", (1, window(1)), (2, window(2, minute="15"))))
    hub = listening(cloud, SIBLING)
    rows, end = await told(hub)
    assert rows == [(HUB, 1), (HUB, 2)]

    former = {**window(3), "of": HUB}
    await cloud.books().apply(new_writer("hk01:eeeeeeeeeeeeeeee").state("former_footfall", (1, former)))

    assert await told(hub, end) == ([(HUB, 3)], (await told(hub, end))[1])
    assert hub.is_offered(hub.rep, "footfall@hk01", end)


async def test_a_boundary_that_was_never_offered_is_known_as_such_until_it_is_too_old(
    cloud: Any, new_writer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scope_visitors, "OFFERED_KEPT", 3)
    hub, writer, at = listening(cloud, SIBLING), new_writer(HUB), START
    ends: list[Boundary] = []
    for n in range(1, 6):
        held = cloud.books().vector("").get((HUB, "footfall"), START)
        await cloud.books().apply(writer.state("footfall", (n, window(n)), after=held))
        at = (await told(hub, at))[1]
        ends.append(at)

    assert hub.is_offered(hub.rep, "footfall@hk01", ends[-1])
    assert hub.is_offered(hub.rep, "footfall@hk01", ends[0]), "nobody can say any more that it was not"
    for last in (ends[-1].last, ends[-1].last + 1):
        assert not hub.is_offered(hub.rep, "footfall@hk01", Boundary(last, b"a lie!!!"))
