"""Homie 5: devices appear as they describe themselves, accepted nodes count, and no message harms anybody."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.homie import DEVICES_MAX, STATES, Homie
from devices.drivers._counting import REMEDIES
from devices.errors import CountError
from sync.retail.visitors.footfall import judge

MATERIAL = Path(os.environ.get("STOREHUB_MATERIAL", Path(__file__).parents[3] / "shared" / "material")) / "mqtt"
COUNTER = {"homie": "5.0", "name": "Gate", "nodes": {"door": {"properties": {"in": {"datatype": "integer"}}}}}


def described(device: str = "gate", description: Any = COUNTER, entrances: dict[str, str] | None = None) -> Homie:
    homie = Homie({"gate/door": "Gate"} if entrances is None else entrances)
    homie.hear(f"{device}/$description", json.dumps(description).encode())
    homie.hear(f"{device}/$state", b"ready")
    return homie


def test_a_node_that_counts_people_waits_to_be_accepted_and_counts_then() -> None:
    homie = described(entrances={})
    assert homie.waiting == ["gate/door"] and homie.hear("gate/door/in", b"5") is None
    reading = described().hear("gate/door/in", b"5")
    assert reading is not None and (reading.entrance, reading.in_total, reading.out_total) == ("Gate", 5, 0)


def test_a_removed_device_is_forgotten_and_a_lost_one_is_away() -> None:
    homie = described()
    homie.hear("gate/$state", b"lost")
    assert homie.away == ["gate"]
    homie.hear("gate/$state", b"")
    assert not homie.devices and homie.hear("gate/door/in", b"5") is None


def test_what_is_no_count_counts_nobody() -> None:
    temperature = {"homie": "5.0", "nodes": {"door": {"properties": {"in": {"datatype": "float"}}}}}
    assert described(description=temperature).waiting == []
    assert described().hear("gate/door/battery", b"80") is None
    assert described().hear("gate/$alert/low", b"x") is None
    for wrong in (b"-1", b"1.5", b"x", b"9" * 19):
        with pytest.raises(CountError):
            described().hear("gate/door/in", wrong)


def test_more_devices_than_a_shop_has_are_not_looked_at() -> None:
    homie = Homie({})
    for number in range(DEVICES_MAX + 10):
        homie.hear(f"d{number}/$state", b"ready")
    assert len(homie.devices) == DEVICES_MAX


@pytest.mark.skipif(not MATERIAL.is_dir(), reason="shared material is absent")
def test_the_gate_of_the_examples_counts_what_its_rule_says() -> None:
    case = json.loads((MATERIAL / "homie5-gate-telemetry.json").read_text())
    homie = Homie({"gate-north/counter": "North"})
    sensors: dict[str, Any] = {}
    came = left = 0
    for message in case["messages"]:
        reading = homie.hear(message["topic"].removeprefix("homie/5/"), message["payload"].encode())
        if reading is not None:
            judged = judge(sensors.get(reading.sensor), reading, now_ms=1_790_000_000_000)
            sensors[reading.sensor] = judged.sensor
            came, left = came + judged.entered, left + judged.exited
    assert (came, left) == (case["expected"]["visits_in"], case["expected"]["visits_out"])


@pytest.mark.skipif(not MATERIAL.is_dir(), reason="shared material is absent")
@pytest.mark.parametrize(
    "name", ["device-start", "remove-device", "tree-lost", "alert-log-broadcast", "command", "target"]
)
def test_the_convention_s_own_examples_are_heard_without_an_error(name: str) -> None:
    case = json.loads((MATERIAL / f"homie5-{name}.json").read_text())
    homie = Homie({})
    for message in case["messages"]:
        levels = message["topic"].removeprefix("homie/5/")
        if not levels.startswith("$"):
            homie.hear(levels, message["payload"].encode())
    assert all(each.state in ("", *STATES) for each in homie.devices.values())


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["gate/$state", "gate/$description", "gate/door/in", "x", ""]), st.binary(max_size=60)
        )
    )
)
def test_any_messages_are_heard_or_refused_with_a_remedy(messages: list[tuple[str, bytes]]) -> None:
    homie = described()
    for topic, payload in messages:
        try:
            homie.hear(topic, payload)
        except CountError as err:
            assert err.reason in REMEDIES
