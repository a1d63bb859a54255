"""Who may do what at an MQTT broker: the one place where it is declared, for the embedded broker and for mosquitto's files.

    a paired device        publishes below its own topics, hears nothing: store/<store>/<class>/<name>/…, homie/5/<name>/…
    the hub's own account  reads and writes all that is the store's, Homie's and Home Assistant's
    a reader               hears the same, writes nothing (Home Assistant, a screen of the operations)

A device's own name is the one it was paired under, and its client id. Pure. Not here: passwords (hub.broker.accounts,
hub.mosquitto).
"""

import re

from hub.store.staff.tills import Paired

SHARED = ("homie/5/", "homeassistant/")
_AN_ID = re.compile(r"(?:t|manager|device|cloud|ops|standby)[0-9]+")  # as clients are numbered (hub.store.staff.tills)
_NOT_A_LEVEL = frozenset("+#/\0")
_OF_THE_HUB = frozenset(
    {"", "device", "entrance", "status"}
)  # levels below store/<store>/hub, where only the hub speaks


def store_prefixes(store_id: str) -> tuple[str, ...]:
    """Return what every topic begins with that a broker of this store carries."""
    return (f"store/{store_id}/", *SHARED)


def own_names(device: Paired) -> tuple[str, ...]:
    """Return the levels of a topic that are a device's own: its id, and its name where that is one level and nobody's id."""
    is_level = device.name.isprintable() and not _NOT_A_LEVEL & set(device.name) and device.name not in _OF_THE_HUB
    is_level = is_level and not _AN_ID.fullmatch(device.name)
    return tuple(dict.fromkeys((device.till_id, *([device.name] if is_level else []))))


def own_filters(store_id: str, device: Paired) -> list[str]:
    """Return the topic filters that a device may publish to."""
    return [f"{place}/{name}/#" for name in own_names(device) for place in (f"store/{store_id}/+", "homie/5")]


def may_publish(store_id: str, device: Paired, topic: str) -> bool:
    """Whether a device may publish to a topic."""
    levels = topic.split("/")
    names = own_names(device)
    if levels[:2] == ["store", store_id]:
        return len(levels) > 4 and levels[3] in names
    return levels[:2] == ["homie", "5"] and len(levels) > 3 and levels[2] in names
