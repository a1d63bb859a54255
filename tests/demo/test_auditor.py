"""The auditor on small evidence: an honest day holds, and each fault is found and called by its name, and by no other."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from hub.demo.auditor.__main__ import audit
from hub.demo.auditor.evidence import Evidence, read_feed, roll
from hub.demo.auditor.finding import table, verdict
from hub.demo.auditor.paper import read_sheets
from tests.demo.honest_day import (
    HAM_PAPER,
    QUARTER_MS,
    T0,
    TEA_PAPER,
    feed_row,
    honest,
    message,
    printed,
    till_entry,
)
from tests.demo.planted_faults import FAULTS


def broken(evidence: Evidence) -> str:
    return verdict(audit(evidence))


def test_an_honest_day_holds() -> None:
    findings = audit(honest())
    assert verdict(findings) == "VERDICT: all 8 promises hold", table(findings)


@pytest.mark.parametrize(("plant", "word"), FAULTS)
def test_each_fault_is_found_and_called_by_its_name_only(plant: Callable[[Evidence], None], word: str) -> None:
    day = honest()
    plant(day)
    assert broken(day).startswith(f"VERDICT: BROKEN: {word} ("), table(audit(day))
    assert "," not in broken(day), table(audit(day))


def test_a_day_that_shows_nothing_proves_nothing() -> None:
    day = Evidence(facts=honest().facts, feed={stream: [] for stream in honest().feed})
    findings = audit(day)
    assert not any(finding.holds for finding in findings)
    assert verdict(findings) == "VERDICT: NOT SHOWN: promise 1, 2, 3, 4, 5, 6, 7, 8"


def test_a_torn_receipt_that_is_printed_again_with_a_mark_is_right() -> None:
    day = honest()
    again = printed("t1-ABCD-000001", "  2 x 15.50          31.00", "31.00", mark="重印，或為重複單據 REPEAT")
    day.paper = [TEA_PAPER[:-20], HAM_PAPER + again]
    day.tills.append(till_entry("retry", {}, {}, T0 + 22_000, status=202, sale_id="s1"))

    assert broken(day) == "VERDICT: all 8 promises hold"


def test_a_count_that_the_broker_lost_with_the_hub_is_made_up_for_by_the_next() -> None:
    """Acknowledged right before the kill: it counts in its own quarter hour or, by the next totals, in the next one."""
    day = honest()
    day.mqtt += [message(T0 + 19_000, 5, 0, boot="b2"), message(QUARTER_MS + 900_000, 6, 0, boot="b2")]
    later = feed_row(2, {"entrance": "main-door", "quarter": "2026-11-22T00:15:00Z", "in": 4, "out": 0})
    day.feed["footfall"].append(later)

    assert broken(day) == "VERDICT: all 8 promises hold"


def test_a_page_that_is_not_what_its_digest_says_is_damage() -> None:
    row = b'{"sale":1}'
    line = b'{"n":1,"store":"hk01","rep":"hk01:1","seq":1,"key":"a","row":' + row + b"}"
    trailer = {"next": 1, "rows": 1, "digest": roll(bytes(8), row).hex(), "more": False}
    page = b"\n".join([b'{"v":1,"stream":"sales","after":0}', line, json.dumps(trailer).encode()])

    damage: list[str] = []
    assert [each.raw for each in read_feed("sales", page, damage)] == [row]
    assert not damage
    read_feed("sales", page.replace(b'{"sale":1}', b'{"sale":2}'), damage)
    assert damage == ["sales: the page that ends at 1 is not what its digest says"]
    read_feed("sales", page[: -len(json.dumps(trailer))], damage)
    assert damage[1:] == ["sales: the last page was cut"]


def test_paper_is_read_from_bytes_cut_by_cut() -> None:
    sheets = read_sheets(TEA_PAPER + HAM_PAPER[:-8], "big5hkscs")
    assert [(sheet.number, sheet.is_whole, sheet.lines) for sheet in sheets] == [
        ("t1-ABCD-000001", True, ((2, 1550, 1, 3100),)),
        ("t1-ABCD-000002", False, ((350, 4650, 100, 16275),)),
    ]


def test_the_auditor_shares_no_code_with_what_it_audits() -> None:
    ours = "n.split('.')[0] in ('hub', 'sync', 'devices')"
    code = f"import hub.demo.auditor.__main__, sys; print(*sorted(n for n in sys.modules if {ours}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    reader = {"devices", *(f"devices.testing{name}" for name in ("", ".paper", ".escpos_reader", ".escpos_functions"))}
    others = {name for name in loaded if not name.startswith("hub.demo.auditor")} - {"hub", "hub.demo"} - reader
    assert not others
