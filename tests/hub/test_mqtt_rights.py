"""What a device may publish, by both brokers' ways of asking; MQTT's filters are judged by paho."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from hub.mqtt_rights import may_publish, own_filters
from hub.store.staff.tills import Paired, Scope

OF_THE_HUB = ["store/hk01/hub/status", "store/hk01/hub/device/door/x", "store/hk01/hub/entrance/door"]


@pytest.mark.parametrize("name", ["status", "device", "entrance", "hub", "door"])
@pytest.mark.parametrize("topic", OF_THE_HUB)
def test_nobody_speaks_for_the_hub_whatever_its_name(name: str, topic: str) -> None:
    device = Paired(till_id="device1", name=name, scope="device")

    assert not may_publish("hk01", device, topic)
    assert not any(topic_matches_sub(each, topic) for each in own_filters("hk01", device))


@pytest.mark.parametrize("name", ["door", "前門", "a" * 64])
def test_a_device_publishes_below_its_own_name_by_both_ways(name: str) -> None:
    device, topic = Paired(till_id="device1", name=name, scope="device"), f"store/hk01/counter/{name}/count"

    assert may_publish("hk01", device, topic)
    assert any(topic_matches_sub(each, topic) for each in own_filters("hk01", device))


@given(scope=st.sampled_from(get_args(Scope)), number=st.integers(1, 10_000))
def test_a_name_that_is_another_s_number_opens_nothing_of_the_other(scope: Scope, number: int) -> None:
    """Whoever is paired chooses the name: `device2` would else publish as the device that has this id."""
    other = f"{'t' if scope == 'till' else scope}{number}"
    device = Paired("device99999", other, "device")
    assert not may_publish("hk01", device, f"store/hk01/counter/{other}/count")
    assert not may_publish("hk01", device, f"homie/5/{other}/$state")
    assert may_publish("hk01", device, "store/hk01/counter/device99999/count")
