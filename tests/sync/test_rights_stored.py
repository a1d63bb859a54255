"""Rights as both ends store and replicate them: what is written is what the rules say, whatever dies and whatever arrives when.

Method: the ends of rights_ends, driven by seeded walks with the rules as oracle at every step. A failed walk says how to run it
again. Each planted fault must be found by the walks.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from hub.store.stock import promises as hub_promises
from hub.store.stock import rights as hub_rights
from sync.cloud.arrivals import lives as cloud_lives
from sync.cloud.arrivals import rows
from sync.cloud.arrivals.lives import seal_if_whole
from sync.cloud.rights import balance, promises, rights
from sync.errors import RuleError
from sync.retail.stock.rebalance import Policy
from sync.retail.stock.rights import right_of
from tests.sync.rights_ends import HERE, PLACE, Ends, walk


def walk_all(seeds: Iterable[int], *, steps: int, lives: bool = True) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed in seeds:
        try:
            ends = walk(seed, steps, lives=lives)
        except BaseException as error:
            error.add_note(
                f"replay: python -c 'from tests.sync.rights_ends import walk; walk({seed}, {steps}, lives={lives})'"
            )
            raise
        seen += ends.seen
        seen["crash"] += ends.crashes
    return seen


def test_both_ends_store_what_the_rules_say_whoever_dies_when() -> None:
    """A law that is never tried holds as well: every kind of deed must have come up."""
    seen = walk_all(range(25), steps=80)

    assert (
        min(seen[name] for name in ("promise", "pick", "cancel", "release", "gave way", "hub grant", "cloud grant")) > 5
    )
    assert min(seen[name] for name in ("overdraw", "crash", "life", "short pick")) > 5


# planted faults: each must be found by the walks above

find_promise, known_of, put_own = promises.find_promise, rights.known_of, rights.put_own


def summing_merge(_stored: bytes, arrived: bytes, one: rows.Tally, other: rows.Tally) -> bytes | None:
    fields: dict[str, Any] = msgspec.json.decode(arrived)
    return msgspec.json.encode(fields | {name: n + other.numbers[name] for name, n in one.numbers.items()})


class Late:
    """A row that goes to the store now, and is written here with the next one only."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Any, ...]] = []

    def put_own(self, tx: Any, own: Any, store: str, entity: Any, row: Any, *, by: str = "") -> None:
        rights.put_row(tx, own, store, entity, row, by=by)
        waiting, self.waiting = self.waiting, [(own, store, entity, row, by)]
        for own_then, store_then, entity_then, row_then, by_then in waiting:
            put_own(tx, own_then, store_then, entity_then, row_then, by=by_then)


def nothing_ends(*_: Any) -> None:
    """A promise that was cancelled stays open."""


def no_heir(*_: Any, **__: Any) -> bool:
    return False


def one_life_for_all(*_: Any) -> bool:
    return True


def rights_without_grants(*_: Any) -> int:
    return 0


def pick_that_keeps_the_right(*_: Any) -> int:
    return 0


FAULTS: list[tuple[Any, str, Callable[..., Any]]] = [
    (rights, "put_own", Late().put_own),
    (promises, "_set_ending", nothing_ends),
    (rows, "merged", summing_merge),
    (hub_rights, "_is_first_life", one_life_for_all),
    (hub_rights, "_moved", rights_without_grants),
    (hub_rights, "_picked", pick_that_keeps_the_right),
    (cloud_lives, "pass_on", no_heir),
]


@pytest.mark.parametrize(("module", "name", "fault"), FAULTS, ids=lambda each: getattr(each, "__name__", str(each)))
def test_the_walks_find_a_planted_fault(
    module: Any, name: str, fault: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, fault)
    if (module, name) == (rows, "merged"):
        monkeypatch.setattr("sync.cloud.arrivals.tallies.merged", fault)
    if name == "pass_on":  # what would be passed on later must not hide it
        monkeypatch.setattr(balance, "pass_on_place", no_heir)

    with pytest.raises((AssertionError, RuleError)):
        walk_all(range(25), steps=80)


# single steps


@pytest.fixture
def ends() -> Ends:
    """Ten pieces, five of them the cloud's, everybody at rest."""
    ends = Ends(Policy())
    ends.receive(10)
    ends.settle()
    return ends


def stored_right(ends: Ends, rep: str) -> int:
    return right_of(ends.cloud_state(), rep)


def test_half_of_what_came_is_the_clouds_after_the_first_contact(ends: Ends) -> None:
    assert (stored_right(ends, ends.me), stored_right(ends, ends.cloud_rep)) == (5, 5)


def test_the_cloud_promises_what_it_has_and_no_more(ends: Ends) -> None:
    assert ends.promise(4) == "created"
    assert ends.promise(2) == "refused"
    assert ends.promise(1) == "created"


def test_a_promise_that_is_asked_for_again_is_made_once(ends: Ends) -> None:
    wanted = promises.PromiseRequest(promise_id="p", order_id="o", sku="TEA-01", store="hk01", qty=2)
    first = ends.cloud.books.db.write(lambda tx: promises.promise(tx, ends.cloud.books.replica, wanted, now_ms=1))
    again = ends.cloud.books.db.write(lambda tx: promises.promise(tx, ends.cloud.books.replica, wanted, now_ms=2))
    other = msgspec.structs.replace(wanted, qty=3)

    assert (run(first).status, run(again).status) == ("created", "repeated")
    assert stored_right(ends, ends.cloud_rep) == 3
    with pytest.raises(RuleError, match="other content"):
        run(ends.cloud.books.db.write(lambda tx: promises.promise(tx, ends.cloud.books.replica, other, now_ms=3)))


def test_a_sale_beyond_the_right_goes_through_and_says_so(ends: Ends) -> None:
    assert ends.sell(5) == ()
    assert ends.sell(2) == ("overdraw",)
    assert [debt.qty for debt in hub_rights.debts(ends.hub.db.read, ends.hub.replica)] == [2]


def test_a_debt_is_covered_by_what_the_cloud_has_not_promised(ends: Ends) -> None:
    ends.promise(3, keeper="cloud")
    ends.sell(7)
    ends.settle()

    assert stored_right(ends, ends.me) == 0
    assert list(ends.promises.values()) == [""]
    ends.check_quiet()


def test_the_newest_promise_gives_way_when_nothing_else_is_left(ends: Ends) -> None:
    ends.promise(2, keeper="cloud")
    ends.promise(3, keeper="cloud")
    older, newer = sorted(ends.promises)
    ends.sell(7)
    ends.settle()

    assert (ends.promises[older], ends.promises[newer]) == ("", "given_back")
    assert len(
        ends.cloud_disk.rows("SELECT 1 FROM fact WHERE stream = (SELECT id FROM feed WHERE stream = 'settlements')")
    )
    ends.check_quiet()


def test_a_promise_that_the_shop_keeps_is_asked_back(ends: Ends) -> None:
    ends.promise(5)
    ends.settle()
    ends.sell(6)
    at_risk = hub_promises.promises_at_risk(ends.hub.db.read, ends.hub.replica, cloud=ends.cloud_rep)
    ends.settle()

    assert at_risk == list(ends.promises)
    assert list(ends.promises.values()) == ["given_back"]
    ends.check_quiet()


def test_the_last_piece_stays_in_the_shop_and_sells_on_line_while_it_answers() -> None:
    ends = Ends(Policy())
    ends.receive(1)
    ends.settle()

    assert ends.promise(1, ask=True) == "refused"
    ends.settle()
    assert stored_right(ends, ends.cloud_rep) == 1, "what waits for an order is not handed back"
    wanted = promises.PromiseRequest(promise_id="p2", order_id="o2", sku="TEA-01", store="hk01", qty=1)
    other = msgspec.structs.replace(wanted, promise_id="px")
    assert run(ends.contact.promise(other)).status == "refused", "it is kept for who had asked"
    assert run(ends.contact.promise(wanted)).status == "created"


def test_an_order_that_waits_no_more_lets_the_piece_go_back() -> None:
    ends = Ends(Policy())
    ends.receive(1)
    ends.settle()
    ends.promise(1, ask=True)
    ends.settle()
    run(ends.contact.cancel(f"p{ends.made}"))
    ends.model[ends.cloud_rep] = ends.cloud_state()[ends.cloud_rep]
    ends.settle()

    assert stored_right(ends, ends.me) == 1


def test_a_grant_that_came_before_its_goods_is_no_debt(ends: Ends) -> None:
    """The streams arrive one by one: settling what looks like a debt would break a promise for nothing."""
    ends.promise(5, keeper="cloud")
    ends.cloud_disk.rows("DELETE FROM tally WHERE stream = (SELECT id FROM feed WHERE stream = 'levels')")
    known = rights.known_of(ends.cloud.books.db.read, PLACE)

    assert right_of(known.state, ends.me) < 0
    assert known.torn == {ends.me}
    run(
        ends.cloud.books.db.write(lambda tx: balance.attend(tx, ends.cloud.books.replica, PLACE, ends.policy, now_ms=1))
    )
    assert ends.ending_at_cloud(max(ends.promises)) == ""


def test_a_new_life_begins_without_rights_and_inherits_what_was_left(ends: Ends) -> None:
    former = ends.me
    ends.new_life()

    assert hub_rights.right_of(ends.hub.db.read, ends.hub.replica, HERE) == 0
    assert ends.sell(1) == ("overdraw",)
    ends.settle()
    assert stored_right(ends, former) == 0
    assert stored_right(ends, ends.me) + stored_right(ends, ends.cloud_rep) == 9
    ends.check_quiet()


def test_a_restored_hub_knows_what_it_had_granted_since_the_backup(ends: Ends) -> None:
    """Else it takes the cloud for empty and grants what the cloud gives back, to and fro."""
    image = ends.hub_disk.image()
    ends.receive(20)
    ends.settle()
    ends.restore(image)
    ends.settle()
    ends.receive(2)
    ends.settle()

    assert stored_right(ends, ends.cloud_rep) == 16
    ends.check_quiet()


def test_a_grant_that_only_the_copy_has_made_is_none(ends: Ends) -> None:
    ends.receive(4)
    ends.hub_contact()
    assert right_of(ends.hub_state(), ends.cloud_rep) == 7
    ends.new_life()
    ends.settle()

    assert right_of(ends.hub_state(), ends.cloud_rep) == stored_right(ends, ends.cloud_rep)
    ends.check_quiet()


def test_a_debt_is_inherited_as_a_debt() -> None:
    ends = Ends(Policy(online_share_pct=100, single_item=False))
    ends.receive(4)
    ends.settle()
    ends.promise(4)
    ends.sell(2)
    ends.talk(200)
    ends.hub_contact()
    for _ in range(3):
        ends.talk(200)
    former = ends.me
    ends.new_life()
    for _ in range(4):
        ends.talk(200)

    (passed,) = ends.cloud_disk.rows(
        "SELECT body ->> 'qty' FROM tally WHERE stream = (SELECT id FROM feed WHERE stream = 'passed')"
    )
    assert passed == (-2,)
    assert stored_right(ends, former) == 0


def test_inherited_rights_do_not_go_on_line_before_they_are_counted() -> None:
    ends = Ends(Policy(online_share_pct=100, safety_stock=6, single_item=False))
    ends.receive(10)
    ends.settle()
    ends.new_life()
    ends.settle()
    before = stored_right(ends, ends.cloud_rep)
    uncounted = hub_rights.uncounted(ends.hub.db.read, ends.hub.replica, HERE)
    ends.rule = ends.rights.rule = hub_rights.Rule(policy=Policy(online_share_pct=100, single_item=False))
    ends.hub_disk.rows("DELETE FROM right_looked")
    ends.hub_contact()
    assert (uncounted, before) == (6, 4)
    assert right_of(ends.hub_state(), ends.me) == 6, "all of it is uncounted"

    run(ends.hub.db.write(lambda tx: hub_rights.note_counted(tx, ends.hub.replica, HERE)))
    ends.hub_disk.rows("DELETE FROM right_looked")
    ends.hub_contact()
    assert right_of(ends.hub_state(), ends.me) == 0


def test_a_life_is_sealed_once_and_passes_on_nothing_twice(ends: Ends) -> None:
    ends.new_life()
    ends.settle()
    before = ends.cloud_state()
    replica = ends.cloud_disk.value("SELECT replica FROM ended_life")
    own = ends.cloud.books.replica

    assert run(ends.cloud.books.db.write(lambda tx: seal_if_whole(tx, own, replica, now_ms=9))) is None
    former = next(rep for rep, row in before.items() if row.sealed)
    assert run(ends.cloud.books.db.write(lambda tx: rights.pass_on(tx, own, former, ends.me))) == 0
    assert ends.cloud_state() == before


def run(coroutine: Any) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")
