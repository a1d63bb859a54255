"""Homie 5 devices as they describe themselves: who is there, which of their nodes counts people, what it said. Pure.

    $state   init, ready, disconnected, sleeping, lost;  empty: the device is removed, and forgotten here
    $description   JSON: name, nodes, their properties with datatype;  a later one replaces the former
    <node>/<property>   a value, text

A node counts people when it has integer properties `in` or `out` (or `enter`, `exit`, as some call them). Each of them is a
running total of its own, so nobody waits for the other. A value before its description says nothing yet. Source: The Homie
Convention 5.
"""

import re
from typing import Any, Literal

import msgspec
from msgspec import Struct

from devices.codecs.counters.own import COUNT_MAX, SENSOR_CHARS_MAX
from devices.errors import CountError
from devices.model import CounterReading

DEVICES_MAX = 256  # further ones are not looked at
DESCRIPTION_BYTES_MAX = 64 * 1024
NODES_MAX = 64  # nodes of a device that are looked at
STATES = ("init", "ready", "disconnected", "sleeping", "lost")
_WAYS: dict[str, Literal["in", "out"]] = {"in": "in", "enter": "in", "out": "out", "exit": "out"}
_ID = re.compile(r"[a-z0-9-]{1,64}\Z")
_INTEGER = re.compile(rb"-?[0-9]{1,19}\Z")


class _Property(Struct, frozen=True):
    datatype: str = ""


class _Node(Struct, frozen=True):
    properties: dict[str, _Property] = {}


class _Description(Struct, frozen=True):
    homie: str
    name: str = ""
    nodes: dict[str, _Node] = {}


class HomieDevice(Struct, frozen=True):
    """A device: its state, its name, and its nodes that count people with their properties."""

    device: str
    state: str = ""
    name: str = ""
    counters: dict[str, tuple[str, ...]] = {}


_DECODER = msgspec.json.Decoder(_Description)


class Homie:
    """All devices of a broker. `entrances` names where an accepted node (`device/node`) hangs; others count nobody."""

    def __init__(self, entrances: dict[str, str]) -> None:
        self._entrances = entrances
        self.devices: dict[str, HomieDevice] = {}

    def hear(
        self, topic: str, payload: bytes, *, packet_id: int = 0, redelivered: bool = False, retained: bool = False
    ) -> CounterReading | None:
        """Take a message below homie/5/ and return what it counts; raise CountError for what cannot be read."""
        device, *levels = topic.split("/")
        if not _ID.match(device):
            raise CountError("sensor_name", "a Homie id has a-z, 0-9 and -")
        match levels:
            case ["$state"]:
                self._state(device, payload)
            case ["$description"]:
                self._describe(device, payload)
            case [node, prop] if not prop.startswith("$"):
                return self._value(device, node, prop, payload, (packet_id, redelivered, retained))
            case _:
                pass  # alerts, logs, targets and commands
        return None

    @property
    def waiting(self) -> list[str]:
        """Nodes that count people and are not accepted yet, as `entrances` would name them."""
        found = [f"{each.device}/{node}" for each in self.devices.values() for node in each.counters]
        return sorted(node for node in found if node not in self._entrances)

    @property
    def away(self) -> list[str]:
        """Accepted devices that are lost or gone."""
        accepted = {node.partition("/")[0] for node in self._entrances}
        return sorted(
            name for name, each in self.devices.items() if name in accepted and each.state in ("lost", "disconnected")
        )

    def _state(self, device: str, payload: bytes) -> None:
        if not payload:
            self.devices.pop(device, None)
            return
        state = payload.decode("ascii", "replace")
        if state not in STATES:
            raise CountError("status", "no state of Homie 5")
        self._put(device, state=state)

    def _describe(self, device: str, payload: bytes) -> None:
        if not payload:
            self._put(device, name="", counters={})
            return
        if len(payload) > DESCRIPTION_BYTES_MAX:
            raise CountError("too_long", f"a description of more than {DESCRIPTION_BYTES_MAX} bytes")
        try:
            said = _DECODER.decode(payload)
        except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
            raise CountError("not_json", "no description of Homie 5") from err
        if not said.homie.startswith("5."):
            raise CountError("unknown_layout", f"Homie {said.homie[:8]}; known: 5")
        counters = {
            node: found
            for node, each in list(said.nodes.items())[:NODES_MAX]
            if _ID.match(node)
            and (found := tuple(p for p, is_ in each.properties.items() if p in _WAYS and is_.datatype == "integer"))
        }
        name = "".join(filter(str.isprintable, said.name))[:64]
        self._put(device, name=name, counters=counters)

    def _put(self, device: str, **fields: Any) -> None:  # Any: HomieDevice's own
        known = self.devices.get(device)
        if known is None and len(self.devices) >= DEVICES_MAX:
            return
        self.devices[device] = msgspec.structs.replace(known or HomieDevice(device), **fields)

    def _value(
        self, device: str, node: str, prop: str, payload: bytes, wire: tuple[int, bool, bool]
    ) -> CounterReading | None:
        known, entrance = self.devices.get(device), self._entrances.get(f"{device}/{node}")
        if known is None or entrance is None or prop not in known.counters.get(node, ()) or not payload:
            return None
        if not _INTEGER.match(payload) or not 0 <= (total := int(payload)) <= COUNT_MAX:
            raise CountError("wrong_field", f"a count is a whole number from 0 to {COUNT_MAX}")
        packet_id, redelivered, retained = wire
        sensor = f"{device}/{node}/{prop}"
        if len(sensor) > SENSOR_CHARS_MAX:
            raise CountError(
                "sensor_name", f"device, node and property together have at most {SENSOR_CHARS_MAX} characters"
            )
        is_in = _WAYS[prop] == "in"
        return CounterReading(
            sensor=sensor,
            entrance=entrance,
            in_total=total if is_in else 0,
            out_total=0 if is_in else total,
            packet_id=packet_id,
            redelivered=redelivered,
            retained=retained,
            is_in_order=not redelivered,
        )
