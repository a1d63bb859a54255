"""Wi-Fi probes' reports: which addresses are phones, and that no error or text shows one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.probes import SEEN_MAX, is_randomised, parse_report
from devices.drivers._counting import REMEDIES
from devices.errors import CountError

PHONE, MADE_UP, GROUP = "a4:83:e7:12:34:56", "DA-A1-19-00-00-01", "01005e0000fb"


def report(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_addresses_are_read_however_they_are_written_and_groups_are_no_phones() -> None:
    seen = [PHONE, {"mac": MADE_UP, "rssi_dbm": -70}, GROUP, {"mac": "A483E7123456"}]
    found = parse_report(report(seen=seen, at=1_790_000_000), place="door")
    assert found.addresses == {bytes.fromhex("a483e7123456"), bytes.fromhex("daa119000001")}
    assert (found.place, found.at_ms) == ("door", 1_790_000_000_000)
    assert sorted(map(is_randomised, found.addresses)) == [False, True]


def test_what_is_heard_too_weakly_is_outside() -> None:
    seen = [{"mac": PHONE, "rssi_dbm": -90}, {"mac": MADE_UP, "rssi_dbm": -60}]
    assert len(parse_report(report(seen=seen), place="door", rssi_min_dbm=-80).addresses) == 1


def test_a_report_never_shows_an_address() -> None:
    said = repr(parse_report(report(seen=[PHONE, MADE_UP]), place="door"))
    assert "<2 addresses>" in said and "a4" not in said and "\\x" not in said


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not_json"),
        (b"[]", "wrong_field"),
        (report(seen=["a4:83:e7:12:34"]), "wrong_field"),
        (report(seen=[PHONE] * (SEEN_MAX + 1)), "wrong_field"),
        (report(seen=[PHONE], at="yesterday"), "wrong_field"),
        (report(seen=[], more="x" * 70_000), "too_long"),
    ],
)
def test_what_is_no_report_is_refused_without_its_content(payload: bytes, reason: str) -> None:
    with pytest.raises(CountError) as caught:
        parse_report(payload, place="door")
    assert caught.value.reason == reason and "a4" not in str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_report_or_an_error_with_a_remedy(payload: bytes) -> None:
    try:
        parse_report(payload, place="door")
    except CountError as err:
        assert err.reason in REMEDIES


@given(st.lists(st.binary(min_size=6, max_size=6)))
def test_every_address_of_one_phone_is_in_the_report(addresses: list[bytes]) -> None:
    found = parse_report(report(seen=[address.hex(":") for address in addresses]), place="door")
    assert found.addresses == {address for address in addresses if not address[0] % 2}
