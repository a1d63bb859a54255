"""Documents in the books: the shelf is the sum of all bodies, rights follow the goods, a refused document leaves nothing."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.errors import ConflictError, RefusedError
from hub.store.stock import rights
from hub.store.stock.branches import put_branch
from hub.store.stock.documents import book_document
from hub.store.stock.rights import Rule
from hub.store.stock.stock import Booked
from hub.store.upkeep.audit import audit
from sync.retail.catalogue.branches import BranchRow
from sync.retail.names import Name
from sync.retail.stock.movements import Movement, MovementLine
from sync.retail.stock.rebalance import Policy
from sync.retail.stock.rights import SpendPolicy
from sync.testing.sim_database import run_now
from tests.hub.test_stock import FROM_BODIES
from tests.sync.rights_ends import HERE, Ends
from tests.sync.rights_machines import SKU

SKUS = ("TEA-01", "SHIRT-M", "NEW-1", "BAG")


def document(document_id: str, reason: str, lines: dict[str, int], **fields: Any) -> Movement:
    found = tuple(MovementLine(sku, qty) for sku, qty in lines.items())
    return Movement(document_id, reason=reason, lines=found, **fields)  # type: ignore[arg-type]


async def book(store: Any, said: Movement) -> Booked:
    return await store.db.write(lambda tx: book_document(tx, store.replica, said, location="shop", rule=None, now_ms=1))


FIELDS: dict[str, dict[str, Any]] = {
    "receive": {},
    "transfer_out": {"store": "hk02"},
    "transfer_in": {"transfer": "hk02:t1"},
    "adjust": {"cause": "correction"},
}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=st.lists(
        st.tuples(
            st.sampled_from(sorted(FIELDS)),
            st.dictionaries(st.sampled_from(SKUS), st.integers(1, 9), min_size=1),
            st.integers(1, 3),
        ),
        max_size=8,
    )
)
async def test_the_shelf_is_the_sum_of_all_documents_each_once(store: Any, drawn: Any) -> None:
    """Each example goes on with the store that the ones before left behind; a document comes up to three times."""
    start = store.db.read.execute("SELECT count(*) FROM stock_movement").fetchone()[0]
    before = dict(store.db.read.execute("SELECT sku, on_hand FROM stock").fetchall())
    expected = dict(before)
    for n, (reason, lines, times) in enumerate(drawn, start):
        said = document(f"d{n}", reason, lines, **FIELDS[reason])
        for _ in range(times):
            await book(store, said)
        for sku, qty in lines.items():
            if sku != "BAG":
                expected[sku] = expected.get(sku, 0) + (-qty if reason == "transfer_out" else qty)

    cached = dict(store.db.read.execute("SELECT sku, on_hand FROM stock").fetchall())
    assert cached == expected == dict(store.db.read.execute(FROM_BODIES).fetchall())
    assert audit(store.db.read, store.replica) == []


async def test_what_travels_is_written_with_the_goods_or_not_at_all(store: Any) -> None:
    said = document("t1", "transfer_out", {"TEA-01": 2}, store="hk02")
    first, again = await book(store, said), await book(store, said)
    with pytest.raises(ConflictError):
        await book(store, document("t1", "transfer_out", {"TEA-01": 3}, store="hk02"))
    with pytest.raises(RefusedError):
        await book(store, document("t2", "transfer_out", {"TEA-01": 3}, store="hk01"))

    assert (first.is_new, again.is_new, first.dot, first.fact) == (True, False, again.dot, again.fact)
    rows = store.db.read.execute("SELECT transfer_id, receiver, body ->> '$.lines' FROM transfer").fetchall()
    assert rows == [("hk01:t1", "hk02", '[["TEA-01",2]]')]


async def test_a_pruned_document_is_known_by_its_hash(store: Any) -> None:
    said = document("d1", "receive", {"TEA-01": 2})
    booked = await book(store, said)

    def prune(tx: Any) -> None:
        tx.execute(
            """
            INSERT INTO pruned_key (entity, key, content_hash, replica, seq, pruned_ms, said)
            SELECT 'movement', movement_id, content_hash, replica, seq, 1, '{}' FROM stock_movement WHERE movement_id = 'd1'
            """
        )
        tx.execute("DELETE FROM stock_movement WHERE movement_id = 'd1'")

    await store.db.write(prune)

    again = await book(store, said)
    assert (again.fact, again.dot, again.is_new) == (None, booked.dot, False)
    with pytest.raises(ConflictError):
        await book(store, document("d1", "receive", {"TEA-01": 3}))


# rights follow the goods


@pytest.fixture
def ends() -> Ends:
    """A shop with ten pieces, five of them granted to the cloud."""
    ends = Ends(Policy())
    ends.receive(10)
    ends.settle()
    return ends


def at_shop(ends: Ends, said: Movement, rule: Rule) -> Booked:
    own = ends.hub.replica
    return run_now(
        ends.hub.db.write(lambda tx: book_document(tx, own, said, location="shop", rule=rule, now_ms=ends.now_ms))
    )


def right(ends: Ends) -> int:
    return rights.right_of(ends.hub.db.read, ends.hub.replica, HERE)


@pytest.mark.parametrize(
    ("reason", "qty", "change"),
    [("receive", 3, 3), ("transfer_in", 3, 3), ("transfer_out", 3, -3), ("adjust", -2, -2), ("adjust", 2, 2)],
)
def test_the_owner_makes_rights_by_what_comes_and_spends_them_by_what_goes(
    ends: Ends, reason: str, qty: int, change: int
) -> None:
    before = right(ends)
    said = document("d1", reason, {SKU: qty}, **FIELDS[reason])

    booked = at_shop(ends, said, Rule(policy=ends.policy))

    assert right(ends) - before == change
    assert booked.fact is not None
    assert booked.fact.flags == () or reason == "transfer_in"


def test_goods_go_beyond_the_right_into_debt_and_the_document_says_so(ends: Ends) -> None:
    booked = at_shop(ends, document("t1", "transfer_out", {SKU: 8}, store="hk02"), Rule(policy=ends.policy))

    assert booked.fact is not None
    assert [(flag.code, flag.sku, flag.detail) for flag in booked.fact.flags] == [
        ("overdraw", SKU, "right 5 before, -3 after")
    ]
    assert right(ends) == -3


def test_strict_refuses_a_transfer_beyond_the_right_but_not_what_is_gone(ends: Ends) -> None:
    strict = Rule(policy=ends.policy, spend=SpendPolicy.STRICT)
    with pytest.raises(RefusedError) as refused:
        at_shop(ends, document("t1", "transfer_out", {"OTHER": 1, SKU: 6}, store="hk02"), strict)
    stolen = at_shop(ends, document("d1", "adjust", {SKU: -6}, cause="theft"), strict)

    assert (refused.value.code, refused.value.pointer) == ("no_right", "/lines/1/qty")
    assert ends.hub_disk.value("SELECT count(*) FROM transfer") == 0
    assert stolen.is_new
    assert right(ends) == -1


async def test_goods_sent_to_a_branch_that_is_none_of_those_shown_are_noted_and_go(store: Any) -> None:
    before = await book(store, document("d1", "transfer_out", {"TEA-01": 1}, store="hk20"))
    row = BranchRow(branch="hk02", n=0, name=Name(en="Mong Kok"), zone="Asia/Hong_Kong")
    await store.db.write(lambda tx: put_branch(tx, store.replica, row))

    known = await book(store, document("d2", "transfer_out", {"TEA-01": 1}, store="hk02"))
    mistyped = await book(store, document("d3", "transfer_out", {"TEA-01": 1}, store="hk20"))

    codes = [[flag.code for flag in booked.fact.flags] for booked in (before, known, mistyped) if booked.fact]
    assert codes == [[], [], ["branch_unknown"]]
    assert mistyped.stock
