"""A hub that sends everything again, from its first row: nothing is counted twice, and other stores are served meanwhile."""

from typing import Any

ROWS = 2000
PART = 250


async def test_a_year_that_comes_again_changes_nothing_and_disturbs_nobody(
    cloud: Any, writer: Any, new_writer: Any, sql: Any
) -> None:
    """All of it three times, in batches from the start, at an old and at its present end; another store sells in between."""
    for n in range(ROWS):
        writer.sell(f"s{n}", 100 + n)
    other, books = new_writer("hk02:bbbbbbbbbbbbbbbb"), cloud.books("hk02")
    for again in range(3):
        for after in range(0, ROWS, PART):
            end = await cloud.books().apply(writer.batch(after=after, last=after + PART))
            assert end.last == (after + PART if not again else ROWS)
            other.sell(f"o{again}-{after}")
            assert (await books.apply(other.batch(after=len(other.logs["sales"]) - 1))).last == len(other.logs["sales"])

    count, total = ROWS, sum(100 + n for n in range(ROWS))
    sums = "SELECT row_count, amount FROM store_sum WHERE store = ? AND measure = 'sales'"
    assert sql(sums, "hk01") == [(count, total)]
    assert sql(sums, "hk02") == [(3 * ROWS // PART, 3 * ROWS // PART * 1090)]
    assert sql("SELECT count(*) FROM duplicate") == [(0,)]
    assert sql("SELECT count(*) FROM fact") == [(ROWS + 3 * ROWS // PART,)]


async def test_a_year_under_another_name_is_kept_and_counted_once(
    cloud: Any, writer: Any, new_writer: Any, sql: Any
) -> None:
    """The same sales under a new life, as a hub writes them again that was restored: known keys, no sum moves."""
    copy = new_writer("hk01:cccccccccccccccc")
    for n in range(ROWS):
        copy.logs.setdefault("sales", []).append(writer.sell(f"s{n}"))
    for each in (writer, copy):
        for after in range(0, ROWS, PART):
            await cloud.books().apply(each.batch(after=after, last=after + PART))

    assert sql("SELECT row_count FROM store_sum WHERE store = 'hk01' AND measure = 'sales'") == [(ROWS,)]
    assert sql("SELECT count(*) FROM duplicate") == [(ROWS,)]
