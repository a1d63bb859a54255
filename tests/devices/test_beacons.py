"""Beacons: frames as they come out of BlueZ, damage, and any bytes. Vectors: own lines, and the shared ones where they lie."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.beacons import (
    EDDYSTONE_UUID,
    AltBeacon,
    EddystoneEid,
    EddystoneEtlm,
    EddystoneTlm,
    EddystoneUid,
    EddystoneUrl,
    Frame,
    IBeacon,
    Named,
    parse_manufacturer_data,
    parse_service_data,
)
from devices.errors import BeaconError

MATERIAL = Path(os.environ.get("STOREHUB_MATERIAL", Path(__file__).parents[3] / "shared" / "material"))
VECTORS = MATERIAL / "ble" / "advertisements.json"
UUID_TEXT = "5b8e2d7a-91c4-4f0e-a3d6-127c9e50f4b8"
IBEACON = bytes.fromhex("0215" + UUID_TEXT.replace("-", "") + "0fa1" + "0205" + "c5")


def refusal(parse: Any, *given_: Any) -> str:
    with pytest.raises(BeaconError) as caught:
        parse(*given_)
    return caught.value.reason


def test_an_ibeacon_is_its_uuid_major_and_minor() -> None:
    found = parse_manufacturer_data(0x004C, IBEACON)
    assert found == IBeacon(UUID_TEXT, 4001, 517, -59)
    assert found.identity == f"ibeacon:{UUID_TEXT}:4001:517"


def test_an_altbeacon_may_be_of_any_company() -> None:
    found = parse_manufacturer_data(0x0118, bytes.fromhex("beac" + "11" * 16 + "2233" + "4455" + "c5" + "00"))
    assert found == AltBeacon("11" * 16 + "22334455", -59)
    assert found.identity == "altbeacon:" + "11" * 16 + "22334455"
    assert refusal(parse_manufacturer_data, 0x0118, bytes.fromhex("beac" + "11" * 20 + "c5")) == "truncated"


def test_eddystone_states_its_power_at_the_beacon_and_we_at_a_metre() -> None:
    found = parse_service_data(EDDYSTONE_UUID, bytes.fromhex("00e3" + "12345678901234678901" + "000000000001" + "0000"))
    assert found == EddystoneUid("12345678901234678901", "000000000001", -29 - 41)
    assert found.identity == "eddystone:12345678901234678901:000000000001"


def test_a_url_is_spelt_out() -> None:
    found = parse_service_data(EDDYSTONE_UUID, bytes((0x10, 0xF8, 3)) + b"shop" + bytes((1,)) + b"hk" + bytes((7,)))
    assert found == EddystoneUrl("https://shop.org/hk.com", -8 - 41)
    assert found.identity == "eddystone-url:https://shop.org/hk.com"
    assert refusal(parse_service_data, EDDYSTONE_UUID, bytes((0x10, 0, 0)) + b"a" * 18) == "bad_url"


def test_telemetry_and_rotating_ids_are_nobody() -> None:
    telemetry = parse_service_data(EDDYSTONE_UUID, bytes.fromhex("2000" + "0b18" + "ff80" + "00000001" + "0000000a"))
    assert telemetry == EddystoneTlm(2840, -0.5, 1, 10)
    encrypted = parse_service_data(EDDYSTONE_UUID, bytes.fromhex("2001" + "41" * 12 + "dead" + "beff"))
    assert encrypted == EddystoneEtlm("41" * 12, 0xDEAD, 0xBEFF)
    rotating = parse_service_data(EDDYSTONE_UUID, bytes.fromhex("30e3" + "4549445f74657374"))
    assert rotating == EddystoneEid("4549445f74657374", -70)
    assert not any(isinstance(frame, Named) for frame in (telemetry, encrypted, rotating))


@pytest.mark.parametrize("cut", range(len(IBEACON)))
def test_a_frame_that_is_cut_is_refused_wherever_it_is_cut(cut: int) -> None:
    assert refusal(parse_manufacturer_data, 0x004C, IBEACON[:cut]) == "truncated"


@pytest.mark.parametrize(
    ("frame", "whole"),
    [
        ("00e3" + "12" * 16, 18),
        ("10f80361", 4),
        ("2000" + "01" * 12, 14),
        ("2001" + "01" * 16, 18),
        ("30e3" + "45" * 8, 10),
    ],
)
def test_an_eddystone_frame_may_be_followed_by_more_and_not_cut(frame: str, whole: int) -> None:
    payload = bytes.fromhex(frame)
    found = parse_service_data(EDDYSTONE_UUID, payload)
    assert len(payload) == whole
    assert {refusal(parse_service_data, EDDYSTONE_UUID, payload[:cut]) for cut in range(whole)} == {"truncated"}
    assert payload[0] == 0x10 or parse_service_data(EDDYSTONE_UUID, payload + b"\xff") == found


@pytest.mark.parametrize(
    ("byte", "text"),
    [(0x0D, ".gov"), (0x0E, None), (0x1F, None), (0x20, None), (0x21, "!"), (0x7E, "~"), (0x7F, None), (0x80, None)],
)
def test_a_url_has_expansions_and_printable_characters(byte: int, text: str | None) -> None:
    payload = bytes((0x10, 0, 2, byte))
    if text is None:
        assert refusal(parse_service_data, EDDYSTONE_UUID, payload) == "bad_url"
    else:
        assert parse_service_data(EDDYSTONE_UUID, payload) == EddystoneUrl(f"http://{text}", -41)


def test_a_url_has_seventeen_bytes_at_most() -> None:
    longest = parse_service_data(EDDYSTONE_UUID, bytes((0x10, 0, 2)) + b"a" * 17)
    assert longest == EddystoneUrl("http://" + "a" * 17, -41)


@pytest.mark.parametrize(("byte", "power"), [(0x7E, 126), (0x7F, 127), (0x80, -128), (0xFF, -1)])
def test_a_power_is_signed(byte: int, power: int) -> None:
    found = parse_service_data(EDDYSTONE_UUID, bytes((0x30, byte)) + b"12345678")
    assert isinstance(found, EddystoneEid)
    assert found.power_dbm == power - 41


def test_another_message_of_apple_is_no_beacon() -> None:
    assert refusal(parse_manufacturer_data, 0x004C, b"\x02\x14" + IBEACON[2:]) == "not_a_beacon"


@given(
    st.integers(0, 0xFFFF) | st.just(0x004C), st.binary(max_size=64) | st.binary(max_size=30).map(b"\x02\x15".__add__)
)
def test_any_manufacturer_data_is_a_frame_or_refused(company_id: int, payload: bytes) -> None:
    _is_frame_or_refused(parse_manufacturer_data, company_id, payload)


@given(st.just(EDDYSTONE_UUID) | st.text(max_size=40), st.binary(max_size=64), st.sampled_from((0, 0x10, 0x20, 0x30)))
def test_any_service_data_is_a_frame_or_refused(uuid: str, payload: bytes, frame_type: int) -> None:
    _is_frame_or_refused(parse_service_data, uuid, payload)
    _is_frame_or_refused(parse_service_data, EDDYSTONE_UUID, bytes((frame_type,)) + payload)


def _is_frame_or_refused(parse: Any, *given_: Any) -> None:
    try:
        found = parse(*given_)
    except BeaconError as err:
        assert err.reason in ("not_a_beacon", "truncated", "unknown_frame", "unknown_version", "bad_url")
    else:
        assert isinstance(found, Frame)
        assert not isinstance(found, Named) or len(found.identity) < 200


def test_the_shared_vectors_are_read_as_their_sources_read_them() -> None:
    if not VECTORS.exists():
        pytest.skip("material is absent")
    cases = json.loads(VECTORS.read_text())
    wrong = [case["what"] for case in cases if not _agrees(_read(case), case["expected"])]
    assert not wrong
    assert sum("error" in case["expected"] for case in cases) == 25


def _read(case: dict[str, Any]) -> Frame | str:
    payload = bytes.fromhex(case["hex"])
    try:
        match case["kind"]:
            case "manufacturer_data":
                return parse_manufacturer_data(int(case["company_id"], 16), payload)
            case "service_data":
                return parse_service_data(
                    f"0000{case['service_uuid'][2:].lower()}-0000-1000-8000-00805f9b34fb", payload
                )
        return _first_frame(payload)
    except BeaconError as err:
        return err.reason


def _first_frame(packet: bytes) -> Frame | str:
    """Cut a packet into its structures, as bluetoothd does before it hands them out. Core Specification, 3 C 11."""
    while packet and 0 < packet[0] < len(packet):
        body, packet = packet[1 : packet[0] + 1], packet[packet[0] + 1 :]
        if body[0] == 0xFF:
            return parse_manufacturer_data(int.from_bytes(body[1:3], "little"), body[3:])
        if body[0] == 0x16:
            return parse_service_data(f"0000{body[2]:02x}{body[1]:02x}-0000-1000-8000-00805f9b34fb", body[3:])
    return "not_a_beacon"


def _agrees(found: Frame | str, expected: dict[str, Any]) -> bool:
    """Hold a frame against the source's words for it; the source has Eddystone's power at 0 m."""
    if "error" in expected:
        return found == expected["error"]
    names = {"battery_mv", "temperature_c", "adv_count", "uptime_ds", "uuid", "major", "minor"}
    names |= {"namespace", "instance", "url", "eid", "encrypted", "salt", "mic"}
    same = all(getattr(found, name, "absent") == expected[name] for name in names & set(expected))
    power = expected.get("tx_power", expected["tx_power_0m"] - 41 if "tx_power_0m" in expected else None)
    kinds = {
        "ibeacon": IBeacon,
        "eddystone_uid": EddystoneUid,
        "eddystone_url": EddystoneUrl,
        "eddystone_tlm": EddystoneTlm,
        "eddystone_etlm": EddystoneEtlm,
        "eddystone_eid": EddystoneEid,
    }
    return same and isinstance(found, kinds[expected["type"]]) and getattr(found, "power_dbm", None) == power
