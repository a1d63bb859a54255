"""What judges a power cut finds what is planted: a shift that knows its answers, against a disk that differs in one thing."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import pytest

from tests.appliance.shift import BASELINE, DOOR, Outside, Shift, lost, wrong
from tests.faults.tills import OPENING, SKUS
from tests.faults.verdict import Verdict

REP = "hk01:00000000000000aa"
LINES = [{"line": 1, "sku": "TEA", "qty": 2}]
FACTS = {
    "sales": [{"sale": {"sale_id": "s1"}, "receipt_no": "t1-1-1"}, {"sale": {"sale_id": "s2"}, "receipt_no": "t1-1-2"}],
    "returns": [{"return": {"return_id": "r1", "sale_id": "s1"}, "lines": [{"sku": "TEA", "qty": 1}]}],
    "stock": [{"movement": {"movement_id": "d1"}}],
    "prints": [{"job_id": "j1", "state": "printed", "attempts": 1}],
}
PAPER = ["單號 Receipt        t1-1-1"]
Change = Callable[[Verdict], Verdict]


def bodies(stream: str) -> list[str]:
    return [json.dumps(fact) for fact in FACTS[stream]]


def digest(stream: str) -> bytes:
    rolled = bytes(8)
    for body in bodies(stream):
        rolled = blake2b(rolled + body.encode(), digest_size=8).digest()
    return rolled


def whole() -> Verdict:
    """A disk on which two sales, a return, a delivery, a member and three visitors are; one receipt is printed."""
    sales = [(1, n, f"s{n}", f"t1-1-{n}", body, "{}") for n, body in enumerate(bodies("sales"), 1)]
    return Verdict(
        integrity="ok",
        sales=sales,
        replicas={1: REP},
        returns=[(1, 1, "r1", bodies("returns")[0], "{}")],
        movements=[(1, 1, "d1", bodies("stock")[0])],
        results=[(1, 1, bodies("prints")[0])],
        streams=[(1, name, len(facts), digest(name)) for name, facts in FACTS.items()],
        stock=dict.fromkeys(SKUS, OPENING) | {"TEA": OPENING - 2 - 2 + 1 + 6},
        jobs=[("j1", "s1", "printed", 1), ("j2", "s2", "queued", 0)],
        members=[("m1", 1)],
        entered={DOOR: 3},
    )


def at_work() -> Shift:
    """A shift that was answered all of that."""
    shift, found = Shift(random.Random(0), Outside("", 0, [], "", ("", ""), {"10:00": BASELINE})), whole()
    tills = shift.tills
    tills.posted = {name: {"sale_id": name, "lines": LINES, "print": True} for name in ("s1", "s2")}
    tills.answers, tills.returns, tills.delivered = found.answers, found.return_answers, found.documents
    tills.deliveries = {"d1": {"lines": [{"sku": "TEA", "qty": 6}]}}
    tills.asked_for = tills.enrolled = {"m1"}
    shift.entered, shift.told = 3, {"10:00": 2, "10:15": 1}
    return shift


def test_a_disk_on_which_all_is_as_it_was_answered_is_blamed_for_nothing() -> None:
    assert (lost(at_work(), whole(), PAPER), wrong(at_work(), whole(), PAPER)) == ([], [])


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("sale s2", lambda found: replace(found, sales=found.sales[:1])),
        ("sale s2", lambda found: replace(found, sales=[*found.sales[:1], (1, 3, *found.sales[1][2:])])),
        ("return r1", lambda found: replace(found, returns=[])),
        ("delivery d1", lambda found: replace(found, movements=[])),
        ("member m1", lambda found: replace(found, members=[])),
        ("member m1", lambda found: replace(found, members=[("m1", 0)])),
        ("visitors: 3 told, 2 there", lambda found: replace(found, entered={DOOR: 2})),
        ("print of receipt t1-1-1", lambda found: replace(found, jobs=[("j1", "s1", "queued", 0)])),
    ],
)
def test_an_answer_that_is_not_there_is_named(what: str, change: Change) -> None:
    assert lost(at_work(), change(whole()), PAPER) == [what]


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("the database says row 7 missing", lambda found: replace(found, integrity="row 7 missing")),
        ("a write stands twice", lambda found: replace(found, returns=found.returns * 2)),
        ("a write stands twice", lambda found: replace(found, members=found.members * 2)),
        ("a member's card stands twice", lambda found: replace(found, members=[("m1", 2)])),
        ("a member that nobody sent", lambda found: replace(found, members=[("m2", 1)])),
        ("a sale that nobody sent", lambda found: replace(found, sales=[*found.sales, again(found.sales[0], "s9")])),
        ("more visitors than came in", lambda found: replace(found, entered={DOOR: 4})),
        ("receipt numbers have gaps", lambda found: replace(found, sales=found.sales[1:])),
        ("streams have gaps or other digests: ['stock']", lambda found: replace(found, movements=[])),
        ("stock differs", lambda found: replace(found, stock=found.stock | {"CUP": OPENING - 1})),
        ("receipts asked for are not in the ledger", lambda found: replace(found, jobs=found.jobs[:1])),
        ("print results differ: ['j1']", lambda found: replace(found, results=[])),
    ],
)
def test_what_no_cut_may_leave_is_named(what: str, change: Change) -> None:
    assert any(claim.startswith(what) for claim in wrong(at_work(), change(whole()), PAPER))


def test_paper_that_came_out_twice_is_named_unless_it_bears_a_mark() -> None:
    twice, marked = [*PAPER, *PAPER], [*PAPER, "*** 重印 REPRINT ***", *PAPER]

    assert wrong(at_work(), whole(), twice) == ["printed twice without a mark: ['t1-1-1']"]
    assert wrong(at_work(), whole(), marked) == []


def again(sale: Any, sale_id: str) -> Any:
    """Return a sale's row under another id."""
    replica, seq, _, receipt_no, body, told = sale
    return (replica, seq + 9, sale_id, receipt_no, body.replace("s1", sale_id), told)
