"""The audit trail in the books: a line goes with its deed or not at all, is one line however it comes, names no customer."""

import re
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.errors import RefusedError
from hub.migrations import MIGRATIONS
from hub.store.model import utc
from hub.store.staff.audit_trail import TrailFilter, note, trail_page
from sync.migrate import migrate, migrations
from sync.retail.staff.trail import MASK, masked, trail_entry
from sync.store.reading import rows_after
from sync.store.replicas import identify

NOW_MS = 1_790_000_000_000
ALL = TrailFilter()


async def write(store: Any, *lines: tuple[str, str, str, int]) -> None:
    """Write lines: actor, action, subject, when."""

    def job(tx: sqlite3.Connection) -> None:
        for actor, action, subject, at_ms in lines:
            note(tx, actor=actor, action=action, subject=subject, reason="as agreed", now_ms=at_ms)

    await store.db.write(job)


def walk(store: Any, wanted: TrailFilter = ALL, *, limit: int = 2) -> list[str]:
    """Return the subjects of all pages."""
    found, after = [], ""
    while True:
        page = trail_page(store.db.read, wanted, after=after, limit=limit)
        found += [line.subject for line in page.items]
        after = page.next
        if not after:
            return found


async def test_a_line_says_who_what_to_what_why_and_when(store: Any) -> None:
    await write(store, ("cashier:c7", "drawer_opened", "s1", NOW_MS))

    (line,) = trail_page(store.db.read, ALL, after="", limit=10).items

    assert (line.actor, line.action, line.subject, line.reason) == ("cashier:c7", "drawer_opened", "s1", "as agreed")
    assert line.at.isoformat() == "2026-09-21T14:13:20+00:00" and line.rep == store.replica.rep


async def test_a_line_goes_with_its_deed_or_not_at_all(store: Any) -> None:
    def deed(tx: sqlite3.Connection) -> None:
        note(tx, actor="till:t1", action="tried", subject="x", reason="", now_ms=NOW_MS)
        raise RefusedError("sale", "no")

    with pytest.raises(RefusedError):
        await store.db.write(deed)

    assert trail_page(store.db.read, ALL, after="", limit=10).items == []
    assert rows_after(store.db.read, store.replica.local_id, "trail", 0, 10) == []


async def test_pages_hold_every_line_once_newest_first_also_where_lines_share_a_millisecond(store: Any) -> None:
    await write(store, *(("a", "b", f"s{n}", NOW_MS + n // 3) for n in range(10)))

    for limit in (1, 2, 3, 10, 11):
        assert walk(store, limit=limit) == [f"s{n}" for n in reversed(range(10))], limit


async def test_a_page_stays_where_it_is_when_lines_are_added(store: Any) -> None:
    await write(store, *(("a", "b", f"s{n}", NOW_MS + n) for n in range(4)))
    first = trail_page(store.db.read, ALL, after="", limit=2)
    await write(store, ("a", "b", "later", NOW_MS + 99))

    second = trail_page(store.db.read, ALL, after=first.next, limit=2)

    assert [line.subject for line in (*first.items, *second.items)] == ["s3", "s2", "s1", "s0"]


async def test_filters_hold_together(store: Any) -> None:
    await write(
        store,
        ("cashier:c1", "no_sale", "s1", NOW_MS),
        ("cashier:c2", "no_sale", "s2", NOW_MS + 1),
        ("cashier:c1", "pay_out", "s2", NOW_MS + 2),
    )

    assert walk(store, TrailFilter(actor="cashier:c1")) == ["s2", "s1"]
    assert walk(store, TrailFilter(actor="cashier:c1", action="no_sale")) == ["s1"]
    assert walk(store, TrailFilter(subject="s2", since_ms=NOW_MS + 2)) == ["s2"]
    assert walk(store, TrailFilter(since_ms=NOW_MS + 1, until_ms=NOW_MS + 2)) == ["s2"]
    assert walk(store, TrailFilter(action="other")) == []


@pytest.mark.parametrize("after", ["x", "1-", "-1", "1-x", "１-1", "1-1-1", "9" * 30 + "-" + "9" * 30])
async def test_a_cursor_that_is_none_is_refused(store: Any, after: str) -> None:
    with pytest.raises(RefusedError) as refused:
        trail_page(store.db.read, ALL, after=after, limit=1)
    assert (refused.value.code, refused.value.pointer) == ("cursor", "/after")


async def test_the_same_line_written_again_is_one_line_and_one_row(store: Any) -> None:
    await write(store, *[("a", "b", "s", NOW_MS)] * 3)

    assert walk(store) == ["s"]
    assert len(rows_after(store.db.read, store.replica.local_id, "trail", 0, 10)) == 1


def test_a_line_has_one_name_whoever_writes_it_and_another_for_other_words() -> None:
    said = {"actor": "a", "action": "b", "subject": "c", "reason": "d"}
    one = trail_entry(**said, at=utc(NOW_MS))
    others = {trail_entry(**(said | {name: "x"}), at=one.at).entry_id for name in said}
    assert len({one.entry_id, *others}) == 5
    assert trail_entry(**said, at=one.at).entry_id == one.entry_id


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("customer 91234567 was angry", f"customer {MASK} was angry"),
        ("call +852 9123-4567!", f"call {MASK}!"),
        ("致電 0912 345 678", f"致電 {MASK}"),
        ("card 4111 1111 1111 1111", f"card {MASK}"),
        ("ｔｅｌ ９１２３４５６７", f"ｔｅｌ {MASK}"),
        ("mail chan.tai@example.hk please", f"mail {MASK} please"),
        ("short of 12.50, till 3, at 14:30", "short of 12.50, till 3, at 14:30"),
        ("receipt t1-0TR5-000012", "receipt t1-0TR5-000012"),
    ],
)
def test_what_may_be_a_customers_is_masked(said: str, written: str) -> None:
    assert masked(said) == written


@given(st.text("0123456789 -@.ab", max_size=60), st.from_regex(r"[0-9]{7,16}", fullmatch=True), st.text(max_size=20))
@example("12345", "1234567", "6")
def test_no_run_of_seven_digits_and_no_address_is_ever_written(before: str, number: str, behind: str) -> None:
    written = masked(f"{before}{number}{behind}")

    assert re.search(r"[0-9]{7}", written) is None
    assert number not in written and "@" not in written
    assert masked(written) == written


def test_a_database_of_the_version_before_opens_and_takes_lines_and_cashiers() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as old:
        for number, sql in migrations(MIGRATIONS):
            if number <= 14:
                old.executescript(f"{sql}; PRAGMA user_version = {number};")
        old.execute("INSERT INTO replica (store, incarnation, began_ms, own) VALUES ('hk01', '0123456789abcdef', 1, 1)")
        old.execute(
            "INSERT INTO till (till_id, name, scope, token_hash, paired_ms) VALUES ('t1', 'Counter', 'till', x'00', 1)"
        )
        migrate(old, MIGRATIONS)
        identify(old, "hk01", incarnation="x", now_ms=NOW_MS)
        note(old, actor="till:t1", action="no_sale", subject="s1", reason="", now_ms=NOW_MS)

        assert [line.subject for line in trail_page(old, ALL, after="", limit=9).items] == ["s1"]
        assert old.execute("SELECT till_id FROM till").fetchall() == [("t1",)]
        assert old.execute(
            "SELECT name, seq FROM stream WHERE name IN ('trail', 'cashiers', 'drawers')"
        ).fetchall() == [
            ("cashiers", 0),
            ("drawers", 0),
            ("trail", 1),
        ]
