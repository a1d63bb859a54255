"""What is still to come of a life that has ended, as those who have it say: each one's last word counts, beside the others'."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.cloud.arrivals.lives import give_up

ONE, OTHER = "hk01:bbbbbbbbbbbbbbbb", "hk01:cccccccccccccccc"
TELLERS = (ONE, OTHER, "hk01:dddddddddddddddd")


async def test_rows_that_an_heir_has_written_as_its_own_meanwhile_are_waited_for_no_longer(
    cloud: Any, writer: Any, sql: Any
) -> None:
    """A hub beside gave it rows of its ended life, which the cloud then took from another copy of the card."""
    books = cloud.cloud.books
    writer.sell("sale-1", 100)
    await cloud.books().apply(writer.batch())

    assert await books.end_life(writer.rep, heir=ONE, why="copied", wanted={"sales": 3}) is None
    assert await books.end_life(writer.rep, heir=OTHER, why="copied", wanted={"sales": 1}) is None, "one has more"
    assert sql("SELECT wanted FROM ended_life") == [('{"sales": 3}',)]
    assert await books.end_life(writer.rep, heir="", why="head office", wanted=None) is None, "it holds no rows"

    sealed = await books.end_life(writer.rep, heir=ONE, why="copied", wanted={"sales": 1})
    assert sealed is not None and (sealed.rep, sealed.heir, sealed.heads["sales"]) == (writer.rep, ONE, 1)


async def test_what_an_earlier_version_kept_without_names_stays_to_be_waited_for(
    cloud: Any, writer: Any, sql: Any
) -> None:
    books = cloud.cloud.books
    writer.sell("sale-1", 100)
    await cloud.books().apply(writer.batch())
    await books.end_life(writer.rep, heir=ONE, why="copied", wanted={"sales": 2})
    await books.db.write(lambda tx: tx.execute("UPDATE ended_life SET told = '{}'"))

    assert await books.end_life(writer.rep, heir=ONE, why="copied", wanted={"sales": 1}) is None
    assert sql("SELECT wanted FROM ended_life") == [('{"sales": 2}',)]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.tuples(st.sampled_from(TELLERS), st.dictionaries(st.sampled_from("ab"), st.integers(1, 9)))))
async def test_what_is_waited_for_is_the_most_of_everybodys_last_word(
    cloud: Any, new_writer: Any, sql: Any, said: list[tuple[str, dict[str, int]]]
) -> None:
    last: dict[str, dict[str, int]] = {}
    rep = f"hk01:{len(sql('SELECT 1 FROM ended_life')):016x}"
    for teller, heads in said:
        last[teller] = heads
        await cloud.cloud.books.db.write(
            lambda tx, heir=teller, wanted=heads: give_up(tx, rep, heir=heir, why="", wanted=wanted, now_ms=1)
        )
    wanted = {stream: max(heads.get(stream, 0) for heads in last.values()) for each in last.values() for stream in each}
    if said:
        [(held,)] = sql("SELECT wanted FROM ended_life JOIN replica ON id = replica WHERE incarnation = ?", rep[5:])
        assert json.loads(held) == wanted
