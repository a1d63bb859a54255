"""The law of scopes: whatever the order of definitions, edits and broken lines, in the end a hub shows just its scope.

And on the way: what has been in every scope that a store had, and was shown once, is shown all the time.

Replay: .venv/bin/pytest tests/sync/test_scope_law.py -q -s --hypothesis-seed=0
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

import hub.store.upkeep.scopes as hub_scopes
import sync.cloud.scopes.scopes as cloud_scopes
import sync.sending
from tests.sync.scope_world import World, entry

STORES = ("hk01", "hk02")
EVERGREEN = tuple(f"A-{n:02}" for n in range(8))
MOVED = tuple(f"{letter}-x{n}" for letter in "AB" for n in range(3))
DEFINITIONS: dict[str, dict[str, Any]] = {
    "hk": {"currency": "HKD"},
    "tea": {"currency": "HKD", "categories": ["tea"]},
    "both": {"currency": "HKD", "categories": ["tea", "cups"]},
    "a": {"currency": "HKD", "skus_like": ["A-*"]},
    "ax": {"currency": "HKD", "skus_like": ["A-*"], "categories": ["tea"]},
}
Product = tuple[str | None, str]

edits = st.tuples(
    st.just("edit"),
    st.sampled_from((*MOVED, *EVERGREEN[-2:])),
    st.sampled_from(("tea", "cups", None)),
    st.sampled_from(("HKD", "HKD", "TWD")),
    st.integers(1, 3),
)
gives = st.tuples(st.just("give"), st.sampled_from(STORES), st.sampled_from((*DEFINITIONS, "")))
frames = st.tuples(st.just("frames"), st.sampled_from(STORES), st.integers(1, 16))
cuts = st.tuples(st.just("cut"), st.sampled_from(STORES))
others = st.sampled_from((("start",), ("settle",), ("settle",)))
steps = st.lists(st.one_of(edits, gives, frames, frames, cuts, others), min_size=6, max_size=25)


class Audit:
    """What head office knows and what each store is to show, kept apart from the product."""

    def __init__(self) -> None:
        self.world = World(*STORES)
        self.world.definitions["catalogue"] = DEFINITIONS
        self.world.gets = {store: {"catalogue": "hk"} for store in STORES}
        self.world.start_cloud()
        self.products: dict[str, Product]
        self.lasting: dict[str, set[str]] = {store: set() for store in STORES}
        self.products = {**dict.fromkeys(MOVED, ("cups", "HKD")), **dict.fromkeys(EVERGREEN, ("tea", "HKD"))}
        self.world.sell(*(entry(sku, 1, category=category) for sku, (category, _) in self.products.items()))

    def edit(self, sku: str, category: str | None, currency: str, amount: int) -> None:
        if sku in EVERGREEN:
            category, currency = "tea", "HKD"
        self.products[sku] = (category, currency)
        self.world.sell(entry(sku, amount, currency, category=category, en=f"{sku} {amount}"))

    def step(self, what: str, *how: Any) -> None:
        world = self.world
        if what == "edit":
            self.edit(*how)
        elif what == "give":
            world.give(how[0], **({"catalogue": how[1]} if how[1] else {}))
        elif what == "frames":
            hub = world.hubs[how[0]]
            hub.connect()
            for _ in range(how[1]):
                if not (hub.deliver("acceptor") or hub.deliver("dialler")):
                    break
                self.check_lasting()
        elif what == "cut":
            world.hubs[how[0]].cut()
        elif what == "start":
            world.start_cloud()
        else:
            world.settle()
        self.check_lasting()

    def check_lasting(self) -> None:
        for store, lasting in self.lasting.items():
            shown = {sku for entity, sku in self.world.hubs[store].shown() if entity == "product" and sku in EVERGREEN}
            assert lasting <= shown, f"{store}: {sorted(lasting - shown)} vanished"
            lasting.update(shown)

    def wanted(self, store: str) -> set[tuple[str, str]]:
        said = DEFINITIONS.get(self.world.gets[store].get("catalogue", ""), {})
        found: set[tuple[str, str]] = set()
        for sku, (category, currency) in self.products.items():
            if "categories" in said and category not in said["categories"]:
                continue
            if "skus_like" in said and not sku.startswith("A-"):
                continue
            found |= {("product", sku)} | ({("price", sku)} if currency == "HKD" else set())
        return found

    def check_quiet(self) -> None:
        for _ in range(3):
            self.world.settle()
            self.check_lasting()
        for store in STORES:
            hub, wanted = self.world.hubs[store], self.wanted(store)
            shown = hub.shown()
            if not self.world.gets[store]:  # everything: a price that the hub cannot use says nothing of the one before
                shown -= {("price", sku) for sku, (_, currency) in self.products.items() if currency != "HKD"}
            assert not hub.ends, hub.ends
            assert shown == wanted, f"{store}: {sorted(shown ^ wanted)}"
            names = {sku for (sku,) in hub.file.execute("SELECT sku FROM product WHERE gone = 0")}
            assert hub.file.execute("SELECT count(*) FROM product_text").fetchone() == (len(names),)
            amounts = dict(hub.file.execute("SELECT sku, amount_minor FROM price WHERE gone = 0").fetchall())
            stand = dict(
                self.world.cloud_file.execute(
                    "SELECT sku, CAST(body AS TEXT) ->> 'amount' FROM register WHERE kind = 'price'"
                ).fetchall()
            )
            assert {sku: stand[sku] for entity, sku in wanted if entity == "price"}.items() <= amounts.items()


RACE = [
    *(("settle",), ("give", "hk01", "tea"), ("frames", "hk01", 4)),
    *(("edit", sku, "tea", "HKD", 3) for sku in EVERGREEN[-2:]),
    *(("frames", "hk01", 40), ("settle",)),
]
BACK = [
    *(("give", store, "tea") for store in STORES),
    *(("settle",), ("give", "hk01", "hk"), ("frames", "hk01", 5), ("give", "hk01", "tea"), ("settle",)),
]
"""Two that chance seldom finds: a row is written again during a snapshot; a definition comes back during the next one's."""


def law(todo: list[tuple[Any, ...]]) -> None:
    audit = Audit()
    for step in todo:
        audit.step(*step)
    audit.check_quiet()


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a snapshot of a dozen products has a middle."""
    monkeypatch.setattr(sync.sending, "STATE_ROWS", 3)
    monkeypatch.setattr(hub_scopes, "WALK_MAX", 4)


def explore(examples: int) -> Callable[[], None]:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(todo=steps)
    def run(todo: list[tuple[Any, ...]]) -> None:
        law(todo)

    return run


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@example(todo=RACE)
@example(todo=BACK)
@given(todo=steps)
def test_at_quiescence_a_hub_shows_exactly_its_present_scope(todo: list[tuple[Any, ...]]) -> None:
    law(todo)


def _drop_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = hub_scopes._sorted_out
    monkeypatch.setattr(hub_scopes, "_sorted_out", lambda rows: real(rows)._replace(gone={}))


def _keep_leftovers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_scopes, "_leave_unseen", lambda _tx, _scope: (0, True))


def _end_with_the_first_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    real = hub_scopes._sorted_out
    monkeypatch.setattr(hub_scopes, "_sorted_out", lambda rows: real(rows)._replace(is_whole=True))


def _end_at_the_head_that_was_seen_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """`whole` stays where it was written first: rows that move behind it are taken for missing."""
    real = cloud_scopes.close_scopes

    def close(tx: Any, numbers: Any, scopes: Any) -> None:
        found = set(scopes)
        before = {
            scope: tx.execute("SELECT seq, digest FROM scope_row WHERE scope = ? AND entity = ''", (scope,)).fetchone()
            for scope in found
        }
        real(tx, numbers, found)
        for scope, row in before.items():
            if row is not None:
                tx.execute("UPDATE scope_row SET seq = ?, digest = ? WHERE scope = ? AND entity = ''", (*row, scope))

    monkeypatch.setattr(cloud_scopes, "close_scopes", close)
    monkeypatch.setattr("sync.cloud.scopes.scope_catalogue.close_scopes", close)


def _keep_cursors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_scopes, "_forget_cursors", lambda *_: None)


def _never_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_scopes, "_come_back", lambda *_: None)


def _leave_in_one_job_and_forget_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    real = hub_scopes._leave_unseen
    monkeypatch.setattr(hub_scopes, "_leave_unseen", lambda tx, scope: (real(tx, scope)[0], True))


def _forget_the_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product that comes into a scope brings no price with it."""
    monkeypatch.setattr(
        "sync.cloud.scopes.scope_definitions.CatalogueScope.restricts_products", property(lambda _: False)
    )


MUTANTS = (
    *(_drop_gone, _keep_leftovers, _end_with_the_first_batch, _end_at_the_head_that_was_seen_first),
    *(_keep_cursors, _never_come_back, _leave_in_one_job_and_forget_the_rest, _forget_the_price),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__.strip("_"))
def test_the_law_kills(mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)

    with pytest.raises(AssertionError):
        law(RACE)
        law(BACK)
        explore(300)()
