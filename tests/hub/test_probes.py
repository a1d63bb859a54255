"""Phones that probes heard: how many by hour and day, told by an independent count, and that nothing of them is kept."""

import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.model import Addresses, ProbeReport
from hub.attached import probes
from hub.attached.probes import HOUR_MS, LATE_MAX_MS, Probes

PHONE = bytes.fromhex("a483e7123456")
MADE_UP = bytes.fromhex("daa119000001")


def report(*addresses: bytes, place: str = "door", at_ms: int | None = None) -> ProbeReport:
    return ProbeReport(place, Addresses(addresses), at_ms)


async def phones(till: Any, **query: str) -> dict[str, Any]:
    return {each["place"]: each for each in (await till.get("/v1/insights/phones", **query)).json["places"]}


async def test_a_phone_counts_once_in_an_hour_and_once_in_the_day(hub: Any, till: Any) -> None:
    heard = Probes(hub.runtime)
    await heard.on_reports("probes", [report(PHONE, MADE_UP), report(PHONE), report(place="yard")])
    hub.clock.now_ms += HOUR_MS
    await heard.on_reports("probes", [report(PHONE)])

    found = await phones(till)
    door = found["door"]
    assert (door["steady"], door["randomised"], door["salts"]) == (1, 1, 1)
    assert [(each["steady"], each["randomised"]) for each in door["hours"]] == [(1, 1), (1, 0)]
    assert (found["yard"]["steady"], found["yard"]["heard_quarters"]) == (0, 1)


async def test_the_coverage_says_how_much_of_the_day_there_were_reports(hub: Any, till: Any) -> None:
    """It is 22:13 in Hong Kong, 89 quarter hours after midnight; a silent shop reports nobody, which is a report."""
    heard = Probes(hub.runtime)
    for _ in range(4):
        await heard.on_reports("probes", [report()])
        hub.clock.now_ms += 15 * 60_000
    door = (await phones(till))["door"]
    assert (door["heard_quarters"], door["quarters"]) == (4, 93)


async def test_a_hub_that_starts_again_takes_another_key_and_says_so(hub: Any, till: Any) -> None:
    for _ in range(2):
        await Probes(hub.runtime).on_reports("probes", [report(PHONE)])
    door = (await phones(till))["door"]
    assert (door["steady"], door["salts"]) == (2, 2)


async def test_the_next_day_nobody_is_known(hub: Any, till: Any) -> None:
    heard = Probes(hub.runtime)
    await heard.on_reports("probes", [report(PHONE)])
    first = dict(heard._seen)
    hub.clock.now_ms += 24 * HOUR_MS
    await heard.on_reports("probes", [report(PHONE)])
    assert not set().union(*first.values()) & set().union(*heard._seen.values())
    assert (await phones(till))["door"]["steady"] == 1
    assert (await phones(till, date="2026-09-21"))["door"]["steady"] == 1


async def test_a_probe_whose_clock_is_wrong_is_counted_when_it_reports(hub: Any, till: Any) -> None:
    now_ms = hub.clock.now_ms
    await Probes(hub.runtime).on_reports("probes", [report(PHONE, at_ms=now_ms - LATE_MAX_MS - 1)])
    assert (await phones(till))["door"]["hours"][0]["hour"] == "2026-09-21T22:00:00+08:00"


async def test_no_address_and_no_name_is_stored_or_logged(
    hub: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Probes(hub.runtime)
    with caplog.at_level(logging.DEBUG):
        await heard.on_reports("probes", [report(PHONE, MADE_UP)])
    names = set().union(*heard._seen.values())
    whole = b"".join(file.read_bytes() for file in tmp_path.rglob("hub.db*"))
    for secret in (PHONE, MADE_UP, *(text.encode() for text in (PHONE.hex(), PHONE.hex(":"), MADE_UP.hex(), *names))):
        assert secret not in whole
    assert PHONE.hex() not in caplog.text and not any(name in caplog.text for name in names)


async def test_too_many_phones_are_said_once_and_not_counted(
    hub: Any, till: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(probes, "NAMES_MAX", 2)
    heard = Probes(hub.runtime)
    for number in range(4):
        await heard.on_reports("probes", [report(bytes((0, 0, 0, 0, 0, number)))])
    assert (await phones(till))["door"]["steady"] == 2
    assert sum("too many phones" in record.message for record in caplog.records) == 1


@given(st.lists(st.lists(st.integers(0, 6), max_size=6), max_size=8))
@settings(max_examples=25)
def test_the_day_has_as_many_phones_as_there_were(batches: list[list[int]]) -> None:
    """Without a database: what is fresh is told apart as often as it comes, within a batch and beyond it."""

    class Names:
        def of(self, identity: str, *, day: str) -> str:
            return identity

    told = Probes.__new__(Probes)
    told._names, told._day, told._seen, told._is_full = Names(), "d", {}, False  # type: ignore[assignment]
    total = 0
    for batch in batches:
        fresh: dict[tuple[str, int | None], set[str]] = {}
        for number in batch:
            said = told._heard(report(bytes((4, 0, 0, 0, 0, number))), fresh, 1_790_000_000_000)
            total += sum(each.steady for each in said if each.hour_ms is None)
        told._keep("d", fresh)
    assert total == len({number for batch in batches for number in batch})
