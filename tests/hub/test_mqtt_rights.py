"""What a device may publish, by both brokers' ways of asking; MQTT's filters are judged by paho."""

import pytest
from paho.mqtt.client import topic_matches_sub

from hub.mqtt_rights import may_publish, own_filters
from hub.store.staff.tills import Paired

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
