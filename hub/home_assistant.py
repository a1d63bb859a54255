"""What Home Assistant is told: one `problem` a device, visitors in and out today an entrance. Built here, sent by a driver.

    homeassistant/binary_sensor/storehub_<store>/<device>/config     store/<store>/hub/device/<device>   {"health","reason",…}
    homeassistant/sensor/storehub_<store>/<entrance>-in|out/config   store/<store>/hub/entrance/<id>     {"in","out","date"}

An entrance is shown when somebody came or left there in the last DAYS; its id is made of its name. Source: MQTT discovery,
home-assistant.io/integrations/mqtt.
"""

import datetime
from hashlib import blake2b
from typing import Any

import orjson

from devices.supervision.announcements import Announcements
from devices.supervision.outside import DeviceState
from hub.insights.footfall import entrances_since, footfall_of_day
from hub.runtime import Runtime

DAYS = 30
DAY_MS = 24 * 3_600_000


class HomeAssistant:
    """Keeps what one driver announces up to date."""

    def __init__(self, hub: Runtime, said: Announcements) -> None:
        self._hub, self._said = hub, said
        self._store = hub.shop.store_id

    def begin(self) -> None:
        """Say what there is, before the devices begin."""
        for state in self._hub.device_states():
            self.on_device(state)
        for entrance in entrances_since(self._hub.db.read, self._hub.now_ms() - DAYS * DAY_MS):
            self._announce(entrance)
        self.on_footfall()

    def on_device(self, state: DeviceState) -> None:
        """A device is otherwise than it was."""
        topic = f"store/{self._store}/hub/device/{state.device_id}"
        config = {
            "name": state.device_id,
            "device_class": "problem",
            "state_topic": topic,
            "value_template": "{{ 'OFF' if value_json.health == 'ready' else 'ON' }}",
            "json_attributes_topic": topic,
        }
        self._config("binary_sensor", state.device_id, config)
        self._put(topic, {"health": state.health, "reason": state.reason, "detail": state.detail})

    def on_footfall(self) -> None:
        """Somebody came or left."""
        hub = self._hub
        today = footfall_of_day(hub.db.read, hub.shop, datetime.date.fromisoformat(hub.today))
        for count in today.entrances:
            self._announce(count.entrance)
            topic = f"store/{self._store}/hub/entrance/{_id(count.entrance)}"
            self._put(topic, {"in": count.entered, "out": count.exited, "date": today.date})

    def _announce(self, entrance: str) -> None:
        topic = f"store/{self._store}/hub/entrance/{_id(entrance)}"
        for way in ("in", "out"):
            config = {
                "name": f"{entrance} {way}",
                "state_topic": topic,
                "value_template": f"{{{{ value_json['{way}'] }}}}",
                "state_class": "total_increasing",
                "unit_of_measurement": "visitors",
                "icon": "mdi:door-open",
            }
            self._config("sensor", f"{_id(entrance)}-{way}", config)

    def _config(self, component: str, name: str, config: dict[str, Any]) -> None:  # Any: JSON
        shop = self._hub.shop.name
        common = {
            "unique_id": f"storehub_{self._store}_{name}",
            "availability_topic": f"store/{self._store}/hub/status",
            "device": {
                "identifiers": [f"storehub_{self._store}"],
                "name": shop.en or shop.zh_hant,
                "model": "store hub",
            },
        }
        self._put(f"homeassistant/{component}/storehub_{self._store}/{name}/config", config | common)

    def _put(self, topic: str, content: dict[str, Any]) -> None:  # Any: JSON
        self._said.put(topic, orjson.dumps(content))


def _id(entrance: str) -> str:
    return f"entrance-{blake2b(entrance.encode(), digest_size=5).hexdigest()}"
