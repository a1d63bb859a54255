"""Webhooks of an order in any order and any number of times: the purchase is that of the same webhooks in order."""

import json
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import convert

from sync.cloud.channels.jobs import Job, Received
from sync.cloud.channels.settings import ChannelSection, channels_of
from sync.cloud.channels.shopify import read
from sync.cloud.channels.taking import take
from sync.cloud.migrations import MIGRATIONS
from sync.cloud.persons.rules import MembersSection
from sync.cloud.scopes.scope_definitions import ScopesSection, wanted_of
from sync.cloud.scopes.scope_members import ensure_keys
from sync.cloud.scopes.scope_work import FILL
from sync.cloud.scopes.scopes import settle_scopes
from sync.connections import connect_writer
from sync.retail.people.identities import new_key
from sync.retail.people.points import PointsRule
from sync.store.replicas import identify
from tests.cloud.channels.buying_world import SCOPES, more_of, story_of


def books_of(told: Iterable[tuple[str, dict[str, Any]]], folder: Path) -> list[Any]:
    """What stands of purchases and of who bought, once all of it was taken."""
    (folder / "s").write_text("a-secret-of-a-shop")
    section = ChannelSection(kind="shopify", currency="TWD", secret_files=["s"], points=PointsRule(2, 9_999))
    channel = channels_of({"taipei": section}, base=folder)["taipei"]
    scopes = convert(SCOPES, ScopesSection)
    with closing(connect_writer(Path(":memory:"), MIGRATIONS, "off")) as tx:
        own = identify(tx, "cloud", incarnation="c" * 16, now_ms=0)
        wanted = wanted_of("hk01", scopes, catalogue="", branches="", members="tw")
        settle_scopes(tx, own, wanted, stores=["hk01"], fill=FILL)
        key = new_key("ab" * 32, is_chains=True, begun_at=datetime(2026, 1, 1, tzinfo=UTC))
        ensure_keys(tx, own, ["hk01"], fresh=key)
        rules = MembersSection(region="TW", join=["email"])
        for n, (topic, body) in enumerate(told, 1):
            raw = json.dumps(body).encode()
            take(Job(tx, own, channel, rules, Received(topic, raw, 1_790_000_000_000 + n)), read(channel, topic, raw))
        tables = ("purchase", "purchase_line", "purchase_back")
        books = [tx.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4").fetchall() for table in tables]
        sums = "SELECT member_id, sum(points) FROM {} GROUP BY member_id HAVING sum(points) <> 0 ORDER BY 1"
        points = [tx.execute(sums.format(table)).fetchall() for table in ("member_points", "person_points")]
        assert points[0] == points[1]
        return [*books, points[0]]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_comes_first_or_twice_the_purchase_is_that_of_the_final_state(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Law: any order and repetition of webhooks ends in the purchases, returns and points of the same webhooks in order."""
    said = [*story_of(), *more_of()]
    some = data.draw(st.lists(st.sampled_from(range(len(said))), min_size=1, max_size=12), label="arrival")
    in_order = [said[index] for index in sorted(set(some))]
    folder = tmp_path_factory.mktemp("shop")

    ends = books_of((said[index] for index in some), folder)
    assert ends == books_of(in_order, folder)
    for _, _, member, *_, amount, refunded, is_kept, _, _ in ends[0]:
        assert 0 <= refunded <= amount and is_kept == int(any(row[4] > row[6] for row in ends[1]))
        earned = (amount - refunded) * 2 // 9_999
        assert ends[3] == ([(member, earned)] if member and earned else [])
